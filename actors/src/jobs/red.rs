//! The job of RED: baseline, composed tree, judgement.

use super::{
    Bench, JobError, is_current,
    runs::{Run, Wanted, summary},
    tell,
};
use foureyes_policies::{
    features::{Feature, Push},
    inline_tests,
    red::{self, Red, RedFacts, list},
};
use foureyes_ports::{governance::Draft, vcs::NewBlob};
use foureyes_protocol::{
    Code, CommitId, FeatureId, Gate, Outcome, Reason,
    artifact::AdmittedFile,
    body::GateVerdict,
    change::FileStatus,
    testrun::{RunOutcome, TestReport},
};
use std::collections::BTreeSet;

/// Files of a source larger than this are not parsed for inline tests.
const SOURCE_CAP: u64 = 1 << 20;

/// The runs that RED was judged on.
pub(super) struct RedRuns {
    pub(super) baseline: Run,
    pub(super) composed: Run,
    pub(super) tree: CommitId,
    pub(super) judged: Result<Red, Vec<Reason>>,
    pub(super) extra: Vec<Draft>,
}

impl Bench {
    pub(super) async fn red(&self, id: &FeatureId, head: CommitId) -> Result<Vec<Draft>, JobError> {
        let feature = self.feature(id)?;
        let push = feature.push.as_ref().ok_or(JobError::Missing("push"))?;
        if !is_current(feature, &head) {
            return Ok(Vec::new());
        }
        let runs = self.red_runs(feature, push).await?;
        let verdict = match &runs.judged {
            Ok(red) => self.checked(feature, push, &runs, red).await?,
            Err(reasons) => self.not_passed(feature, Gate::Red, reasons.clone()),
        };
        let verdict = GateVerdict {
            tree: Some(runs.tree.clone()),
            evidence: vec![runs.baseline.evidence.clone(), runs.composed.evidence.clone()],
            millis: runs.baseline.report.millis + runs.composed.report.millis,
            ..verdict
        };
        let records = runs.extra.into_iter().chain(runs.baseline.record).chain(runs.composed.record);
        Ok(records.chain(std::iter::once(tell(feature, verdict))).collect())
    }

    pub(super) async fn baseline(&self, feature: &Feature, push: &Push) -> Result<Run, JobError> {
        let wanted = Wanted {
            feature: &feature.id,
            what: "baseline",
            tree: push.change.base_tree.clone(),
            trusted: true,
        };
        self.evidence(wanted).await
    }

    pub(super) async fn red_runs(&self, feature: &Feature, push: &Push) -> Result<RedRuns, JobError> {
        let baseline = self.baseline(feature, push).await?;
        let test_files = test_files(push);
        let tree = self.compose(push, &test_files).await?;
        let composed = self.evidence(self.red_run(feature, tree.clone())).await?;
        let mut extra = Vec::new();
        let without = match &composed.report.outcome {
            RunOutcome::BuildFailed { files, .. } if files.iter().all(|f| test_files.contains(f)) => {
                let kept = test_files.iter().filter(|f| !files.contains(f)).cloned().collect();
                let tree = self.compose(push, &kept).await?;
                let run = self.evidence(self.red_run(feature, tree)).await?;
                extra.extend(run.record);
                Some(run.report)
            }
            _ => None,
        };
        let mut judged = judge(feature, &baseline.report, &composed.report, without.as_ref(), &test_files);
        if let Ok(red) = &judged {
            let flaky = self.flaky_failures(feature, &tree, &composed, red).await?;
            if !flaky.is_empty() {
                let text =
                    format!("these new tests fail only sometimes, so they prove nothing: {}", list(&flaky));
                judged = Err(vec![Reason::new(Code::RedNothing, text)]);
            }
        }
        Ok(RedRuns { baseline, composed, tree, judged, extra })
    }

    fn red_run<'a>(&self, feature: &'a Feature, tree: CommitId) -> Wanted<'a> {
        Wanted { feature: &feature.id, what: "red run", tree, trusted: false }
    }

    /// New tests that fail must fail each time.
    async fn flaky_failures(
        &self,
        feature: &Feature,
        tree: &CommitId,
        composed: &Run,
        red: &Red,
    ) -> Result<Vec<String>, JobError> {
        if composed.reused
            || !composed.report.per_test
            || matches!(composed.report.outcome, RunOutcome::BuildFailed { .. })
        {
            return Ok(Vec::new());
        }
        let seen = self.flaky(&self.red_run(feature, tree.clone()), &red.failing).await?;
        Ok(seen.into_iter().map(|r| r.id).collect())
    }

    /// The merge base with these test files of the branch laid over it. Of a source with inline tests
    /// only its test items are taken.
    async fn compose(&self, push: &Push, test_files: &BTreeSet<String>) -> Result<CommitId, JobError> {
        let inline: Vec<String> =
            push.facts.inline_tests.iter().filter(|p| test_files.contains(*p)).cloned().collect();
        let whole: Vec<String> = test_files
            .iter()
            .chain(&push.facts.test_infrastructure)
            .filter(|p| !inline.contains(p))
            .cloned()
            .collect();
        let (base, head, base_tree) =
            (push.change.base.clone(), push.change.head.clone(), push.change.base_tree.clone());
        let head_tree = push.change.head_tree.clone();
        self.vcs(move |v| {
            let mut tree = v.compose_tree(&base_tree, &head_tree, &whole)?;
            let mut blobs = Vec::new();
            for path in inline {
                let text = |c: &CommitId| -> Result<String, foureyes_ports::vcs::VcsError> {
                    let bytes = v.read_blob(c, &path, SOURCE_CAP)?.unwrap_or_default();
                    Ok(String::from_utf8_lossy(&bytes).into_owned())
                };
                if let Some(content) = inline_tests::overlay(&text(&base)?, &text(&head)?) {
                    blobs.push(NewBlob {
                        path: path.clone(),
                        mode: 0o100_644,
                        content: content.into_bytes(),
                    });
                }
            }
            if !blobs.is_empty() {
                tree = v.compose_tree_with_blobs(&tree, &blobs)?;
            }
            Ok(tree)
        })
        .await
    }

    async fn checked(
        &self,
        feature: &Feature,
        push: &Push,
        runs: &RedRuns,
        red: &Red,
    ) -> Result<GateVerdict, JobError> {
        let shows = red.shows.lines().find(|l| !l.trim().is_empty()).unwrap_or("").trim().to_owned();
        let new = match red.failing.len() {
            0 => "the command fails with the new tests".to_owned(),
            n => format!("{n} new fail{}: {}", if n == 1 { "s" } else { "" }, list(&red.failing)),
        };
        let old = summary(&runs.baseline.report);
        let shows = if shows.is_empty() { String::new() } else { format!(" — {shows}") };
        Ok(GateVerdict {
            summary: format!("RED by the runtime: {new}{shows} (baseline: {old})"),
            admitted: self.admitted(push).await?,
            failing: red.failing.clone(),
            known_failures: red.known_failures.clone(),
            ..self.verdict(feature, Gate::Red, Outcome::Checked)
        })
    }

    /// The test files of the change as they are now.
    pub(super) async fn admitted(&self, push: &Push) -> Result<Vec<AdmittedFile>, JobError> {
        let mut admitted: Vec<AdmittedFile> = Vec::new();
        for file in &push.change.files {
            let whole = push.facts.test_files.contains(&file.path)
                || push.facts.test_infrastructure.contains(&file.path);
            if let (true, Some(blob)) = (whole && file.status != FileStatus::Deleted, &file.new_blob) {
                admitted.push(AdmittedFile { path: file.path.clone(), blob: blob.clone(), inline: false });
            }
        }
        for path in &push.facts.inline_tests {
            if let Some(blob) = self.inline_digest(&push.change.head, path).await? {
                admitted.push(AdmittedFile { path: path.clone(), blob, inline: true });
            }
        }
        Ok(admitted)
    }

    /// The digest of a source's test items at a commit.
    pub(super) async fn inline_digest(
        &self,
        commit: &CommitId,
        path: &str,
    ) -> Result<Option<String>, JobError> {
        let (commit, path) = (commit.clone(), path.to_owned());
        let bytes = self.vcs(move |v| v.read_blob(&commit, &path, SOURCE_CAP)).await?;
        let source = bytes.map(|b| String::from_utf8_lossy(&b).into_owned());
        Ok(source.and_then(|s| inline_tests::tests_digest(&s)).map(|d| d.to_string()))
    }
}

fn test_files(push: &Push) -> BTreeSet<String> {
    push.facts.test_files.iter().chain(&push.facts.inline_tests).cloned().collect()
}

fn judge(
    feature: &Feature,
    baseline: &TestReport,
    composed: &TestReport,
    without_new: Option<&TestReport>,
    test_files: &BTreeSet<String>,
) -> Result<Red, Vec<Reason>> {
    let spec = feature.spec.as_ref();
    let characterisation =
        spec.map_or_else(BTreeSet::new, |s| s.spec.characterisation.iter().cloned().collect());
    red::judge(&RedFacts { baseline, composed, without_new, test_files, characterisation: &characterisation })
}

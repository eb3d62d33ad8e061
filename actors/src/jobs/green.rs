//! The job of GREEN: the runtime's own run of the tip.

use super::{
    Bench, JobError, is_current,
    runs::{Run, Wanted, summary},
    tell,
};
use foureyes_policies::{
    features::{Feature, Push},
    green::{self, Green, GreenFacts},
    red::list,
};
use foureyes_ports::governance::Draft;
use foureyes_protocol::{
    ChangeKind, Code, CommitId, FeatureId, Gate, Outcome, Reason,
    artifact::{AdmittedFile, EvidenceRef},
    body::GateVerdict,
    change::FileStatus,
    testrun::{RunOutcome, TestStatus},
};
use std::{collections::BTreeSet, path::Path};

/// What has to be true of a run besides the run itself.
pub(super) struct Frozen {
    pub(super) admitted: Vec<AdmittedFile>,
    pub(super) failing: Vec<String>,
    pub(super) now: BTreeSet<(String, String)>,
    /// Records of runs that were needed to find out.
    pub(super) records: Vec<Draft>,
    /// Why tests that came later are not admitted.
    pub(super) refused: Vec<Reason>,
}

impl Bench {
    pub(super) async fn green(&self, id: &FeatureId, head: CommitId) -> Result<Vec<Draft>, JobError> {
        let feature = self.feature(id)?;
        let push = feature.push.as_ref().ok_or(JobError::Missing("push"))?;
        if !is_current(feature, &head) {
            return Ok(Vec::new());
        }
        let baseline = self.baseline(feature, push).await?;
        let frozen = self.frozen(feature, push).await?;
        let wanted =
            Wanted { feature: id, what: "green run", tree: push.change.head_tree.clone(), trusted: false };
        let run = self.evidence(wanted).await?;
        let mut reasons = frozen.refused.clone();
        reasons.extend(self.kind_reasons(feature, push).await?);
        let judged = self.judge(feature, &baseline, &run, &frozen, push.change.head_tree.clone()).await?;
        let verdict = match judged {
            Ok(green) if reasons.is_empty() => {
                self.coverage(feature, push, self.passed(feature, &run, &green, &frozen)).await?
            }
            Ok(_) => self.not_passed(feature, Gate::Green, reasons),
            Err(more) => self.not_passed(feature, Gate::Green, [reasons, more].concat()),
        };
        let verdict = GateVerdict {
            tree: Some(push.change.head_tree.clone()),
            evidence: vec![baseline.evidence, run.evidence],
            millis: run.report.millis,
            ..verdict
        };
        let records = frozen.records.into_iter().chain(baseline.record).chain(run.record);
        Ok(records.chain(std::iter::once(tell(feature, verdict))).collect())
    }

    fn passed(&self, feature: &Feature, run: &Run, green: &Green, frozen: &Frozen) -> GateVerdict {
        let known = if green.known_failures.is_empty() {
            String::new()
        } else {
            format!("; known failures: {}", list(&green.known_failures))
        };
        GateVerdict {
            summary: format!("GREEN by the runtime: {}{known}", summary(&run.report)),
            admitted: frozen.admitted.clone(),
            failing: frozen.failing.clone(),
            ..self.verdict(feature, Gate::Green, Outcome::Passed)
        }
    }

    /// Judges a run; tests that fail only sometimes on the same tree are set aside and named.
    pub(super) async fn judge(
        &self,
        feature: &Feature,
        baseline: &Run,
        run: &Run,
        frozen: &Frozen,
        tree: CommitId,
    ) -> Result<Result<Green, Vec<Reason>>, JobError> {
        let removes: BTreeSet<String> =
            feature.spec.iter().flat_map(|s| s.spec.removes.iter().cloned()).collect();
        let none = BTreeSet::new();
        let kind = feature.spec.as_ref().map_or(ChangeKind::Feature, |s| s.spec.kind);
        let facts = |flaky| GreenFacts {
            kind,
            baseline: &baseline.report,
            run: &run.report,
            admitted: &frozen.admitted,
            failing: &frozen.failing,
            now: &frozen.now,
            removes: &removes,
            flaky,
        };
        let first = green::judge(&facts(&none));
        let suspects = suspects(baseline, run);
        if first.is_ok() || suspects.is_empty() || run.reused {
            return Ok(first);
        }
        let wanted = Wanted { feature: &feature.id, what: "repeating", tree, trusted: false };
        let seen = self.flaky(&wanted, &suspects).await?;
        if seen.is_empty() {
            return Ok(first);
        }
        let flaky: BTreeSet<String> = seen.into_iter().map(|r| r.id).collect();
        Ok(green::judge(&facts(&flaky)))
    }

    /// The admitted files and what they are now. Test files that came after RED are admitted by RED's
    /// rule; they do not change what was admitted before.
    pub(super) async fn frozen(&self, feature: &Feature, push: &Push) -> Result<Frozen, JobError> {
        let now_files = self.admitted(push).await?;
        let mut now: BTreeSet<(String, String)> =
            now_files.iter().map(|a| (a.path.clone(), a.blob.clone())).collect();
        for admitted in feature.admitted.iter().filter(|a| a.inline) {
            // The rest of such a file may have changed since, so it is no longer "inline only".
            if let Some(blob) = self.inline_digest(&push.change.head, &admitted.path).await? {
                now.insert((admitted.path.clone(), blob));
            }
        }
        let known: BTreeSet<&String> = feature.admitted.iter().map(|a| &a.path).collect();
        let late: Vec<&AdmittedFile> = now_files.iter().filter(|a| !known.contains(&a.path)).collect();
        let red_applied = feature.verdict(Gate::Red).is_some_and(|v| v.verdict.outcome == Outcome::Passed);
        if late.is_empty() || !red_applied {
            let admitted = if red_applied { feature.admitted.clone() } else { now_files };
            return Ok(Frozen {
                admitted,
                failing: feature.failing.clone(),
                now,
                records: Vec::new(),
                refused: Vec::new(),
            });
        }
        let runs = self.red_runs(feature, push).await?;
        let mut admitted = feature.admitted.clone();
        admitted.extend(late.into_iter().cloned());
        let records =
            runs.extra.into_iter().chain(runs.baseline.record).chain(runs.composed.record).collect();
        Ok(match runs.judged {
            Ok(red) => Frozen { admitted, failing: red.failing, now, records, refused: Vec::new() },
            Err(refused) => Frozen {
                admitted: feature.admitted.clone(),
                failing: feature.failing.clone(),
                now,
                records,
                refused,
            },
        })
    }

    /// What a kind claims that only trees can show.
    async fn kind_reasons(&self, feature: &Feature, push: &Push) -> Result<Vec<Reason>, JobError> {
        let Some(spec) = &feature.spec else { return Ok(Vec::new()) };
        match spec.spec.kind {
            ChangeKind::Revert => self.is_inverse(push, spec.spec.reverts.as_ref()).await,
            ChangeKind::Format => self.is_formatted(push).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn is_inverse(&self, push: &Push, reverts: Option<&CommitId>) -> Result<Vec<Reason>, JobError> {
        let refuse = |text: &str| Ok(vec![Reason::new(Code::KindMismatch, text)]);
        let Some(commit) = reverts.cloned() else {
            return refuse("a revert names the merged commit that it undoes (`reverts` of the spec)");
        };
        let undone = self
            .vcs(move |v| {
                let info = v.commit_info(&commit)?;
                let parent = info.parents.first().cloned().unwrap_or_else(|| commit.clone());
                v.change_summary(&parent, &commit)
            })
            .await?;
        let side = |path: &str, mode: u32, blob: &Option<String>| (path.to_owned(), mode, blob.clone());
        let forward: BTreeSet<_> = undone
            .files
            .iter()
            .map(|f| {
                (
                    side(f.old_path.as_deref().unwrap_or(&f.path), f.old_mode, &f.old_blob),
                    side(&f.path, f.new_mode, &f.new_blob),
                )
            })
            .collect();
        let backward: BTreeSet<_> = push
            .change
            .files
            .iter()
            .map(|f| {
                (
                    side(&f.path, f.new_mode, &f.new_blob),
                    side(f.old_path.as_deref().unwrap_or(&f.path), f.old_mode, &f.old_blob),
                )
            })
            .collect();
        if forward == backward {
            return Ok(Vec::new());
        }
        refuse("the change is not byte for byte the inverse of the commit that it names; kind fix would fit")
    }

    async fn is_formatted(&self, push: &Push) -> Result<Vec<Reason>, JobError> {
        let formatter = self.core.facts.config.gates.suite.formatter.clone();
        let refuse = |text: String| Ok(vec![Reason::new(Code::KindMismatch, text)]);
        if formatter.is_empty() {
            return refuse(
                "no formatter is configured (`gates.suite.formatter`), so nothing is of kind format"
                    .to_owned(),
            );
        }
        let (report, checkout) = self.command(&push.change.base_tree, &formatter, true).await?;
        if !matches!(report.outcome, RunOutcome::Completed { exit: 0 }) {
            return refuse("the configured formatter fails on the base".to_owned());
        }
        let (head, root) = (push.change.head.clone(), checkout.path());
        let differing = self
            .vcs(move |v| {
                let mut differing = Vec::new();
                for entry in v.list_tree(&head)? {
                    let formatted = bytes_at(&root.join(&entry.path));
                    if v.read_blob(&head, &entry.path, 64 << 20)?.unwrap_or_default() != formatted
                        && entry.mode != foureyes_protocol::change::MODE_SUBMODULE
                    {
                        differing.push(entry.path);
                    }
                }
                Ok(differing)
            })
            .await?;
        let deleted =
            push.change.files.iter().filter(|f| f.status == FileStatus::Deleted).map(|f| f.path.clone());
        let differing: Vec<String> = differing.into_iter().chain(deleted).collect();
        if differing.is_empty() {
            return Ok(Vec::new());
        }
        refuse(format!("the tree is not the formatter's output on the base: {}", list(&differing)))
    }

    /// Coverage may not fall, where a command prints it (its last number, in percent).
    async fn coverage(
        &self,
        feature: &Feature,
        push: &Push,
        verdict: GateVerdict,
    ) -> Result<GateVerdict, JobError> {
        let command = self.core.facts.config.gates.suite.coverage.clone();
        if command.is_empty() {
            return Ok(verdict);
        }
        let (before, _) = self.command(&push.change.base_tree, &command, false).await?;
        let (after, _) = self.command(&push.change.head_tree, &command, false).await?;
        match (last_number(&before.stdout), last_number(&after.stdout)) {
            (Some(before), Some(after)) if after + 1e-9 < before => {
                let text = format!("coverage fell from {before} to {after}: test what was added");
                Ok(self.not_passed(feature, Gate::Green, vec![Reason::new(Code::Coverage, text)]))
            }
            (Some(_), Some(after)) => {
                let digest = self.core.ports.artifacts.put(&after.to_string().into_bytes())?;
                let mut verdict = verdict;
                verdict.evidence.push(EvidenceRef { what: format!("coverage {after}"), digest });
                Ok(verdict)
            }
            _ => {
                let text = "the coverage command prints no number: it must print the percentage last";
                Ok(self.not_passed(feature, Gate::Green, vec![Reason::new(Code::Broken, text)]))
            }
        }
    }
}

/// What git would keep of a file: a link is its target's name, and is never followed out of the tree.
fn bytes_at(path: &Path) -> Vec<u8> {
    match path.symlink_metadata() {
        Ok(m) if m.is_symlink() => std::fs::read_link(path)
            .map_or_else(|_| Vec::new(), |to| to.into_os_string().into_encoded_bytes()),
        Ok(m) if m.is_file() => std::fs::read(path).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Failing tests that passed on the base: the ones that may only be flaky.
fn suspects(baseline: &Run, run: &Run) -> Vec<String> {
    let passed_before: BTreeSet<&str> =
        baseline.report.with_status(TestStatus::Passed).map(|t| t.id.as_str()).collect();
    run.report
        .with_status(TestStatus::Failed)
        .filter(|t| passed_before.contains(t.id.as_str()))
        .map(|t| t.id.clone())
        .collect()
}

fn last_number(bytes: &[u8]) -> Option<f64> {
    let text = String::from_utf8_lossy(bytes);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    text.split(|c| !is_number(c)).rev().find_map(|word| word.trim_matches('.').parse().ok())
}

//! The job of QA: the full run on the merge result, plus the configured extra commands.

use super::{
    Bench, JobError, is_current,
    runs::{Run, Wanted, summary},
    tell,
};
use foureyes_policies::{
    features::{Feature, Push},
    red::list,
};
use foureyes_ports::{governance::Draft, vcs::Merge};
use foureyes_protocol::{
    Code, CommitId, FeatureId, Gate, Outcome, Reason, artifact::EvidenceRef, body::GateVerdict,
    testrun::RunOutcome,
};

impl Bench {
    pub(super) async fn qa(
        &self,
        id: &FeatureId,
        head: CommitId,
        main: CommitId,
    ) -> Result<Vec<Draft>, JobError> {
        let feature = self.feature(id)?;
        let push = feature.push.as_ref().ok_or(JobError::Missing("push"))?;
        if !is_current(feature, &head) || self.features.main.as_ref() != Some(&main) {
            return Ok(Vec::new());
        }
        match self.merge(&main, &head).await? {
            Merge::Conflict { paths } => Ok(vec![tell(feature, self.conflict(feature, &main, &paths))]),
            Merge::Clean { tree } => self.verify_merge(feature, push, &main, tree).await,
        }
    }

    pub(super) async fn merge(&self, main: &CommitId, head: &CommitId) -> Result<Merge, JobError> {
        let (main, head) = (main.clone(), head.clone());
        self.vcs(move |v| v.merge(&main, &head)).await
    }

    fn conflict(&self, feature: &Feature, main: &CommitId, paths: &[String]) -> GateVerdict {
        let head = feature.push.as_ref().map_or("?", |p| p.change.head.short());
        let text = format!(
            "{} at {head} and {} at {} conflict in {}: `git fetch && git merge origin/{}`, resolve, push",
            feature.id.branch(),
            self.core.facts.target,
            main.short(),
            list(paths),
            self.core.facts.target
        );
        GateVerdict {
            counts: false,
            ..self.not_passed(feature, Gate::Qa, vec![Reason::new(Code::Conflict, text)])
        }
    }

    async fn verify_merge(
        &self,
        feature: &Feature,
        push: &Push,
        main: &CommitId,
        tree: CommitId,
    ) -> Result<Vec<Draft>, JobError> {
        if !self.has_suite() {
            let summary = "QA is not applicable, because no test command is configured".to_owned();
            let verdict = GateVerdict {
                summary,
                main: Some(main.clone()),
                tree: Some(tree),
                ..self.verdict(feature, Gate::Qa, Outcome::Checked)
            };
            return Ok(vec![tell(feature, verdict)]);
        }
        let main_tree = {
            let main = main.clone();
            self.vcs(move |v| v.commit_info(&main)).await?.tree
        };
        let baseline = self
            .evidence(Wanted { feature: &feature.id, what: "baseline", tree: main_tree, trusted: true })
            .await?;
        let frozen = self.frozen(feature, push).await?;
        let run = self
            .evidence(Wanted { feature: &feature.id, what: "merge run", tree: tree.clone(), trusted: false })
            .await?;
        let mut reasons = match self.judge(feature, &baseline, &run, &frozen, tree.clone()).await? {
            Ok(_) => Vec::new(),
            Err(reasons) => reasons,
        };
        let (extra, failed) = self.extras(&tree).await?;
        reasons.extend(failed);
        let verdict = if reasons.is_empty() {
            GateVerdict {
                summary: merge_summary(main, &run, extra.len()),
                ..self.verdict(feature, Gate::Qa, Outcome::Checked)
            }
        } else {
            // It passed on its own tip: when the target branch has moved since, the return is not the author's.
            let moved = push.change.base != *main;
            GateVerdict { counts: !moved, ..self.not_passed(feature, Gate::Qa, reasons) }
        };
        let evidence = [baseline.evidence, run.evidence].into_iter().chain(extra).collect();
        let verdict = GateVerdict {
            main: Some(main.clone()),
            tree: Some(tree),
            evidence,
            millis: run.report.millis,
            ..verdict
        };
        let records = frozen.records.into_iter().chain(baseline.record).chain(run.record);
        Ok(records.chain(std::iter::once(tell(feature, verdict))).collect())
    }

    pub(super) fn has_suite(&self) -> bool {
        let suite = &self.core.facts.config.gates.suite;
        suite.adapter != foureyes_config::sections::suite::Adapter::Generic || !suite.command.is_empty()
    }

    /// The configured extra commands on the merge: lint, types, end to end.
    async fn extras(&self, tree: &CommitId) -> Result<(Vec<EvidenceRef>, Vec<Reason>), JobError> {
        let (mut evidence, mut failed) = (Vec::new(), Vec::new());
        for extra in self.core.facts.config.gates.suite.extra.clone() {
            let (report, _) = self.command(tree, &extra.command, false).await?;
            let digest = self.core.ports.artifacts.put(&report.log)?;
            match report.outcome {
                RunOutcome::Completed { exit: 0 } => evidence.push(EvidenceRef { what: extra.name, digest }),
                RunOutcome::BrokenEnvironment { message } => {
                    failed.push(Reason::new(Code::Broken, format!("{}: {message}", extra.name)))
                }
                _ => failed
                    .push(Reason::new(Code::Extra, format!("{} fails: {}", extra.name, tail(&report.log)))),
            }
        }
        Ok((evidence, failed))
    }
}

fn merge_summary(main: &CommitId, run: &Run, extras: usize) -> String {
    let reused = if run.reused { ", reused evidence" } else { "" };
    let more = if extras > 0 { format!(", {extras} extra commands") } else { String::new() };
    format!("QA by the runtime on the merge with {}: {}{more}{reused}", main.short(), summary(&run.report))
}

/// The last lines of a log.
fn tail(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

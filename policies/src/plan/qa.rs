//! QA: the full run on the merge result, and above the threshold two signatures on it.

use super::{Gate, Job, Outcome, Planner, PrincipalId, Step, Subject, seats::Seated, spec::names};
use crate::{approvals, features::Verdict};
use foureyes_protocol::body::GateVerdict;

impl Planner<'_> {
    pub(super) fn qa(&self) -> Vec<Step> {
        if self.approvals_void() {
            return vec![self.void_approvals()];
        }
        match self.current_run() {
            None => self.run_merge(),
            Some(run) => self.sign_qa(run),
        }
    }

    /// The approvals of PEER no longer stand, because the target branch touched these paths: the
    /// feature goes back without a count.
    pub(super) fn approvals_void(&self) -> bool {
        let Some(push) = &self.feature.push else { return false };
        let signed = self.approvers(Subject::Change, push.content);
        let peer = self.feature.verdict(Gate::Peer);
        self.main_touched() || peer.is_some_and(|v| v.verdict.signers.iter().any(|s| !signed.contains(s)))
    }

    pub(super) fn main_touched(&self) -> bool {
        approvals::main_touched(self.features, self.feature, self.rules.is_manifest)
    }

    pub(super) fn void_approvals(&self) -> Step {
        let reason =
            foureyes_protocol::Reason::new(foureyes_protocol::Code::StaleApproval, self.both_sides());
        let summary = reason.to_string();
        let verdict = GateVerdict {
            counts: false,
            summary,
            reasons: vec![reason],
            ..self.verdict(Gate::Peer, Outcome::Returned)
        };
        self.verdict_to_author(verdict)
    }

    /// What moved under the approvals, with both sides named.
    fn both_sides(&self) -> String {
        let short = |c: Option<&foureyes_protocol::CommitId>| c.map_or("?", |c| c.short()).to_owned();
        let ours = short(self.feature.push.as_ref().map(|p| &p.change.head));
        let theirs = short(self.features.main.as_ref());
        let paths = crate::approvals::paths_touched(self.features, self.feature);
        let on = if paths.is_empty() { "a manifest".to_owned() } else { crate::red::list(&paths) };
        format!(
            "the target branch moved to {theirs} on {on}, which {} at {ours} changes too, so its approvals are void: merge it into your branch (`git fetch && git merge {theirs}`), push, and it is reviewed again",
            self.feature.id.branch()
        )
    }

    /// The run on the merge of the present tip with the present target branch.
    pub(super) fn current_run(&self) -> Option<&Verdict> {
        let push = self.feature.push.as_ref()?;
        let fits = |v: &&Verdict| {
            v.index > push.index
                && v.verdict.gate == Gate::Qa
                && matches!(v.verdict.outcome, Outcome::Checked | Outcome::Passed)
                && v.verdict.head.as_ref() == Some(&push.change.head)
                && v.verdict.main == self.features.main
        };
        self.feature.verdicts.iter().rev().find(fits)
    }

    pub(super) fn run_merge(&self) -> Vec<Step> {
        let (Some(push), Some(main)) = (&self.feature.push, &self.features.main) else { return Vec::new() };
        vec![Step::Job(Job::Qa(self.feature.id.clone(), push.change.head.clone(), main.clone()))]
    }

    fn sign_qa(&self, run: &Verdict) -> Vec<Step> {
        let Some(push) = &self.feature.push else { return Vec::new() };
        if let Some(refusal) = self.refusal(Subject::Verification, push.content) {
            return vec![self.returned(Gate::Qa, super::peer::rejected(refusal))];
        }
        let seats = match push.facts.above_threshold() {
            true => vec![self.chain(Subject::Verification); 2],
            false => Vec::new(),
        };
        let text = format!("{} — verify the change against the spec", run.verdict.summary);
        match self.seat(Subject::Verification, push.content, &seats, &text) {
            Seated::All(signers) => vec![self.pass_qa(run, signers)],
            Seated::Waiting(steps) => steps,
        }
    }

    fn pass_qa(&self, run: &Verdict, signers: Vec<PrincipalId>) -> Step {
        let eyes = if signers.is_empty() {
            "the runtime's run suffices (fast track)".to_owned()
        } else {
            format!("verified by {}", names(&signers))
        };
        let summary = format!("{}; {eyes}", run.verdict.summary);
        self.verdict_to_author(GateVerdict {
            outcome: Outcome::Passed,
            signers,
            summary,
            ..run.verdict.clone()
        })
    }
}

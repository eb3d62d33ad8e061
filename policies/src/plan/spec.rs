//! SPEC: a planner writes, the risk decides who reads.

use super::{Gate, Job, Outcome, Planner, Priority, Risk, Step, Subject, Task, seats::Seated};
use foureyes_protocol::{Address, ChangeKind, Family, body::GateVerdict};

const WRITERS: [Family; 4] = [Family::Planner, Family::Architect, Family::Orchestrator, Family::Dev];

impl Planner<'_> {
    pub(super) fn spec(&self) -> Vec<Step> {
        if self.features.imported.is_none_or(|at| at < self.feature.requested) {
            return vec![Step::Job(Job::Import(self.feature.id.clone()))];
        }
        match &self.feature.spec {
            None => self.ask_for_spec(),
            Some(spec) => self.judge_spec(spec),
        }
    }

    fn ask_for_spec(&self) -> Vec<Step> {
        if self.assigned_for(Task::WriteSpec) {
            return Vec::new();
        }
        let to = self.draw_role(&WRITERS, "spec").map_or_else(Address::user, Address::One);
        vec![self.say(to, self.task(Task::WriteSpec, self.feature.text.clone()), Priority::Normal)]
    }

    fn judge_spec(&self, spec: &crate::features::Spec) -> Vec<Step> {
        if let Some(step) = self.unjudgeable(spec) {
            return vec![step];
        }
        let last_return = self.feature.verdict(Gate::Spec).map_or(0, |v| v.index);
        if let Some(refusal) = self.refusal(Subject::Spec, spec.content) {
            if last_return > refusal.index {
                return Vec::new();
            }
            return vec![self.return_spec(spec, refusal)];
        }
        match self.seat(Subject::Spec, spec.content, &self.spec_seats(), &spec.spec.text) {
            Seated::All(signers) => vec![self.pass_spec(spec, signers)],
            Seated::Waiting(steps) => steps,
        }
    }

    /// Without a test command nothing but documentation, chores and a first suite can be judged.
    fn unjudgeable(&self, spec: &crate::features::Spec) -> Option<Step> {
        let judgeable = matches!(spec.spec.kind, ChangeKind::Docs | ChangeKind::Chore | ChangeKind::Tests);
        if self.rules.has_suite || judgeable {
            return None;
        }
        let text = format!(
            "no test command is configured, so a change of kind {} cannot be judged: set `gates.suite.command` (a suite can be the first feature, of kind tests), then `agents feature retry {}`",
            spec.spec.kind, self.feature.id
        );
        let verdict =
            GateVerdict { content: spec.content, summary: text, ..self.verdict(Gate::Spec, Outcome::Broken) };
        Some(self.say(Address::user(), verdict, Priority::High))
    }

    /// From HIGH on the other planner reviews and an architect judges feasibility; the user reads what
    /// is critical.
    pub(super) fn spec_seats(&self) -> Vec<Vec<Family>> {
        let review = self.chain(Subject::Spec);
        let feasibility = vec![Family::Architect, Family::Planner, Family::User];
        match self.feature.risk() {
            Risk::Low | Risk::Medium => Vec::new(),
            Risk::High => vec![review, feasibility],
            Risk::Critical => vec![vec![Family::User], review, feasibility],
        }
    }

    /// A risk that only the diff shows asks for the readers of the spec that it had not.
    pub(super) fn late_review(&self) -> Option<Vec<Step>> {
        let spec = self.feature.spec.as_ref()?;
        if let Some(refusal) = self.refusal(Subject::Spec, spec.content) {
            return Some(vec![self.return_spec(spec, refusal)]);
        }
        match self.seat(Subject::Spec, spec.content, &self.spec_seats(), &spec.spec.text) {
            Seated::All(_) => None,
            Seated::Waiting(steps) => Some(steps),
        }
    }

    fn pass_spec(&self, spec: &crate::features::Spec, signers: Vec<foureyes_protocol::PrincipalId>) -> Step {
        let read = if signers.is_empty() {
            "one planner suffices for this risk".to_owned()
        } else {
            format!("signed by {}", names(&signers))
        };
        let summary = format!(
            "{} ({}, risk {}) by {}; {read}",
            spec.spec.title,
            spec.spec.kind,
            self.feature.risk(),
            spec.by
        );
        let verdict = GateVerdict {
            content: spec.content,
            summary,
            signers,
            ..self.verdict(Gate::Spec, Outcome::Passed)
        };
        self.say(Address::system(), verdict, Priority::High)
    }

    fn return_spec(&self, spec: &crate::features::Spec, refusal: &crate::features::Signature) -> Step {
        let reason = super::peer::rejected(refusal);
        let summary = reason.to_string();
        let verdict = GateVerdict {
            content: spec.content,
            summary,
            reasons: vec![reason],
            ..self.verdict(Gate::Spec, Outcome::Returned)
        };
        self.say(spec.by.clone(), verdict, Priority::High)
    }
}

/// Names in a row, for people.
pub(super) fn names(ids: &[foureyes_protocol::PrincipalId]) -> String {
    ids.iter().map(|i| i.as_str()).collect::<Vec<_>>().join(", ")
}

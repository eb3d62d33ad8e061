//! SPEC: a planner writes, the risk decides who reads.

use super::{Gate, Job, Outcome, Planner, Priority, Risk, Step, Subject, Task};
use foureyes_protocol::{Address, Family, body::GateVerdict};

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
        let last_return = self.feature.verdict(Gate::Spec).map_or(0, |v| v.index);
        if let Some(refusal) = self.refusal(Subject::Spec, spec.content) {
            if last_return > refusal.index {
                return Vec::new();
            }
            return vec![self.return_spec(spec, refusal)];
        }
        let wanted = if self.feature.risk() >= Risk::High { 2 } else { 0 };
        let signed = self.approvers(Subject::Spec, spec.content);
        if signed.len() >= wanted {
            return vec![self.pass_spec(spec, signed.into_iter().collect())];
        }
        // The other planner reviews, an architect judges feasibility.
        let feasibility = vec![Family::Architect, Family::Planner, Family::User];
        let chains = [self.chain(Subject::Spec), feasibility];
        self.ask(Subject::Spec, spec.content, wanted, &chains, &spec.spec.text)
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

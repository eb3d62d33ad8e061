//! RED: work is assigned, tests come first, the runtime runs them, another pair of eyes signs them.

use super::{Gate, Job, Outcome, Planner, Priority, Step, Subject, Task, kinds, spec::names};
use crate::features::{Push, Verdict};
use foureyes_protocol::{
    Address, Digest, Family, PrincipalId,
    artifact::AdmittedFile,
    body::{GateVerdict, TaskAssignment},
    canonical,
};

/// What a sign-off of tests names: the admitted files.
pub fn tests_content(admitted: &[AdmittedFile]) -> Digest {
    Digest::of_parts("foureyes.tests.v1", [canonical::to_bytes(&admitted).as_slice()])
}

impl Planner<'_> {
    pub(super) fn red(&self) -> Vec<Step> {
        if !self.assigned_for(Task::Implement) {
            return self.assign_work();
        }
        let Some(push) = &self.feature.push else { return Vec::new() };
        match self.feature.verdict(Gate::Red).filter(|v| v.index > push.index) {
            None => self.judge_red(push),
            Some(v) if v.verdict.outcome == Outcome::Checked => self.sign_tests(v),
            Some(_) => Vec::new(),
        }
    }

    /// The orchestrator names the dev; without one the runtime draws.
    fn assign_work(&self) -> Vec<Step> {
        let devs = self.writers();
        let orchestrator = self.draw_role(&[Family::Orchestrator], "assign");
        match orchestrator {
            Some(_) if self.assigned_for(Task::AssignWork) => Vec::new(),
            Some(orchestrator) if !devs.is_empty() => {
                let text = "name the dev who implements this, with the tool `assign`".to_owned();
                let task = TaskAssignment { candidates: devs, ..self.task(Task::AssignWork, text) };
                vec![self.say(orchestrator, task, Priority::Normal)]
            }
            _ => self.draw_dev(),
        }
    }

    fn writers(&self) -> Vec<PrincipalId> {
        let families: &[Family] = match self.kind() {
            foureyes_protocol::ChangeKind::Docs => &[Family::Docs, Family::Dev],
            foureyes_protocol::ChangeKind::Tests => &[Family::Qa, Family::Dev],
            _ => &[Family::Dev, Family::Architect],
        };
        let none = std::collections::BTreeSet::new();
        families.iter().map(|f| self.rules.team.free(*f, &none)).find(|c| !c.is_empty()).unwrap_or_default()
    }

    fn draw_dev(&self) -> Vec<Step> {
        let dev = self.rules.team.pick(self.writers(), format!("{}/dev", self.feature.id).as_bytes());
        let to = dev.map_or_else(Address::user, Address::One);
        vec![self.say(to, self.task(Task::Implement, self.feature.text.clone()), Priority::Normal)]
    }

    fn judge_red(&self, push: &Push) -> Vec<Step> {
        if let Err(reason) = kinds::check(self.kind(), &push.change, &push.facts) {
            return vec![self.returned(Gate::Red, reason)];
        }
        let why = self.demands().red_not_applicable.or_else(|| self.no_suite());
        match why {
            Some(why) => {
                let summary = format!("RED is not applicable, because {why}");
                let verdict = GateVerdict { summary, ..self.verdict(Gate::Red, Outcome::NotApplicable) };
                vec![self.verdict_to_author(verdict)]
            }
            None => vec![Step::Job(Job::Red(self.feature.id.clone(), push.change.head.clone()))],
        }
    }

    pub(super) fn no_suite(&self) -> Option<String> {
        (!self.rules.has_suite).then(|| "no test command is configured".to_owned())
    }

    fn sign_tests(&self, checked: &Verdict) -> Vec<Step> {
        let content = tests_content(&checked.verdict.admitted);
        if let Some(refusal) = self.refusal(Subject::Tests, content) {
            let reason = super::peer::rejected(refusal);
            return vec![self.returned(Gate::Red, reason)];
        }
        let infrastructure =
            self.feature.push.as_ref().is_some_and(|p| !p.facts.test_infrastructure.is_empty());
        let wanted = if infrastructure { 2 } else { 1 };
        let signed: Vec<_> = self.approvers(Subject::Tests, content).into_iter().collect();
        if signed.len() >= wanted {
            let summary = format!("{}; tests signed by {}", checked.verdict.summary, names(&signed));
            let verdict =
                GateVerdict { outcome: Outcome::Passed, signers: signed, summary, ..checked.verdict.clone() };
            return vec![self.verdict_to_author(verdict)];
        }
        let text = format!("{} — do these tests say what the spec asks for?", checked.verdict.summary);
        self.ask(Subject::Tests, content, wanted, &[self.chain(Subject::Tests)], &text)
    }
}

//! RED: work is assigned, tests come first, the runtime runs them, another pair of eyes signs them.

use super::{Gate, Job, Outcome, Planner, Priority, Step, Subject, Task, kinds, seats::Seated, spec::names};
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
        if let Some(step) = self.tell_again() {
            return vec![step];
        }
        let Some(push) = &self.feature.push else { return Vec::new() };
        let judged =
            |v: &&Verdict| v.index > self.feature.judged_from() && v.verdict.outcome != Outcome::Broken;
        match self.feature.verdict(Gate::Red).filter(judged) {
            None => self.judge_red(push),
            Some(v) if v.verdict.outcome == Outcome::Checked => self.sign_tests(v),
            Some(_) => Vec::new(),
        }
    }

    /// The orchestrator names the dev; without one the runtime draws.
    pub(super) fn assign_work(&self) -> Vec<Step> {
        let devs = self.writers();
        let orchestrator = self.draw_role(&[Family::Orchestrator], "assign");
        match orchestrator {
            // Whoever had the work cannot act any more: it stays in the family.
            _ if self.feature.assignees(Task::Implement).next().is_some() => self.draw_dev(),
            Some(_) if self.assigned_for(Task::AssignWork) => Vec::new(),
            Some(orchestrator) if !devs.is_empty() => {
                let task = TaskAssignment { candidates: devs, ..self.task(Task::AssignWork, self.work()) };
                vec![self.say(orchestrator, task, Priority::Normal)]
            }
            _ => self.draw_dev(),
        }
    }

    /// A spec that was written anew after the work was given: whoever has the work may have been sent
    /// away in between, so it is told again.
    fn tell_again(&self) -> Option<Step> {
        let author = self.feature.author()?;
        let given = self.feature.assigned.get(author)?.index;
        let pushed = self.feature.push.as_ref().map_or(0, |p| p.index);
        let stale = given < self.feature.since && pushed < self.feature.since;
        let able = !self.rules.team.unavailable.contains(author);
        (stale && able)
            .then(|| self.say(author.clone(), self.task(Task::Implement, self.work()), Priority::Normal))
    }

    /// What the dev reads: the request, and the spec that was made of it.
    fn work(&self) -> String {
        let spec = self.feature.spec.as_ref().map(|s| s.spec.text.as_str());
        let spec = spec.filter(|text| !text.is_empty() && *text != self.feature.text);
        spec.map_or_else(|| self.feature.text.clone(), |text| format!("{}\n\n{text}", self.feature.text))
    }

    fn writers(&self) -> Vec<PrincipalId> {
        let none = std::collections::BTreeSet::new();
        let families = kinds::writers(self.kind());
        families.iter().map(|f| self.rules.team.free(*f, &none)).find(|c| !c.is_empty()).unwrap_or_default()
    }

    fn draw_dev(&self) -> Vec<Step> {
        let dev = self.rules.team.pick(self.writers(), format!("{}/dev", self.feature.id).as_bytes());
        let to = dev.map_or_else(Address::user, Address::One);
        vec![self.say(to, self.task(Task::Implement, self.work()), Priority::Normal)]
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
        let text = format!("{} — do these tests say what the spec asks for?", checked.verdict.summary);
        match self.seat(Subject::Tests, content, &self.test_seats(), &text) {
            Seated::All(signers) => vec![self.pass_red(checked, signers)],
            Seated::Waiting(steps) => steps,
        }
    }

    /// One; two where test infrastructure changes; a qa besides where tests are declared to pass from
    /// the start.
    fn test_seats(&self) -> Vec<Vec<Family>> {
        let infrastructure =
            self.feature.push.as_ref().is_some_and(|p| !p.facts.test_infrastructure.is_empty());
        let mut seats = vec![self.chain(Subject::Tests); if infrastructure { 2 } else { 1 }];
        if self.feature.spec.as_ref().is_some_and(|s| !s.spec.characterisation.is_empty()) {
            seats.insert(0, vec![Family::Qa, Family::User]);
        }
        seats
    }

    fn pass_red(&self, checked: &Verdict, signers: Vec<PrincipalId>) -> Step {
        let summary = format!("{}; tests signed by {}", checked.verdict.summary, names(&signers));
        self.verdict_to_author(GateVerdict {
            outcome: Outcome::Passed,
            signers,
            summary,
            ..checked.verdict.clone()
        })
    }
}

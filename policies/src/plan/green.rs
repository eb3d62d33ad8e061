//! GREEN: the runtime's own run of the tip.

use super::{Gate, Job, Outcome, Planner, Step, Task, kinds};
use crate::features::Push;
use foureyes_protocol::{ChangeKind, body::GateVerdict};

impl Planner<'_> {
    pub(super) fn green(&self) -> Vec<Step> {
        let Some(push) = &self.feature.push else { return Vec::new() };
        if !self.assigned_for(Task::Implement) {
            return self.assign_work();
        }
        let since = self.feature.judged_from();
        let fresh = || {
            self.feature.verdicts.iter().filter(|v| v.index > since && v.verdict.outcome != Outcome::Broken)
        };
        // A return from a later gate waits for the author's next push.
        let judged = fresh().any(|v| v.verdict.gate == Gate::Green);
        let sent_back =
            fresh().any(|v| v.verdict.gate > Gate::Green && v.verdict.outcome == Outcome::Returned);
        if judged || sent_back || self.waits_for_code(push) {
            return Vec::new();
        }
        if let Err(reason) = kinds::check(self.kind(), &push.change, &push.facts) {
            return vec![self.returned(Gate::Green, reason)];
        }
        if let Some(why) = self.no_suite() {
            let summary = format!("GREEN is not applicable, because {why}");
            return vec![self.verdict_to_author(GateVerdict {
                summary,
                ..self.verdict(Gate::Green, Outcome::NotApplicable)
            })];
        }
        vec![Step::Job(Job::Green(self.feature.id.clone(), push.change.head.clone()))]
    }

    /// After RED the branch holds tests only: the author is at work.
    fn waits_for_code(&self, push: &Push) -> bool {
        let facts = &push.facts;
        let is_test = |path: &String| facts.is_test(path) || facts.test_infrastructure.contains(path);
        let tests_only = push.change.files.iter().all(|f| is_test(&f.path));
        tests_only && matches!(self.kind(), ChangeKind::Feature | ChangeKind::Fix)
    }
}

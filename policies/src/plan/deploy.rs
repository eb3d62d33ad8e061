//! DEPLOY: proposed by the orchestrator, co-signed, landed one at a time on the target branch as it
//! is now.

use super::{
    Digest, Gate, Job, Outcome, Planner, PrincipalId, Priority, Risk, Step, Subject, Task, seats::Seated,
};
use crate::features::Push;
use foureyes_protocol::{
    Address, Family,
    body::{CoSign, CoSignRequest, CriticalDecisionRequest},
};

/// What the user's second factor is bound to when a change of CRITICAL risk lands.
pub fn deploy_decision(feature: &foureyes_protocol::FeatureId, content: Digest) -> Digest {
    Digest::of_parts("foureyes.deploy.v1", [feature.as_str().as_bytes(), content.0.as_slice()])
}

impl Planner<'_> {
    pub(super) fn deploy(&self) -> Vec<Step> {
        let Some(push) = &self.feature.push else { return Vec::new() };
        if self.approvals_void() {
            return vec![self.void_approvals()];
        }
        let mut steps = Vec::new();
        if self.current_run().is_none() {
            steps.extend(self.run_merge());
        }
        let waiting = [self.docs_sign(push), self.proposal(push), self.cosign(push), self.user_decides(push)];
        let ready = waiting.iter().all(Option::is_none);
        steps.extend(waiting.into_iter().flatten().flatten());
        if let (true, true, Some(main)) = (steps.is_empty(), ready, &self.features.main) {
            steps.push(Step::Job(Job::Land(self.feature.id.clone(), push.change.head.clone(), main.clone())));
        }
        steps
    }

    /// `None` when the condition holds; else what to do about it (perhaps only wait).
    fn docs_sign(&self, push: &Push) -> Option<Vec<Step>> {
        if push.facts.user_facing.is_empty() {
            return None;
        }
        if let Some(refusal) = self.refusal(Subject::Docs, push.content) {
            return Some(vec![self.returned(Gate::Deploy, super::peer::rejected(refusal))]);
        }
        let text = "user-facing paths changed: is the documentation right?";
        match self.seat(Subject::Docs, push.content, &[self.chain(Subject::Docs)], text) {
            Seated::All(_) => None,
            Seated::Waiting(steps) => Some(steps),
        }
    }

    fn proposal(&self, push: &Push) -> Option<Vec<Step>> {
        if self.feature.proposal.is_some_and(|(content, _)| content == push.content) {
            return None;
        }
        let orchestrator = self.draw_role(&[Family::Orchestrator], "propose")?;
        let unavailable = self.rules.team.unavailable;
        let fresh = self.feature.assigned.iter().any(|(role, a)| {
            a.task == Task::ProposeDeploy
                && a.index > self.feature.judged_from()
                && !unavailable.contains(role)
        });
        let text = format!(
            "all gates before DEPLOY are passed for content {}: propose it with the tool `propose_deploy`",
            push.content.short()
        );
        let task = self.task(Task::ProposeDeploy, text);
        Some(if fresh { Vec::new() } else { vec![self.say(orchestrator, task, Priority::High)] })
    }

    fn cosign(&self, push: &Push) -> Option<Vec<Step>> {
        match self.feature.cosign {
            Some((content, true, _)) if content == push.content => return None,
            Some((content, false, _)) if content == push.content => {
                let text = format!("the librarian refused to co-sign DEPLOY of {}", self.feature.id);
                let reason = foureyes_protocol::Reason::new(foureyes_protocol::Code::Rejected, text);
                return Some(vec![self.returned(Gate::Deploy, reason)]);
            }
            _ => {}
        }
        if self.feature.risk() <= Risk::Medium {
            // By rule: the tests pass and the sign-offs are there, else DEPLOY were not reached.
            let granted = CoSign { content: push.content, granted: true, by_rule: true, points: Vec::new() };
            return Some(vec![self.say(Address::system(), granted, Priority::Normal)]);
        }
        let asked =
            self.feature.cosign_to.as_ref().filter(|_| self.feature.cosign_asked == Some(push.content));
        if asked.is_some_and(|to| !self.rules.team.unavailable.contains(to)) {
            return Some(Vec::new());
        }
        let to = self.draw_role(&[Family::Librarian], "cosign").unwrap_or_else(PrincipalId::user);
        Some(vec![self.say(to, self.cosign_request(push), Priority::High)])
    }

    pub(super) fn cosign_request(&self, push: &Push) -> CoSignRequest {
        let points = [
            "RED, GREEN and QA are runs of the runtime",
            "nobody signed a change of their own",
            "the approvals name this content",
        ];
        CoSignRequest {
            act: format!("DEPLOY {}", self.feature.id),
            content: push.content,
            evidence: self.feature.verdicts.iter().flat_map(|v| v.verdict.evidence.clone()).collect(),
            points: points.map(str::to_owned).to_vec(),
        }
    }

    fn user_decides(&self, push: &Push) -> Option<Vec<Step>> {
        if !self.critical() {
            return None;
        }
        let decision = deploy_decision(&self.feature.id, push.content);
        if self.rules.advisory {
            let text = format!(
                "{} is of CRITICAL risk and waits: without a sandbox it does not land",
                self.feature.id
            );
            return Some(vec![self.verdict_to_user(Gate::Deploy, Outcome::Broken, text)]);
        }
        match self.feature.decision {
            Some((d, true)) if d == decision => None,
            Some((d, false)) if d == decision => {
                let reason = foureyes_protocol::Reason::new(
                    foureyes_protocol::Code::Rejected,
                    "the user refused DEPLOY",
                );
                Some(vec![self.returned(Gate::Deploy, reason)])
            }
            _ if self.feature.decision_asked == Some(decision) => Some(Vec::new()),
            _ => Some(vec![self.say(
                Address::user(),
                self.decision_request(decision, push),
                Priority::Critical,
            )]),
        }
    }

    fn decision_request(&self, decision: Digest, push: &Push) -> CriticalDecisionRequest {
        let size = format!("{} lines in {} files", push.change.lines(), push.change.files.len());
        CriticalDecisionRequest {
            category: "deploy-critical".to_owned(),
            act: format!("land {} ({}), {size}, on the target branch", self.feature.id, self.feature.title),
            decision,
            options: vec!["approve: it lands".to_owned(), "reject: it goes back to GREEN".to_owned()],
            recommendation: "read `agents feature show` and the diff first".to_owned(),
            second_factor: true,
        }
    }
}

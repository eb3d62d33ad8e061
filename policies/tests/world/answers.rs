//! What obedient principals answer.

use super::{Record, World, id};
use foureyes_protocol::{
    Address, Body, Digest, Gate, Outcome, PrincipalId, Risk,
    body::{
        CoSign, DecisionAnnouncement, FeatureAction, FeatureControl, Finding, GateRequest, GateVerdict,
        SignOffApproval, SignOffRejection, SignOffRequest, SpecSubmitted, Task, TaskAssignment,
    },
};

impl World {
    pub(super) fn react(&mut self, record: &Record) {
        let envelope = record.envelope.clone();
        let Some(feature) = envelope.feature.as_ref().map(|f| f.as_str().to_owned()) else { return };
        let Address::One(me) = envelope.to.clone() else { return };
        if me.is_system() || self.silent.contains(&me) || self.unavailable.contains(&me) {
            return;
        }
        match &envelope.body {
            Body::TaskAssignment(t) => self.task(&feature, &me, t),
            Body::SignOffRequest(r) => self.sign(&feature, &me, r),
            Body::CoSignRequest(r) => self.cosign(&feature, &me, r.content),
            Body::CriticalDecisionRequest(r) => self.decide(&feature, r.decision),
            Body::GateVerdict(v) => self.told(&feature, &me, v),
            _ => {}
        }
    }

    fn task(&mut self, feature: &str, me: &PrincipalId, task: &TaskAssignment) {
        match task.task {
            Task::WriteSpec => self.write_spec(feature, me),
            Task::AssignWork => {
                let at = self.random(task.candidates.len());
                let dev = task.candidates[at].clone();
                let body = TaskAssignment { task: Task::Implement, candidates: Vec::new(), ..task.clone() };
                if dev != *me && self.feature(feature).assignees(Task::Implement).next().is_none() {
                    self.append(me, dev.into(), Some(feature), body.into());
                }
            }
            Task::Implement => self.push(feature, me),
            Task::ProposeDeploy => {
                let content = self.feature(feature).push.as_ref().unwrap().content;
                if self.feature(feature).gate == Gate::Deploy {
                    let body = GateRequest { gate: Gate::Deploy, content, text: "land it".to_owned() };
                    self.append(me, Address::system(), Some(feature), body.into());
                }
            }
            Task::WriteDocs | Task::Mend => {}
        }
    }

    pub fn write_spec(&mut self, feature: &str, me: &PrincipalId) {
        let work = self.work[feature].clone();
        let version = self.records.len();
        let spec = SpecSubmitted {
            title: feature.to_owned(),
            kind: work.kind,
            risk: work.risk,
            text: format!("spec {version}"),
            paths: Vec::new(),
            characterisation: Vec::new(),
            removes: Vec::new(),
            reverts: None,
        };
        self.append(me, Address::system(), Some(feature), spec.into());
    }

    fn sign(&mut self, feature: &str, me: &PrincipalId, request: &SignOffRequest) {
        let refuse = self.refusals.get_mut(&(feature.to_owned(), request.subject)).filter(|n| **n > 0);
        let body: Body = match refuse {
            Some(n) => {
                *n -= 1;
                let finding = Finding {
                    severity: Risk::High,
                    place: "src/greet.rs:1".to_owned(),
                    problem: "wrong".to_owned(),
                    fix: "mend it".to_owned(),
                };
                let (subject, content) = (request.subject, request.content);
                SignOffRejection { subject, content, findings: vec![finding] }.into()
            }
            None => approval(request),
        };
        // A push that came in between makes the answer stale: then it is refused, which is right.
        let _ = self.try_append(me, Address::system(), Some(feature), body);
    }

    fn cosign(&mut self, feature: &str, me: &PrincipalId, content: Digest) {
        let granted = self.cosign_refusals == 0;
        self.cosign_refusals = self.cosign_refusals.saturating_sub(1);
        let body = CoSign { content, granted, by_rule: false, points: Vec::new() };
        self.append(me, Address::system(), Some(feature), body.into());
    }

    fn decide(&mut self, feature: &str, decision: Digest) {
        let approved = self.decision_refusals == 0;
        self.decision_refusals = self.decision_refusals.saturating_sub(1);
        let body = DecisionAnnouncement { decision, approved, second_factor: true, reason: String::new() };
        self.append(&id("user"), Address::system(), Some(feature), body.into());
    }

    fn told(&mut self, feature: &str, me: &PrincipalId, verdict: &GateVerdict) {
        let author = self.feature(feature).author().cloned();
        match (verdict.gate, verdict.outcome) {
            (_, Outcome::Broken) if me.is_user() => self.retry(feature),
            (Gate::Spec, Outcome::Returned) => self.write_spec(feature, me),
            (Gate::Red, Outcome::Returned) if author.as_ref() == Some(me) => {
                *self.test_versions.entry(feature.to_owned()).or_default() += 1;
                self.push(feature, me);
            }
            (Gate::Red, Outcome::Passed) | (_, Outcome::Returned) if author.as_ref() == Some(me) => {
                self.push(feature, me);
            }
            _ => {}
        }
    }

    pub fn retry(&mut self, feature: &str) {
        self.retries += 1;
        assert!(self.retries < 20, "it breaks again and again\n{}", self.story());
        let body = FeatureControl { action: FeatureAction::Retry, reason: "mended".to_owned() };
        self.append(&id("user"), Address::system(), Some(feature), body.into());
    }
}

pub fn approval(request: &SignOffRequest) -> Body {
    SignOffApproval {
        subject: request.subject,
        content: request.content,
        policy: Digest::of(b"policy"),
        checked: Vec::new(),
        ran: Vec::new(),
        concerns: Vec::new(),
    }
    .into()
}

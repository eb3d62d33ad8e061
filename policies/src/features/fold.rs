//! Taking in a record: what it changes of the features.

use super::{
    Assignment, Evidence, Feature, Features, MainMove, Push, Request, Signature, Spec, Status, Verdict,
};
use crate::record::Record;
use foureyes_protocol::{
    Address, Body, CommitId, Digest, Gate, Outcome, PrincipalId,
    body::{
        DecisionAnnouncement, FeatureAction, Finding, GateVerdict, MAX_PATHS, SpecSubmitted, Subject, Task,
    },
};

impl Features {
    /// Takes in the next record. Records of other subjects are passed over.
    pub fn apply(&mut self, record: &Record) {
        self.last = Some(record.index);
        match &record.envelope.body {
            Body::FeatureRequested(r) => self.request(record, r.title.clone(), r.text.clone()),
            Body::Imported(i) => {
                self.imported = Some(record.index);
                if i.old.as_ref() != Some(&i.new) {
                    self.move_main(record.index, i.new.clone(), &i.paths, i.all_paths);
                }
            }
            Body::Merged(m) => {
                // A list that is full may have been cut: then it counts as touching everything.
                self.move_main(record.index, m.commit.clone(), &m.paths, m.paths.len() >= MAX_PATHS);
                self.feature(record, |f| f.merged = Some(m.commit.clone()));
            }
            Body::TestEvidence(e) => {
                let key = (e.tree.clone(), e.command, e.environment);
                let evidence = Evidence { purpose: e.purpose.clone(), report: e.report, index: record.index };
                self.evidence.insert(key, evidence);
            }
            _ => self.feature(record, |f| f.apply(record)),
        }
    }

    fn request(&mut self, record: &Record, title: String, text: String) {
        if let Some(id) = record.envelope.feature.clone() {
            self.by_id.entry(id.clone()).or_insert_with(|| Feature::new(id, title, text, record));
        }
    }

    fn move_main(&mut self, index: u64, to: CommitId, paths: &[String], all_paths: bool) {
        self.main = Some(to.clone());
        self.moves.push(MainMove {
            index,
            to: to.clone(),
            paths: paths.iter().cloned().collect(),
            all_paths,
        });
        // A landing that was meant for another tip cannot take place any more.
        let stale = |l: &(CommitId, CommitId, Digest)| l.1 != to && l.0 != to;
        for feature in self.by_id.values_mut().filter(|f| f.merged.is_none()) {
            feature.landing = feature.landing.take().filter(|l| !stale(l));
        }
    }

    fn feature(&mut self, record: &Record, change: impl FnOnce(&mut Feature)) {
        let id = record.envelope.feature.as_ref();
        if let Some(feature) = id.and_then(|id| self.by_id.get_mut(id)) {
            change(feature);
        }
    }
}

impl Feature {
    fn apply(&mut self, record: &Record) {
        let envelope = &record.envelope;
        match &envelope.body {
            Body::TaskAssignment(t) => self.assign(record, t.task, &t.paths),
            Body::SpecSubmitted(spec) => self.take_spec(record, spec),
            Body::Pushed(p) => self.take_push(record, p),
            Body::GateVerdict(v) => self.take_verdict(record, v),
            Body::SignOffRequest(r) => self.take_request(record, r.subject, r.content),
            Body::SignOffApproval(a) => self.sign(record, a.subject, a.content, Vec::new(), true),
            Body::SignOffRejection(r) => self.sign(record, r.subject, r.content, r.findings.clone(), false),
            Body::GateRequest(g) if g.gate == Gate::Deploy => self.proposal = Some((g.content, record.index)),
            Body::CoSignRequest(r) => self.take_cosign_request(&envelope.to, r.content),
            Body::CoSign(c) if self.awaits_cosign(c.content) => {
                self.cosign = Some((c.content, c.granted, record.index));
            }
            Body::CriticalDecisionRequest(r) if envelope.from.is_system() => {
                self.decision_asked = Some(r.decision);
                self.decision_needs_code = r.second_factor;
            }
            Body::DecisionAnnouncement(d) => self.decide(record.index, d),
            Body::Escalation(_) if envelope.from.is_system() => self.told = self.returns.clone(),
            Body::Alert(a) if envelope.from.is_system() => {
                self.alerts.insert(a.event.clone());
            }
            Body::DeadLetter(d) => {
                self.lost.insert(d.receiver.clone());
            }
            Body::LockRequest(l) => self.claim.extend(l.widen.iter().cloned()),
            Body::FeatureControl(c) => self.control(record, c.action),
            Body::Landing(l) => self.landing = Some((l.commit.clone(), l.main.clone(), l.content)),
            Body::Delivered(d) => self.status = Status::Done(d.commit.clone()),
            _ => {}
        }
    }

    fn assign(&mut self, record: &Record, task: Task, paths: &[String]) {
        let Address::One(role) = &record.envelope.to else { return };
        // A message to mend goes to somebody who has an assignment already: it keeps its task.
        if task != Task::Mend || !self.assigned.contains_key(role) {
            self.assigned.insert(role.clone(), Assignment { task, index: record.index });
        }
        if task == Task::Implement {
            self.claim.extend(paths.iter().cloned());
        }
    }

    /// A new spec after SPEC is judged as the first one was, and everything after it again.
    fn take_spec(&mut self, record: &Record, spec: &SpecSubmitted) {
        if self.is_landing() {
            return;
        }
        if self.gate > Gate::Spec {
            self.enter(Gate::Spec, record);
        }
        let content = Digest::of(&foureyes_protocol::canonical::to_bytes(spec));
        self.spec =
            Some(Spec { by: record.envelope.from.clone(), index: record.index, content, spec: spec.clone() });
        self.claim = spec.paths.iter().cloned().collect();
    }

    fn take_push(&mut self, record: &Record, pushed: &foureyes_protocol::body::Pushed) {
        self.contributors.insert(pushed.by.clone());
        let named = pushed.change.contributors.iter().filter_map(|c| PrincipalId::new(c).ok());
        self.contributors.extend(named);
        let content = pushed.change.content();
        self.heads.insert(content, pushed.change.head.clone());
        self.push = Some(Push {
            by: pushed.by.clone(),
            index: record.index,
            content,
            change: pushed.change.clone(),
            facts: pushed.facts.clone(),
        });
        // A push re-runs GREEN and voids PEER and QA; before GREEN it re-runs RED.
        if self.gate > Gate::Green {
            self.enter(Gate::Green, record);
        }
    }

    /// A co-sign of the present content, or of what was asked for last; an older one is out of date.
    fn awaits_cosign(&self, content: Digest) -> bool {
        let present = self.push.as_ref().is_some_and(|p| p.content == content);
        present || self.cosign_asked.is_none_or(|newest| newest == content)
    }

    fn take_cosign_request(&mut self, to: &Address, content: Digest) {
        self.cosign_asked = Some(content);
        if let Address::One(to) = to {
            self.cosign_to = Some(to.clone());
        }
    }

    /// An approval without the code that was asked for is none, nor is one without a code from before
    /// anybody asked.
    fn decide(&mut self, index: u64, d: &DecisionAnnouncement) {
        // The answer to an older request must not push out that of the newest.
        if self.decision_asked.is_some_and(|newest| newest != d.decision) {
            return;
        }
        let asked = self.decision_asked == Some(d.decision);
        if d.approved && !d.second_factor && (!asked || self.decision_needs_code) {
            return;
        }
        self.decision = Some((d.decision, d.approved));
        self.decided_at = index;
    }

    /// Whether a verdict is about what is there no more: a job may end after a push or a new spec.
    fn is_stale(&self, verdict: &GateVerdict) -> bool {
        let other_push = || self.push.as_ref().map(|p| &p.change.head) != verdict.head.as_ref();
        match (verdict.outcome, verdict.gate) {
            (Outcome::Broken, _) => false,
            (_, Gate::Spec) => self.spec.as_ref().map(|s| s.content) != Some(verdict.content),
            (_, gate @ (Gate::Red | Gate::Green)) => self.gate != gate || other_push(),
            (_, gate @ (Gate::Peer | Gate::Qa | Gate::Deploy)) => self.gate < gate || other_push(),
        }
    }

    fn take_verdict(&mut self, record: &Record, verdict: &GateVerdict) {
        if self.is_stale(verdict) {
            return;
        }
        match verdict.outcome {
            Outcome::Passed | Outcome::NotApplicable => self.pass(record, verdict),
            Outcome::Checked => self.admit(verdict),
            Outcome::Returned => self.go_back(record, verdict),
            Outcome::Broken if self.status == Status::Active => {
                self.status = Status::Waiting(format!("user: {}", verdict.summary));
            }
            Outcome::Broken => {}
        }
        self.verdicts.push(Verdict { index: record.index, at_ms: record.at_ms, verdict: verdict.clone() });
    }

    fn pass(&mut self, record: &Record, verdict: &GateVerdict) {
        self.admit(verdict);
        if let Some(next) = verdict.gate.next().filter(|_| verdict.gate == self.gate) {
            self.enter(next, record);
        }
    }

    fn admit(&mut self, verdict: &GateVerdict) {
        if matches!(verdict.gate, Gate::Red | Gate::Green) && !verdict.admitted.is_empty() {
            self.admitted = verdict.admitted.clone();
            self.failing = verdict.failing.clone();
        }
        if verdict.gate == Gate::Red {
            self.known_failures = verdict.known_failures.clone();
        }
    }

    fn go_back(&mut self, record: &Record, verdict: &GateVerdict) {
        if verdict.counts {
            *self.returns.entry(verdict.gate).or_default() += 1;
        }
        let target = match verdict.gate {
            Gate::Spec => Gate::Spec,
            Gate::Red => Gate::Red,
            _ => Gate::Green,
        };
        if target < self.gate {
            self.enter(target, record);
        }
    }

    fn enter(&mut self, gate: Gate, record: &Record) {
        self.gate = gate;
        self.since = record.index;
        self.since_ms = record.at_ms;
    }

    fn take_request(&mut self, record: &Record, subject: Subject, content: Digest) {
        let Address::One(to) = &record.envelope.to else { return };
        self.requests.push(Request {
            id: record.envelope.id,
            to: to.clone(),
            subject,
            content,
            index: record.index,
            at_ms: record.at_ms,
            answered: false,
        });
    }

    fn sign(
        &mut self,
        record: &Record,
        subject: Subject,
        content: Digest,
        findings: Vec<Finding>,
        approved: bool,
    ) {
        let by = record.envelope.from.clone();
        for request in &mut self.requests {
            if request.to == by && request.subject == subject && request.content == content {
                request.answered = true;
            }
        }
        self.signatures.push(Signature { by, subject, content, approved, index: record.index, findings });
    }

    fn control(&mut self, record: &Record, action: FeatureAction) {
        match (action, &self.status) {
            (_, Status::Done(_)) => {}
            // What lands cannot be called back; a revert undoes it.
            (FeatureAction::Cancel, _) if self.is_landing() => {}
            (FeatureAction::Cancel, _) => self.status = Status::Cancelled,
            (FeatureAction::Pause, Status::Active | Status::Waiting(_)) => self.status = Status::Paused,
            (FeatureAction::Pause, _) | (FeatureAction::Retry, Status::Cancelled) => {}
            (FeatureAction::Retry | FeatureAction::Reopen, _) => {
                self.status = Status::Active;
                self.restarted = record.index;
                self.returns.clear();
                self.told.clear();
            }
        }
    }
}

//! Where every feature stands: a fold of the ledger.
//!
//! Nothing here decides; [`crate::plan`] does. Approvals are kept with the content that they name, so
//! a push voids them by changing the content, and nothing has to be forgotten.

use crate::record::Record;
use foureyes_protocol::{
    Body, ChangeFacts, ChangeSummary, CommitId, Digest, FeatureId, Gate, MessageId, Outcome, PrincipalId,
    Risk,
    artifact::AdmittedFile,
    body::{FeatureAction, Finding, GateVerdict, SpecSubmitted, Subject, Task},
};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a feature moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It moves.
    Active,
    /// The user holds it.
    Paused,
    /// It waits for somebody outside the gates, named here (`user: environment is broken…`).
    Waiting(String),
    /// The user ended it.
    Cancelled,
    /// It landed.
    Done(CommitId),
}

/// A specification as submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Who wrote it.
    pub by: PrincipalId,
    /// Where it stands in the ledger.
    pub index: u64,
    /// What sign-offs of it name.
    pub content: Digest,
    /// What it says.
    pub spec: SpecSubmitted,
}

/// An assignment to a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// What for.
    pub task: Task,
    /// Where it stands in the ledger.
    pub index: u64,
}

/// The newest push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Who pushed.
    pub by: PrincipalId,
    /// Where it stands in the ledger.
    pub index: u64,
    /// The whole change.
    pub change: ChangeSummary,
    /// Its content.
    pub content: Digest,
    /// What the rules made of it.
    pub facts: ChangeFacts,
}

/// A signature or a refusal to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who.
    pub by: PrincipalId,
    /// What about.
    pub subject: Subject,
    /// The content that it names.
    pub content: Digest,
    /// Signed or refused.
    pub approved: bool,
    /// Where it stands in the ledger.
    pub index: u64,
    /// Blocking findings of a refusal.
    pub findings: Vec<Finding>,
}

/// A request that waits for, or had, an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its message.
    pub id: MessageId,
    /// Who was asked.
    pub to: PrincipalId,
    /// What about.
    pub subject: Subject,
    /// The content.
    pub content: Digest,
    /// Where it stands in the ledger.
    pub index: u64,
    /// When it was asked.
    pub at_ms: u64,
    /// Whether it was answered.
    pub answered: bool,
}

/// A verdict with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where it stands in the ledger.
    pub index: u64,
    /// When.
    pub at_ms: u64,
    /// What it says.
    pub verdict: GateVerdict,
}

/// Everything the ledger says of one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub id: FeatureId,
    /// One line.
    pub title: String,
    /// The whole request.
    pub text: String,
    /// Where the request stands.
    pub requested: u64,
    /// When it was requested.
    pub requested_at: u64,
    /// Whether it moves.
    pub status: Status,
    /// The first gate that it has not passed.
    pub gate: Gate,
    /// Where the verdict stands that last moved `gate` (or the request).
    pub since: u64,
    /// When that was.
    pub since_ms: u64,
    /// The newest spec.
    pub spec: Option<Spec>,
    /// Who was given what; an assignment to implement stays until the feature ends.
    pub assigned: BTreeMap<PrincipalId, Assignment>,
    /// Files that may be touched (globs); empty means no claim was made.
    pub claim: BTreeSet<String>,
    /// The newest push.
    pub push: Option<Push>,
    /// Everybody who pushed, authored or committed.
    pub contributors: BTreeSet<PrincipalId>,
    /// Test files fixed since RED.
    pub admitted: Vec<AdmittedFile>,
    /// Tests that failed at RED, as they should.
    pub failing: Vec<String>,
    /// Tests that failed before the change.
    pub known_failures: Vec<String>,
    /// Every verdict, in order.
    pub verdicts: Vec<Verdict>,
    /// Every signature, in order.
    pub signatures: Vec<Signature>,
    /// Every request for a signature, in order.
    pub requests: Vec<Request>,
    /// The orchestrator's proposal: content and place.
    pub proposal: Option<(Digest, u64)>,
    /// The librarian's co-sign: content, granted, place.
    pub cosign: Option<(Digest, bool, u64)>,
    /// The librarian was asked for this content.
    pub cosign_asked: Option<Digest>,
    /// The user's decision: digest, approved.
    pub decision: Option<(Digest, bool)>,
    /// The user was asked for this decision.
    pub decision_asked: Option<Digest>,
    /// Counted returns by gate.
    pub returns: BTreeMap<Gate, u32>,
    /// A landing that was decided and is not merged yet: commit, target branch before, content.
    pub landing: Option<(CommitId, CommitId, Digest)>,
    /// The merge.
    pub merged: Option<CommitId>,
}

/// A move of the target branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainMove {
    /// Where it stands in the ledger.
    pub index: u64,
    /// Where the branch went.
    pub to: CommitId,
    /// Paths that it touched.
    pub paths: BTreeSet<String>,
    /// Whether it must count as touching every path.
    pub all_paths: bool,
}

/// A piece of test evidence that may be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it was run for.
    pub purpose: String,
    /// The report in the artefact store.
    pub report: Digest,
    /// Where it stands in the ledger.
    pub index: u64,
}

/// The fold: all features, the target branch, evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// By name.
    pub by_id: BTreeMap<FeatureId, Feature>,
    /// The target branch as last imported or merged.
    pub main: Option<CommitId>,
    /// Its moves, in order.
    pub moves: Vec<MainMove>,
    /// Where the newest import stands.
    pub imported: Option<u64>,
    /// Evidence by (tree, command, environment).
    pub evidence: BTreeMap<(CommitId, Digest, Digest), Evidence>,
    /// The newest record that was folded.
    pub last: Option<u64>,
}

impl Feature {
    fn new(id: FeatureId, title: String, text: String, record: &Record) -> Self {
        Self {
            id,
            title,
            text,
            requested: record.index,
            requested_at: record.at_ms,
            status: Status::Active,
            gate: Gate::Spec,
            since: record.index,
            since_ms: record.at_ms,
            spec: None,
            assigned: BTreeMap::new(),
            claim: BTreeSet::new(),
            push: None,
            contributors: BTreeSet::new(),
            admitted: Vec::new(),
            failing: Vec::new(),
            known_failures: Vec::new(),
            verdicts: Vec::new(),
            signatures: Vec::new(),
            requests: Vec::new(),
            proposal: None,
            cosign: None,
            cosign_asked: None,
            decision: None,
            decision_asked: None,
            returns: BTreeMap::new(),
            landing: None,
            merged: None,
        }
    }

    /// The roles that were given this task.
    pub fn assignees(&self, task: Task) -> impl Iterator<Item = &PrincipalId> {
        self.assigned.iter().filter(move |(_, a)| a.task == task).map(|(id, _)| id)
    }

    /// Whether this role may push to the feature's branch.
    pub fn may_push(&self, role: &PrincipalId) -> bool {
        self.assigned.get(role).is_some_and(|a| matches!(a.task, Task::Implement | Task::WriteDocs))
    }

    /// The first dev, who is told what the gates say.
    pub fn author(&self) -> Option<&PrincipalId> {
        self.assigned
            .iter()
            .filter(|(_, a)| a.task == Task::Implement)
            .min_by_key(|(_, a)| a.index)
            .map(|(id, _)| id)
    }

    /// The newest verdict of a gate.
    pub fn verdict(&self, gate: Gate) -> Option<&Verdict> {
        self.verdicts.iter().rev().find(|v| v.verdict.gate == gate)
    }

    /// The risk as it counts: what the paths say, never less than what the spec says.
    pub fn risk(&self) -> Risk {
        let computed = self.push.as_ref().map_or(Risk::Low, |p| p.facts.risk);
        let claimed = self.spec.as_ref().map_or(Risk::Low, |s| s.spec.risk);
        computed.max(claimed)
    }

    /// Counted returns of a gate.
    pub fn returned(&self, gate: Gate) -> u32 {
        self.returns.get(&gate).copied().unwrap_or(0)
    }

    /// Whether it still moves or may move again without the user's word.
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::Active | Status::Paused | Status::Waiting(_))
    }
}

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
                self.move_main(record.index, m.commit.clone(), &m.paths, false);
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

    /// The features that move, oldest first.
    pub fn active(&self) -> Vec<&Feature> {
        let mut active: Vec<_> = self.by_id.values().filter(|f| f.status == Status::Active).collect();
        active.sort_by_key(|f| f.requested);
        active
    }

    /// How many open features a role works on.
    pub fn load(&self, role: &PrincipalId) -> usize {
        self.by_id.values().filter(|f| f.is_open() && f.assigned.contains_key(role)).count()
    }

    fn request(&mut self, record: &Record, title: String, text: String) {
        if let Some(id) = record.envelope.feature.clone() {
            self.by_id.entry(id.clone()).or_insert_with(|| Feature::new(id, title, text, record));
        }
    }

    fn move_main(&mut self, index: u64, to: CommitId, paths: &[String], all_paths: bool) {
        self.main = Some(to.clone());
        self.moves.push(MainMove { index, to, paths: paths.iter().cloned().collect(), all_paths });
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
            Body::CoSignRequest(r) => self.cosign_asked = Some(r.content),
            Body::CoSign(c) => self.cosign = Some((c.content, c.granted, record.index)),
            Body::CriticalDecisionRequest(r) => self.decision_asked = Some(r.decision),
            Body::DecisionAnnouncement(d) => self.decision = Some((d.decision, d.approved)),
            Body::LockRequest(l) => self.claim.extend(l.widen.iter().cloned()),
            Body::FeatureControl(c) => self.control(c.action),
            Body::Landing(l) => self.landing = Some((l.commit.clone(), l.main.clone(), l.content)),
            Body::Delivered(d) => self.status = Status::Done(d.commit.clone()),
            _ => {}
        }
    }

    fn assign(&mut self, record: &Record, task: Task, paths: &[String]) {
        let foureyes_protocol::Address::One(role) = &record.envelope.to else { return };
        // A message to mend goes to somebody who has an assignment already: it keeps its task.
        if task != Task::Mend || !self.assigned.contains_key(role) {
            self.assigned.insert(role.clone(), Assignment { task, index: record.index });
        }
        if task == Task::Implement {
            self.claim.extend(paths.iter().cloned());
        }
    }

    fn take_spec(&mut self, record: &Record, spec: &SpecSubmitted) {
        let content = Digest::of(&foureyes_protocol::canonical::to_bytes(spec));
        self.spec =
            Some(Spec { by: record.envelope.from.clone(), index: record.index, content, spec: spec.clone() });
        self.claim = spec.paths.iter().cloned().collect();
    }

    fn take_push(&mut self, record: &Record, pushed: &foureyes_protocol::body::Pushed) {
        self.contributors.insert(pushed.by.clone());
        let named = pushed.change.contributors.iter().filter_map(|c| PrincipalId::new(c).ok());
        self.contributors.extend(named);
        self.push = Some(Push {
            by: pushed.by.clone(),
            index: record.index,
            content: pushed.change.content(),
            change: pushed.change.clone(),
            facts: pushed.facts.clone(),
        });
        // A push re-runs GREEN and voids PEER and QA; before GREEN it re-runs RED.
        if self.gate > Gate::Green {
            self.enter(Gate::Green, record);
        }
        self.landing = None;
    }

    fn take_verdict(&mut self, record: &Record, verdict: &GateVerdict) {
        match verdict.outcome {
            Outcome::Passed | Outcome::NotApplicable => self.pass(record, verdict),
            Outcome::Checked => self.admit(verdict),
            Outcome::Returned => self.go_back(record, verdict),
            Outcome::Broken => self.status = Status::Waiting(format!("user: {}", verdict.summary)),
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
        let foureyes_protocol::Address::One(to) = &record.envelope.to else { return };
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

    fn control(&mut self, action: FeatureAction) {
        match (action, &self.status) {
            (_, Status::Done(_)) => {}
            (FeatureAction::Cancel, _) => self.status = Status::Cancelled,
            (FeatureAction::Pause, Status::Active | Status::Waiting(_)) => self.status = Status::Paused,
            (FeatureAction::Retry | FeatureAction::Reopen, _) => {
                self.status = Status::Active;
                self.returns.clear();
            }
            (FeatureAction::Pause, _) => {}
        }
    }
}

//! Where every feature stands: a fold of the ledger.
//!
//! Nothing here decides; [`crate::plan`] does. Approvals are kept with the content that they name, so
//! a push voids them by changing the content, and nothing has to be forgotten.

mod fold;

use crate::record::Record;
use foureyes_protocol::{
    ChangeFacts, ChangeSummary, CommitId, Digest, FeatureId, Gate, MessageId, PrincipalId, Risk,
    artifact::AdmittedFile,
    body::{Finding, GateVerdict, SpecSubmitted, Subject, Task},
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
    /// Whether the decision that was asked for needs a one-time code.
    pub decision_needs_code: bool,
    /// Where the user's decision stands.
    pub decided_at: u64,
    /// Who was asked last for a co-sign.
    pub cosign_to: Option<PrincipalId>,
    /// Tips by content: what a signature of that content was about.
    pub heads: BTreeMap<Digest, CommitId>,
    /// Roles that could not take a message of this feature: their work and seats go to others.
    pub lost: BTreeSet<PrincipalId>,
    /// Where the user's newest retry stands: what was judged before is judged again.
    pub restarted: u64,
    /// Counted returns by gate that the orchestrator was told about.
    pub told: BTreeMap<Gate, u32>,
    /// Events that a person was alerted to, by name.
    pub alerts: BTreeSet<String>,
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
            decision_needs_code: false,
            decided_at: 0,
            cosign_to: None,
            heads: BTreeMap::new(),
            lost: BTreeSet::new(),
            restarted: 0,
            told: BTreeMap::new(),
            alerts: BTreeSet::new(),
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

    /// Who is told what the gates say: of those who implement it, the one who pushed last or was given
    /// the work last.
    pub fn author(&self) -> Option<&PrincipalId> {
        let pushed = |id: &PrincipalId| self.push.as_ref().filter(|p| p.by == *id).map_or(0, |p| p.index);
        self.assigned
            .iter()
            .filter(|(_, a)| a.task == Task::Implement)
            .max_by_key(|(id, a)| a.index.max(pushed(id)))
            .map(|(id, _)| id)
    }

    /// What stands before this record was about another push, another spec or an earlier attempt.
    pub fn judged_from(&self) -> u64 {
        let push = self.push.as_ref().map_or(0, |p| p.index);
        let spec = self.spec.as_ref().map_or(0, |s| s.index);
        push.max(spec).max(self.restarted)
    }

    /// Whether it is on its way to the target branch and nothing can stop it any more.
    pub fn is_landing(&self) -> bool {
        self.landing.is_some() || self.merged.is_some()
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
    /// The features that move, oldest first.
    pub fn active(&self) -> Vec<&Feature> {
        let mut active: Vec<_> = self.by_id.values().filter(|f| f.status == Status::Active).collect();
        active.sort_by_key(|f| f.requested);
        active
    }

    /// The gate at which a feature stands.
    pub fn gate_of(&self, id: &FeatureId) -> Option<Gate> {
        self.by_id.get(id).map(|f| f.gate)
    }

    /// How many open features a role works on.
    pub fn load(&self, role: &PrincipalId) -> usize {
        self.by_id.values().filter(|f| f.is_open() && f.assigned.contains_key(role)).count()
    }
}

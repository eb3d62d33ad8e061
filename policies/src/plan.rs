//! What the runtime has to do next: a pure function of the ledger's fold.
//!
//! Every step leaves a record that makes the step unnecessary, so planning again (after each record,
//! after a crash) never does anything twice, and a restart needs no memory but the ledger. Jobs run
//! outside (git, test runs); the caller keeps the set of those under way and starts each once.

mod deploy;
mod green;
mod peer;
mod qa;
mod red;
mod spec;

use crate::{
    approvals,
    features::{Feature, Features},
    kinds::{self, Demands},
    signers::{self, Team},
};
use foureyes_protocol::{
    Address, Body, ChangeKind, CommitId, Digest, Family, FeatureId, Gate, Outcome, PrincipalId, Priority,
    Reason, Risk,
    body::{GateVerdict, SignOffRequest, Subject, Task, TaskAssignment},
};
use std::collections::BTreeSet;

/// The numbers and facts that the plan needs besides the fold.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The team.
    pub team: Team<'a>,
    /// Whether a path is a dependency manifest or lock file.
    pub is_manifest: &'a dyn Fn(&str) -> bool,
    /// The digest of the accepted configuration, named by every verdict.
    pub policy: Digest,
    /// Whether a test command is configured.
    pub has_suite: bool,
    /// Whether the wall is missing (tier ADVISORY): changes of CRITICAL risk wait.
    pub advisory: bool,
    /// Counted returns of one gate that bring in the orchestrator.
    pub returns_orchestrator: u32,
    /// Counted returns of one gate that stop the feature until the user speaks.
    pub returns_user: u32,
    /// Whether everything is frozen.
    pub frozen: bool,
}

/// Something the runtime says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The feature concerned.
    pub feature: Option<FeatureId>,
    /// To whom.
    pub to: Address,
    /// What.
    pub body: Body,
    /// How urgent.
    pub priority: Priority,
}

/// Work outside the ledger. Its result comes back as records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Take over the target branch from the user's repository, for this feature.
    Import(FeatureId),
    /// Baseline and RED on the composed tree.
    Red(FeatureId, CommitId),
    /// GREEN on the tip.
    Green(FeatureId, CommitId),
    /// The full run on the merge of the tip with this target branch.
    Qa(FeatureId, CommitId, CommitId),
    /// Make, sign and land the merge of the tip onto this target branch.
    Land(FeatureId, CommitId, CommitId),
    /// Bring the merge to the user's repository.
    Deliver(FeatureId, CommitId),
}

impl Job {
    /// The feature concerned.
    pub fn feature(&self) -> &FeatureId {
        match self {
            Job::Import(f)
            | Job::Red(f, _)
            | Job::Green(f, _)
            | Job::Qa(f, _, _)
            | Job::Land(f, _, _)
            | Job::Deliver(f, _) => f,
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Append this, as the runtime.
    Say(Say),
    /// Start this, unless it is under way.
    Job(Job),
}

/// Everything that has to be done now. Empty while frozen.
pub fn plan(features: &Features, rules: &Rules) -> Vec<Step> {
    if rules.frozen {
        return Vec::new();
    }
    let mut steps: Vec<Step> = Vec::new();
    for feature in features.active() {
        steps.extend(Planner { features, feature, rules }.steps());
    }
    one_landing(features, steps)
}

/// The landing queue: one change at a time, the one that passed QA first.
fn one_landing(features: &Features, steps: Vec<Step>) -> Vec<Step> {
    let since = |id: &FeatureId| features.by_id.get(id).map_or(u64::MAX, |f| f.since);
    let lands = |s: &Step| match s {
        Step::Job(job @ (Job::Land(..) | Job::Deliver(..))) => {
            Some((matches!(job, Job::Land(..)), since(job.feature()), job.clone()))
        }
        _ => None,
    };
    // A merge that has not been delivered goes before the next landing.
    let first = steps.iter().filter_map(lands).min();
    steps.into_iter().filter(|s| lands(s).is_none_or(|l| Some(l) == first)).collect()
}

/// The plan of one feature.
struct Planner<'a> {
    features: &'a Features,
    feature: &'a Feature,
    rules: &'a Rules<'a>,
}

impl Planner<'_> {
    fn steps(&self) -> Vec<Step> {
        if let Some(step) = self.unfinished_landing() {
            return vec![step];
        }
        if let Some(steps) = self.too_many_returns() {
            return steps;
        }
        match self.feature.gate {
            Gate::Spec => self.spec(),
            Gate::Red => self.red(),
            Gate::Green => self.green(),
            Gate::Peer => self.peer(),
            Gate::Qa => self.qa(),
            Gate::Deploy => self.deploy(),
        }
    }

    /// A landing that was decided, or a merge that was not delivered, is finished before all else.
    fn unfinished_landing(&self) -> Option<Step> {
        let id = self.feature.id.clone();
        if let Some(commit) = &self.feature.merged {
            return Some(Step::Job(Job::Deliver(id, commit.clone())));
        }
        let (_, main, _) = self.feature.landing.as_ref()?;
        let push = self.feature.push.as_ref()?;
        Some(Step::Job(Job::Land(id, push.change.head.clone(), main.clone())))
    }

    /// Five counted returns of one gate: the user decides. (Three are told to the orchestrator.)
    fn too_many_returns(&self) -> Option<Vec<Step>> {
        let worst = self.feature.returns.iter().max_by_key(|(_, n)| **n)?;
        let (gate, n) = (*worst.0, *worst.1);
        if n < self.rules.returns_user {
            return None;
        }
        let summary =
            format!("{gate} was returned {n} times; `agents feature retry {}` or `cancel`", self.feature.id);
        Some(vec![self.verdict_to_user(gate, Outcome::Broken, summary)])
    }

    fn verdict_to_user(&self, gate: Gate, outcome: Outcome, summary: String) -> Step {
        let verdict = GateVerdict { summary, ..self.verdict(gate, outcome) };
        self.say(Address::user(), verdict, Priority::High)
    }

    fn say(&self, to: impl Into<Address>, body: impl Into<Body>, priority: Priority) -> Step {
        Step::Say(Say { feature: Some(self.feature.id.clone()), to: to.into(), body: body.into(), priority })
    }

    /// A verdict is told to the author of the change, who is the one to act on it.
    fn verdict_to_author(&self, verdict: GateVerdict) -> Step {
        let to = self.feature.author().cloned().map_or_else(Address::system, Address::One);
        self.say(to, verdict, Priority::High)
    }

    /// A verdict on the feature as it stands now, to be filled in.
    fn verdict(&self, gate: Gate, outcome: Outcome) -> GateVerdict {
        let push = self.feature.push.as_ref();
        GateVerdict {
            gate,
            outcome,
            content: push.map_or_else(Digest::default, |p| p.content),
            head: push.map(|p| p.change.head.clone()),
            main: self.features.main.clone(),
            tree: None,
            summary: String::new(),
            reasons: Vec::new(),
            evidence: Vec::new(),
            admitted: Vec::new(),
            failing: Vec::new(),
            known_failures: self.feature.known_failures.clone(),
            signers: Vec::new(),
            policy: self.rules.policy,
            counts: true,
            millis: 0,
        }
    }

    fn returned(&self, gate: Gate, reason: Reason) -> Step {
        let summary = reason.to_string();
        self.verdict_to_author(GateVerdict {
            summary,
            reasons: vec![reason],
            ..self.verdict(gate, Outcome::Returned)
        })
    }

    fn kind(&self) -> ChangeKind {
        self.feature.spec.as_ref().map_or(ChangeKind::Feature, |s| s.spec.kind)
    }

    fn demands(&self) -> Demands {
        kinds::demands(self.kind())
    }

    fn approvers(&self, subject: Subject, content: Digest) -> BTreeSet<PrincipalId> {
        let (roster, manifest) = (self.rules.team.roster, self.rules.is_manifest);
        approvals::approvers(self.features, self.feature, subject, content, roster, manifest)
    }

    /// The newest refusal to sign that stands against this content, if any.
    fn refusal(&self, subject: Subject, content: Digest) -> Option<&crate::features::Signature> {
        let standing = approvals::standing(self.feature, subject, content, self.rules.team.roster);
        // After a return for this very refusal the same content may only pass with other words.
        standing.into_iter().find(|s| !s.approved)
    }

    /// The family whose pairing decides who signs: that of the newest pusher.
    fn author_family(&self) -> Family {
        let by = self.feature.push.as_ref().map(|p| &p.by).or(self.feature.author());
        by.and_then(|by| self.rules.team.roster.family(by)).unwrap_or(Family::Dev)
    }

    /// Requests still missing for `wanted` sign-offs of a subject, drawn now; nobody is asked twice and
    /// a signer who cannot act any more is replaced.
    fn ask(
        &self,
        subject: Subject,
        content: Digest,
        wanted: usize,
        chains: &[Vec<Family>],
        text: &str,
    ) -> Vec<Step> {
        let signed = self.approvers(subject, content);
        let waiting = self.waiting(subject, content);
        let mut excluded = self.never(subject);
        excluded.extend(signed.iter().cloned());
        excluded.extend(waiting.iter().cloned());
        let mut steps = Vec::new();
        for nth in signed.len() + waiting.len()..wanted {
            let chain = &chains[nth.min(chains.len() - 1)];
            let context = format!("{}/{subject}/{content}/{nth}/{}", self.feature.id, self.feature.since);
            let Some(signer) = self.rules.team.next_signer(chain, &excluded, context.as_bytes()) else {
                break;
            };
            excluded.insert(signer.clone());
            steps.push(self.say(signer, self.request(subject, content, text), Priority::Normal));
        }
        steps
    }

    /// Who was asked for this content, can still act and has not answered in a way that stands.
    fn waiting(&self, subject: Subject, content: Digest) -> BTreeSet<PrincipalId> {
        let unavailable = self.rules.team.unavailable;
        let void_since = self.void_since(subject);
        let open = self.feature.requests.iter().filter(|r| {
            r.subject == subject
                && r.content == content
                && !r.answered
                && r.index >= void_since
                && !unavailable.contains(&r.to)
        });
        open.map(|r| r.to.clone()).collect()
    }

    /// Requests from before this record do not count any more: the feature came back since.
    fn void_since(&self, subject: Subject) -> u64 {
        match subject {
            Subject::Spec | Subject::Tests => 0,
            _ => self.feature.push.as_ref().map_or(0, |p| p.index),
        }
    }

    fn never(&self, subject: Subject) -> BTreeSet<PrincipalId> {
        match subject {
            Subject::Spec => self.feature.spec.iter().map(|s| s.by.clone()).collect(),
            _ => approvals::excluded(self.feature),
        }
    }

    fn request(&self, subject: Subject, content: Digest, text: &str) -> SignOffRequest {
        let push = self.feature.push.as_ref();
        let checks = self.feature.verdicts.iter().rev().take(3).map(|v| v.verdict.summary.clone()).collect();
        let evidence = self.feature.verdicts.last().map_or_else(Vec::new, |v| v.verdict.evidence.clone());
        SignOffRequest {
            subject,
            content,
            head: push.map(|p| p.change.head.clone()),
            lines: push.map_or(0, |p| p.change.lines()),
            files: push.map_or(0, |p| p.change.files.len() as u64),
            checks,
            evidence,
            text: text.to_owned(),
        }
    }

    fn chain(&self, subject: Subject) -> Vec<Family> {
        signers::chain(subject, self.author_family())
    }

    fn task(&self, task: Task, text: String) -> TaskAssignment {
        let spec = self.feature.spec.as_ref();
        TaskAssignment {
            task,
            title: self.feature.title.clone(),
            text,
            branch: Some(self.feature.id.branch()),
            base: self.features.main.clone(),
            paths: spec.map_or_else(Vec::new, |s| s.spec.paths.clone()),
            candidates: Vec::new(),
        }
    }

    fn assigned_for(&self, task: Task) -> bool {
        self.feature.assignees(task).next().is_some()
    }

    /// The role that was drawn for a task from the least loaded of these families.
    fn draw_role(&self, families: &[Family], what: &str) -> Option<PrincipalId> {
        let team = &self.rules.team;
        let free = families.iter().map(|f| team.free(*f, &BTreeSet::new())).find(|c| !c.is_empty())?;
        let least = free.iter().map(|r| self.features.load(r)).min()?;
        let lightest = free.into_iter().filter(|r| self.features.load(r) == least).collect();
        team.pick(lightest, format!("{}/{what}", self.feature.id).as_bytes())
    }

    fn critical(&self) -> bool {
        self.feature.risk() == Risk::Critical
    }
}

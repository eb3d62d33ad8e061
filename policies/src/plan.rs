//! What the runtime has to do next: a pure function of the ledger's fold.
//!
//! Every step leaves a record that makes the step unnecessary, so planning again (after each record,
//! after a crash) never does anything twice, and a restart needs no memory but the ledger. Jobs run
//! outside (git, test runs); the caller keeps the set of those under way and starts each once.

mod after;
mod deploy;
mod green;
mod peer;
mod qa;
mod red;
mod returns;
mod seats;
mod spec;

pub use deploy::deploy_decision;
pub use red::tests_content;

use crate::{
    approvals,
    features::{Feature, Features, Status},
    kinds::{self, Demands},
    signers::{self, Team},
};
use foureyes_config::sections::gates::Gates;
use foureyes_protocol::{
    Address, Body, ChangeKind, CommitId, Digest, Family, FeatureId, Gate, Outcome, PrincipalId, Priority,
    Reason, Risk,
    body::{GateVerdict, SignOffRequest, Subject, Task, TaskAssignment},
};
use std::collections::{BTreeMap, BTreeSet};

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

/// Numbers of the configuration that only some steps need, and the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    /// Now, in milliseconds since the Unix epoch; 0 where nothing is to fall due.
    pub now_ms: u64,
    /// So many counted returns from DEPLOY…
    pub deploy_returns: u32,
    /// …within this time, in milliseconds, reach the user.
    pub deploy_returns_within_ms: u64,
    /// Up to so many changed lines since their last look, reviewers need to read only the mend.
    pub mend_lines: u64,
    /// When a qa must have looked at a fast-track change, in milliseconds after it landed.
    pub spot_check_due_ms: u64,
    /// Share of the co-signs granted by rule at risk LOW that the librarian checks, 0 to 1.
    pub cosign_low: f64,
    /// The same at risk MEDIUM.
    pub cosign_medium: f64,
}

impl Numbers {
    /// The numbers of a configuration.
    pub fn of(gates: &Gates, now_ms: u64) -> Self {
        Self {
            now_ms,
            deploy_returns: gates.deploy_returns.count,
            deploy_returns_within_ms: gates.deploy_returns.within.0,
            mend_lines: gates.mend_lines,
            spot_check_due_ms: gates.spot_checks.qa_due.0,
            cosign_low: gates.spot_checks.cosign_low,
            cosign_medium: gates.spot_checks.cosign_medium,
        }
    }
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
#[allow(clippy::large_enum_variant, reason = "a plan has a handful of steps, which live for one round")]
pub enum Step {
    /// Append this, as the runtime.
    Say(Say),
    /// Start this, unless it is under way.
    Job(Job),
}

/// Everything that has to be done now, by the default [`Numbers`] and with nothing falling due.
pub fn plan(features: &Features, rules: &Rules) -> Vec<Step> {
    plan_with(features, rules, &Numbers::of(&Gates::default(), 0))
}

/// Everything that has to be done now. Empty while frozen.
pub fn plan_with(features: &Features, rules: &Rules, numbers: &Numbers) -> Vec<Step> {
    if rules.frozen {
        return Vec::new();
    }
    // Whoever could not take a message of a feature is not asked about that feature again.
    let gone = |f: &Feature| rules.team.unavailable | &f.lost;
    let lost = features.by_id.values().filter(|f| !f.lost.is_empty());
    let gone: BTreeMap<&FeatureId, BTreeSet<PrincipalId>> = lost.map(|f| (&f.id, gone(f))).collect();
    let own: BTreeMap<&FeatureId, Rules> = gone
        .iter()
        .map(|(id, gone)| (*id, Rules { team: Team { unavailable: gone, ..rules.team }, ..*rules }))
        .collect();
    let planner = |feature| {
        let rules = rules_for(feature, &own, rules);
        Planner { features, feature, rules, numbers }
    };
    let active = features.active();
    let mut steps: Vec<Step> = active.iter().flat_map(|f| planner(f).steps()).collect();
    one_landing(&mut steps, |id| features.by_id.get(id).map(|f| planner(f).landing_place()));
    let landed = features.by_id.values().filter(|f| matches!(f.status, Status::Done(_)));
    steps.extend(landed.flat_map(|f| planner(f).after_landing()));
    steps
}

fn rules_for<'a>(
    feature: &Feature,
    own: &'a BTreeMap<&FeatureId, Rules<'a>>,
    all: &'a Rules<'a>,
) -> &'a Rules<'a> {
    own.get(&feature.id).unwrap_or(all)
}

/// The landing queue: one change at a time, in the order in which they became ready. What has begun is
/// finished first, or a later one would land under it.
fn one_landing(steps: &mut Vec<Step>, place: impl Fn(&FeatureId) -> Option<(u8, u64)>) {
    let lands = |s: &Step| match s {
        Step::Job(job @ (Job::Land(..) | Job::Deliver(..))) => Some((place(job.feature()), job.clone())),
        _ => None,
    };
    let first = steps.iter().filter_map(lands).min();
    steps.retain(|s| lands(s).is_none_or(|l| Some(l) == first));
}

/// The plan of one feature.
struct Planner<'a> {
    features: &'a Features,
    feature: &'a Feature,
    rules: &'a Rules<'a>,
    numbers: &'a Numbers,
}

impl Planner<'_> {
    fn steps(&self) -> Vec<Step> {
        if let Some(step) = self.unfinished_landing() {
            return vec![step];
        }
        if let Some(step) = self.too_many_returns() {
            return vec![step];
        }
        let gate = match self.feature.gate {
            Gate::Spec => self.spec(),
            Gate::Red => self.red(),
            Gate::Green => self.green(),
            Gate::Peer => self.peer(),
            Gate::Qa => self.qa(),
            Gate::Deploy => self.deploy(),
        };
        self.tell_orchestrator().into_iter().chain(gate).collect()
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

    /// Its place in the landing queue: merged before begun before ready, then by when it became ready.
    fn landing_place(&self) -> (u8, u64) {
        let f = self.feature;
        let class = match (&f.merged, &f.landing) {
            (Some(_), _) => 0,
            (None, Some(_)) => 1,
            (None, None) => 2,
        };
        let signed = f.signatures.iter().map(|s| s.index).max();
        let told =
            [f.proposal.map(|p| p.1), f.cosign.map(|c| c.2), signed, self.current_run().map(|r| r.index)];
        (class, told.into_iter().flatten().fold(f.since.max(f.decided_at).max(f.restarted), u64::max))
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
        // The user, who settled a dispute by a retry, has it looked at anew.
        standing.into_iter().find(|s| !s.approved && s.index > self.feature.restarted)
    }

    /// The family whose pairing decides who signs: that of the newest pusher.
    fn author_family(&self) -> Family {
        let by = self.feature.push.as_ref().map(|p| &p.by).or(self.feature.author());
        by.and_then(|by| self.rules.team.roster.family(by)).unwrap_or(Family::Dev)
    }

    /// Who was asked for this content, can still act and has not answered in a way that stands.
    fn waiting(&self, subject: Subject, content: Digest) -> BTreeSet<PrincipalId> {
        let unavailable = self.rules.team.unavailable;
        let void_since = self.void_since(subject);
        let open = self.feature.requests.iter().filter(|r| {
            r.subject == subject
                && r.content == content
                && !r.answered
                && r.index > void_since
                && !unavailable.contains(&r.to)
        });
        open.map(|r| r.to.clone()).collect()
    }

    /// Requests from before this record do not count any more: the feature came back since.
    fn void_since(&self, subject: Subject) -> u64 {
        match subject {
            Subject::Spec | Subject::Tests => 0,
            _ => self.feature.judged_from(),
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

    /// Whether somebody who can act has this task.
    fn assigned_for(&self, task: Task) -> bool {
        self.feature.assignees(task).any(|role| !self.rules.team.unavailable.contains(role))
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

//! The gatekeeper: moves features through the gates. It folds the journal, asks the pure plan what has
//! to be done, says what is to be said and starts the jobs. It remembers nothing that the ledger does
//! not know, but which jobs are under way.

use crate::{
    context::Context as Core,
    jobs::{self, Bench, JobError, Slots},
    journal::Cursor,
    services::registry::{CatchUp, Registry, SayAll},
    supervision::{ExitCause, Restartable},
};
use actix::prelude::*;
use foureyes_policies::{
    features::{Feature, Features},
    plan::{self, Job, Numbers, Rules, Say, Step},
    record::Record,
    signers::Team,
    veto::Veto,
};
use foureyes_ports::governance::Draft;
use foureyes_protocol::{Address, Body, Code, FeatureId, Gate, Outcome, PrincipalId, Reason, body::Refused};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// A role cannot act any more (degraded), or can again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Availability {
    /// The role.
    pub role: PrincipalId,
    /// Whether it can act.
    pub available: bool,
}

/// A job has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct JobDone(Job, Result<Vec<Draft>, JobError>);

/// Rounds of planning without anything new from outside, after which something is wrong with the plan.
const MAX_ROUNDS: u32 = 64;

/// The gatekeeper.
pub struct Gatekeeper {
    core: Core,
    registry: Addr<Registry>,
    slots: Slots,
    progress: mpsc::Sender<(FeatureId, String)>,
    features: Features,
    veto: Veto,
    cursor: Cursor,
    unavailable: BTreeSet<PrincipalId>,
    under_way: HashMap<Job, SpawnHandle>,
    /// Results of jobs that wait to be said, and whether a batch is on its way.
    results: Vec<(Job, Vec<Draft>)>,
    saying: bool,
    rounds: u32,
    /// Who claimed that the tests of a feature pass, and when.
    claims: BTreeMap<FeatureId, (PrincipalId, u64)>,
    /// Claims that the runtime's own runs contradict, to be said with the next batch.
    contradictions: Vec<Draft>,
    /// Records from before this actor's start are history: their contradictions were said.
    live_from: u64,
}

impl Gatekeeper {
    /// A gatekeeper that knows the journal.
    pub fn new(
        core: Core,
        registry: Addr<Registry>,
        slots: Slots,
        progress: mpsc::Sender<(FeatureId, String)>,
    ) -> Self {
        let live_from = core.journal.len() as u64;
        Self {
            core,
            registry,
            slots,
            progress,
            features: Features::default(),
            veto: Veto::default(),
            cursor: Cursor::default(),
            unavailable: BTreeSet::new(),
            under_way: HashMap::new(),
            results: Vec::new(),
            saying: false,
            rounds: 0,
            claims: BTreeMap::new(),
            contradictions: Vec::new(),
            live_from,
        }
    }

    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        for entry in self.cursor.next(&self.core.journal) {
            if !entry.record.envelope.from.is_system() {
                self.rounds = 0;
            }
            self.features.apply(&entry.record);
            self.veto.apply(&entry.record);
            self.note_claim(&entry.record);
        }
        self.go_on(ctx);
    }

    /// Says results first, then what the plan asks for; one batch at a time, so that planning always
    /// sees what was said before.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.saying {
            return;
        }
        if let Some((job, drafts)) = self.results.pop() {
            self.under_way.remove(&job);
            self.rounds = 0;
            if drafts.is_empty() {
                return self.go_on(ctx);
            }
            return self.say(drafts, ctx);
        }
        let steps = self.plan();
        let mut drafts = std::mem::take(&mut self.contradictions);
        for step in steps {
            match step {
                Step::Say(say) => drafts.push(draft(say)),
                Step::Job(job) => self.start(job, ctx),
            }
        }
        if drafts.is_empty() {
            return;
        }
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            tracing::error!(rounds = self.rounds, first = ?drafts.first(), "the plan does not settle: waiting for something new");
            return;
        }
        self.say(drafts, ctx);
    }

    fn plan(&self) -> Vec<Step> {
        let facts = &self.core.facts;
        let mut unavailable = self.unavailable.clone();
        unavailable.extend(self.veto.quarantined.keys().cloned());
        let draw = |context: &[u8]| facts.draw(context);
        let is_manifest = |path: &str| facts.is_manifest(path);
        let suite = &facts.config.gates.suite;
        let rules = Rules {
            team: Team { roster: &facts.roster, unavailable: &unavailable, draw: &draw },
            is_manifest: &is_manifest,
            policy: facts.policy,
            has_suite: suite.adapter != foureyes_config::sections::suite::Adapter::Generic
                || !suite.command.is_empty(),
            advisory: facts.advisory,
            returns_orchestrator: facts.config.gates.returns.orchestrator,
            returns_user: facts.config.gates.returns.user,
            frozen: self.veto.frozen.is_some(),
        };
        let numbers = Numbers::of(&facts.config.gates, self.core.ports.clock.now_ms());
        plan::plan_with(&self.features, &rules, &numbers)
    }

    fn say(&mut self, drafts: Vec<Draft>, ctx: &mut Context<Self>) {
        self.saying = true;
        let send = self.registry.send(SayAll(drafts)).into_actor(self).map(|answer, keeper, ctx| {
            keeper.saying = false;
            match answer {
                // The records are in the journal when the answer comes.
                Ok(Ok(_)) => keeper.catch_up(ctx),
                Ok(Err(reason)) => tracing::info!(%reason, "the gates wait"),
                // The registry is being restarted: its next `CatchUp` goes on from here.
                Err(_) => {
                    ctx.run_later(Duration::from_millis(100), |keeper, ctx| keeper.catch_up(ctx));
                }
            }
        });
        ctx.spawn(send);
    }

    fn start(&mut self, job: Job, ctx: &mut Context<Self>) {
        if self.under_way.contains_key(&job) {
            return;
        }
        self.drop_superseded(&job, ctx);
        let bench = Bench {
            core: self.core.clone(),
            registry: self.registry.clone(),
            features: Arc::new(self.features.clone()),
            slots: self.slots.clone(),
            progress: self.progress.clone(),
        };
        // On a task of its own: the work must not run on the actors' thread, and dropping the handle
        // of a superseded job ends its sandboxes.
        let task = tokio::task::spawn_local(bench.run(job.clone()));
        let abort = AbortOnDrop(task.abort_handle());
        let name = job.clone();
        let ended = async move {
            let _abort = abort;
            task.await.unwrap_or_else(|e| Err(JobError::Cut(e.to_string())))
        };
        let handle =
            ctx.spawn(ended.into_actor(self).map(move |result, _, ctx| ctx.notify(JobDone(name, result))));
        self.under_way.insert(job, handle);
    }

    /// A job of the same gate for an older tip or target branch is nobody's any more.
    fn drop_superseded(&mut self, job: &Job, ctx: &mut Context<Self>) {
        let same = |old: &Job| {
            old.feature() == job.feature() && std::mem::discriminant(old) == std::mem::discriminant(job)
        };
        let landing = matches!(job, Job::Land(..) | Job::Deliver(..));
        let old: Vec<Job> = self.under_way.keys().filter(|o| !landing && same(o)).cloned().collect();
        for job in old {
            if let Some(handle) = self.under_way.remove(&job) {
                ctx.cancel_future(handle);
            }
        }
    }
}

impl Gatekeeper {
    /// "The tests pass", says an agent; the runtime ran them itself. A claim that its run contradicts,
    /// whichever came first, is recorded against whoever made it.
    fn note_claim(&mut self, record: &Record) {
        let Some(id) = record.envelope.feature.clone() else { return };
        match &record.envelope.body {
            Body::TaskComplete(t) if t.tests_pass == Some(true) => {
                self.claims.insert(id.clone(), (record.envelope.from.clone(), record.index));
            }
            Body::Pushed(_) => {
                self.claims.remove(&id);
                return;
            }
            Body::GateVerdict(_) => {}
            _ => return,
        }
        let failed = self.features.by_id.get(&id).and_then(failing_run);
        if let (Some(record_of_run), Some((who, _))) = (failed, self.claims.get(&id).cloned()) {
            self.claims.remove(&id);
            if record.index >= self.live_from {
                self.contradictions.push(contradiction(&id, who, record_of_run));
            }
        }
    }
}

/// The newest push's run, if it failed: the place of its verdict.
fn failing_run(feature: &Feature) -> Option<u64> {
    let push = feature.push.as_ref()?;
    let verdict = feature.verdict(Gate::Green).filter(|v| v.index > push.index)?;
    let fails = verdict.verdict.reasons.iter().any(|r| r.code == Code::GreenFails);
    (verdict.verdict.outcome == Outcome::Returned && fails).then_some(verdict.index)
}

fn contradiction(feature: &FeatureId, who: PrincipalId, run: u64) -> Draft {
    let text = format!(
        "{who} claims that the tests pass; the runtime's own run (record {run}) says that they fail: claims count for nothing"
    );
    let refused = Refused {
        who,
        what: "claim that the tests pass".to_owned(),
        reason: Reason::new(Code::ClaimContradicted, text),
        incident: false,
    };
    Draft::new(Address::system(), refused).about(feature.clone())
}

/// Ends a task when nobody waits for it any more.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn draft(say: Say) -> Draft {
    Draft { feature: say.feature, priority: say.priority, ..Draft::new(say.to, say.body) }
}

impl Actor for Gatekeeper {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        self.catch_up(ctx);
    }
}

impl Restartable for Gatekeeper {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        let fresh =
            Self::new(self.core.clone(), self.registry.clone(), self.slots.clone(), self.progress.clone());
        // The jobs of the last run went with its futures; they are planned again.
        *self = Self { unavailable: std::mem::take(&mut self.unavailable), ..fresh };
    }
}
crate::supervised!(Gatekeeper);

impl Handler<CatchUp> for Gatekeeper {
    type Result = ();
    fn handle(&mut self, _: CatchUp, ctx: &mut Context<Self>) {
        self.catch_up(ctx);
    }
}

impl Handler<Availability> for Gatekeeper {
    type Result = ();
    fn handle(&mut self, a: Availability, ctx: &mut Context<Self>) {
        let changed =
            if a.available { self.unavailable.remove(&a.role) } else { self.unavailable.insert(a.role) };
        if changed {
            self.go_on(ctx);
        }
    }
}

impl Handler<JobDone> for Gatekeeper {
    type Result = ();
    fn handle(&mut self, JobDone(job, result): JobDone, ctx: &mut Context<Self>) {
        if !self.under_way.contains_key(&job) {
            return;
        }
        let drafts = match result {
            Ok(drafts) => drafts,
            Err(JobError::Refused(reason)) if reason.code == foureyes_protocol::Code::Frozen => Vec::new(),
            Err(error) => self.failed(&job, &error),
        };
        self.results.insert(0, (job, drafts));
        self.go_on(ctx);
    }
}

impl Gatekeeper {
    fn failed(&self, job: &Job, error: &JobError) -> Vec<Draft> {
        tracing::warn!(?job, %error, "a gate's work could not be done");
        if self.veto.frozen.is_some() {
            return Vec::new();
        }
        let feature = self.features.by_id.get(job.feature());
        feature.map(|f| jobs::broken(&self.core, f, job, error)).into_iter().collect()
    }
}

//! Roles under tokio's paused clock: the real tree and services over a ledger in memory, and programs
//! that a test plays. Hours pass in milliseconds; whatever is waited for has a name and a deadline.

mod budgets;
mod control;
mod crashes;
mod delivery;
mod frozen;
mod hangs;
mod launcher;
mod plain;
mod rebuilt;
mod troubles;
mod turns;

use super::Control;
use crate::{
    context::{Context, Facts, Ports, RefGuard},
    core::{CoreHandle, Settings, start_here},
    journal::Journal,
    meter::Meter,
};
use foureyes_config::{Config, PathRules, sections::roster::Role, units::Millis};
use foureyes_ports::{
    artifacts::MemoryArtifacts,
    backend::{AgentEvent, AgentState, DeliverError, ExitCause, FakeSession, Prompt, TurnEnd},
    clock::{Clock, FakeEntropy},
    governance::Draft,
    ledger::MemoryLedger,
    model::{ModelEvent, ModelTrouble, ModelUse, ModelWatch},
    runner::FakeRunner,
    signer::FakeSigner,
    vcs::{DeliveryTarget, NoVcs},
    view::{RoleState, RoleView, View},
};
use foureyes_protocol::{
    Address, Body, CommitId, Digest, Family, FeatureId, MessageId, PrincipalId, Priority, RunId,
    body::{Alert, Delivered, FeatureRequested, Freeze, Health, Merged, ModelUsed, StatusReport, Unfreeze},
};
use launcher::{FakeLauncher, Start};
use std::{future::Future, sync::Arc, time::Duration};

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;

/// Wall-clock time that goes with tokio's.
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000 + self.0.elapsed().as_millis() as u64
    }
}

fn id(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

fn dev() -> PrincipalId {
    id("dev-a")
}

fn feature(name: &str) -> FeatureId {
    FeatureId::new(name).unwrap()
}

/// A runtime with `dev-a`, `dev-b`, `qa-a` and `librarian`, in this order.
struct World {
    core: CoreHandle,
    launcher: Arc<FakeLauncher>,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
}

impl World {
    async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    /// A runtime with changes to its configuration and its launcher.
    async fn with(change: impl FnOnce(&mut Config, &FakeLauncher)) -> Self {
        tokio::time::pause();
        let role = |name, family| Role { id: id(name), family, backend: None };
        let roles = vec![
            role("dev-a", Family::Dev),
            role("dev-b", Family::Dev),
            role("qa-a", Family::Qa),
            role("librarian", Family::Librarian),
        ];
        let mut config = Config { roles, ..Config::default() };
        let launcher = FakeLauncher::new();
        // Nothing of a role hangs on it, and hours pass faster.
        config.supervision.health_interval = Millis::minutes(10);
        change(&mut config, &launcher);
        let clock: Arc<dyn Clock> = Arc::new(PausedClock(tokio::time::Instant::now()));
        let ports = Ports {
            ledger: Arc::new(MemoryLedger::new(RunId(uuid::Uuid::nil()))),
            artifacts: Arc::new(MemoryArtifacts::default()),
            clock: clock.clone(),
            entropy: Arc::new(FakeEntropy::seeded(1)),
            vcs: Arc::new(NoVcs),
            runner: Arc::new(FakeRunner::default()),
            signer: Arc::new(FakeSigner::default()),
        };
        let journal = Journal::replay(ports.ledger.as_ref()).await.unwrap();
        let facts = facts(config, &ports);
        let budgets = facts.config.model.budgets.clone();
        let meter = Arc::new(Meter::new(budgets, clock.clone(), &journal, facts.epoch));
        let context = Context {
            ports,
            facts: Arc::new(facts),
            journal: Arc::new(journal),
            refs: Arc::new(RefGuard::default()),
            meter: meter.clone(),
        };
        let settings = Settings {
            context,
            launcher: launcher.clone(),
            repository: "tests".to_owned(),
            gate_owners: Vec::new(),
        };
        let core = start_here(settings).unwrap();
        Self { core, launcher, meter, clock }
    }

    fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    /// So much time passes, and all that happens in it.
    async fn pass(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        settle().await;
    }

    /// Waits for a condition, two hours at most.
    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = self.now() + 2 * HOUR;
        while !condition(self) {
            assert!(self.now() < deadline, "waited in vain until {what}; {}", self.shown());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        settle().await;
    }

    fn view(&self) -> Arc<View> {
        self.core.view().borrow().clone()
    }

    fn shown(&self) -> String {
        format!("roles {:#?}, alerts {:#?}, health {:#?}", self.view().roles, self.alerts(), self.health())
    }

    /// A role as displays show it. The picture is drawn first.
    async fn role(&self, role: &PrincipalId) -> RoleView {
        self.pass(60).await;
        self.view().roles.iter().find(|r| r.id == *role).cloned().unwrap()
    }

    /// The runtime says something to a role.
    async fn say(&self, draft: Draft) -> MessageId {
        let receipts = self.core.say_all(vec![draft]).await.unwrap();
        settle().await;
        receipts[0].id
    }

    async fn tell(&self, role: &PrincipalId, text: &str) -> MessageId {
        self.say(Draft::new(role.clone(), StatusReport { text: text.to_owned() })).await
    }

    async fn tell_at(&self, role: &PrincipalId, text: &str, priority: Priority) -> MessageId {
        let draft = Draft::new(role.clone(), StatusReport { text: text.to_owned() });
        self.say(Draft { priority, ..draft }).await
    }

    async fn acknowledge_all(&self, role: &PrincipalId) {
        for item in self.core.inbox(role, 100).await {
            self.core.acknowledge(role, item.id).await.unwrap();
        }
        settle().await;
    }

    /// The role's newest program, waited for.
    async fn program(&self, role: &PrincipalId) -> FakeSession {
        self.until("a program lives", |w| w.sessions(role).last().is_some_and(FakeSession::lives)).await;
        self.sessions(role).pop().unwrap()
    }

    fn sessions(&self, role: &PrincipalId) -> Vec<FakeSession> {
        self.launcher.sessions(role)
    }

    /// The role's program with this number (from 0), waited for and made ready.
    async fn ready(&self, role: &PrincipalId, number: usize) -> FakeSession {
        self.until("the program is started", |w| w.sessions(role).len() > number).await;
        let program = self.sessions(role)[number].clone();
        program.state(AgentState::Idle);
        settle().await;
        program
    }

    /// A role whose first turn is in flight: told of one envelope, and at work on it.
    async fn at_work(&self, role: &PrincipalId) -> (FakeSession, Prompt) {
        self.tell(role, "something to do").await;
        let program = self.ready(role, 0).await;
        let prompt = take(&program, 0).await;
        (program, prompt)
    }

    /// What the proxy sees of a role's model.
    async fn proxy(&self, role: &PrincipalId, event: ModelEvent) {
        self.meter.tell(role, event);
        settle().await;
    }

    async fn trouble(&self, role: &PrincipalId, trouble: ModelTrouble) {
        self.proxy(role, ModelEvent::Asked).await;
        self.proxy(role, ModelEvent::Trouble(trouble)).await;
        self.proxy(role, ModelEvent::Ended).await;
    }

    async fn used(&self, role: &PrincipalId, microusd: u64) {
        self.proxy(role, ModelEvent::Asked).await;
        let used = ModelUse { model: "m".to_owned(), microusd: Some(microusd), ..ModelUse::default() };
        self.proxy(role, ModelEvent::Used(used)).await;
        self.proxy(role, ModelEvent::Ended).await;
    }

    async fn control(&self, role: &PrincipalId, control: Control) {
        assert!(self.core.control(role, control).await);
        settle().await;
    }

    fn bodies<T>(&self, pick: impl Fn(&Body) -> Option<T>) -> Vec<T> {
        let entries = self.core.context().journal.since(0);
        entries.iter().filter_map(|e| pick(&e.record.envelope.body)).collect()
    }

    fn alerts(&self) -> Vec<Alert> {
        self.bodies(|b| if let Body::Alert(a) = b { Some(a.clone()) } else { None })
    }

    /// The alerts of one kind.
    fn alerts_of(&self, event: &str) -> Vec<String> {
        self.alerts().into_iter().filter(|a| a.event == event).map(|a| a.text).collect()
    }

    fn health(&self) -> Vec<Health> {
        self.bodies(|b| if let Body::Health(h) = b { Some(h.clone()) } else { None })
    }

    fn used_records(&self) -> Vec<(Option<FeatureId>, ModelUsed)> {
        let entries = self.core.context().journal.since(0);
        let used = entries.iter().filter_map(|e| match &e.record.envelope.body {
            Body::ModelUsed(used) => Some((e.record.envelope.feature.clone(), used.clone())),
            _ => None,
        });
        used.collect()
    }

    /// Requests and money of a role by the records.
    fn sum(&self, role: &PrincipalId) -> (u64, u64) {
        let used = self.used_records().into_iter().filter(|(_, used)| used.role == *role);
        used.fold((0, 0), |sum, (_, u)| (sum.0 + u.requests, sum.1 + u.microusd.unwrap_or(0)))
    }

    /// The programs of a role, when there are so many.
    async fn sessions_after(&self, role: &PrincipalId, count: usize) -> Vec<FakeSession> {
        self.until("the programs are started", |w| w.sessions(role).len() >= count).await;
        self.sessions(role)
    }

    /// Something landed, and everybody is told.
    async fn merged(&self) {
        let commit = |byte: char| CommitId::new(&byte.to_string().repeat(40)).unwrap();
        let merged = Merged {
            main: commit('a'),
            commit: commit('b'),
            content: Digest([0; 32]),
            paths: Vec::new(),
            signers: Vec::new(),
        };
        self.say(Draft::new(Address::All, merged)).await;
        self.say(Draft::new(Address::All, Delivered { commit: commit('b'), to: "main".to_owned() })).await;
    }
}

fn facts(config: Config, ports: &Ports) -> Facts {
    Facts {
        policy: config.digest(),
        paths: PathRules::compile(&config).unwrap(),
        roster: config.roster(),
        run: ports.ledger.run(),
        epoch: ports.ledger.epoch(),
        user_repo: "/nowhere".into(),
        target: "main".to_owned(),
        scratch: "/nowhere/scratch".into(),
        tier: "none".to_owned(),
        advisory: true,
        draw_secret: [0; 32],
        deliver: DeliveryTarget::Main("refs/heads/main".to_owned()),
        version: "0".to_owned(),
        started_ms: ports.clock.now_ms(),
        config,
    }
}

/// The prompt with this number of a program, waited for, and taken as real programs take it.
async fn take(program: &FakeSession, number: usize) -> Prompt {
    let prompt = in_time("a prompt is delivered", program.prompt(number)).await;
    program.see(prompt.id);
    program.state(AgentState::Busy);
    settle().await;
    prompt
}

/// Ends a program's turn.
async fn end(program: &FakeSession, end: TurnEnd) {
    program.end_turn(end);
    settle().await;
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_millis(2 * HOUR), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain until {what}"),
    }
}

/// Lets everything run that can run without the clock going on.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

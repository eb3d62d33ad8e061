//! A whole core over a real ledger, with agents that have no process.

use crate::error::Failure;
use async_trait::async_trait;
use foureyes_actors::{
    context::{Context, Facts, Ports, RefGuard},
    core::{Core, Settings},
    journal::Journal,
    meter::Meter,
    role::{Answered, Launcher, Order, Started},
};
use foureyes_config::{
    Config, PathRules,
    sections::{limits::Rate, roster::Role},
};
use foureyes_ledger::{
    OpenOptions, SqliteLedger,
    host::{OsEntropy, SystemClock},
};
use foureyes_ports::{
    artifacts::MemoryArtifacts,
    backend::{Ask, PromptId},
    ledger::{Ledger, LedgerState},
    runner::FakeRunner,
    signer::FakeSigner,
    vcs::{DeliveryTarget, NoVcs},
};
use foureyes_protocol::{Family, PrincipalId};
use std::{path::Path, sync::Arc};

/// Whether the configured rate limits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Those of the default configuration.
    Default,
    /// So high that nobody reaches them; they are still counted.
    Raised,
}

/// What a run raises the message limits to.
pub const RAISED: u32 = 1_000_000_000;

/// The name of the agent with this number.
pub fn agent(number: usize) -> PrincipalId {
    PrincipalId::new(&format!("agent-{number}"))
        .unwrap_or_else(|_| unreachable!("a number makes a valid name"))
}

/// A configuration with so many agents. They are developers: the family with the most to fold.
pub fn config(agents: usize, limits: Limits) -> Config {
    let role = |n| Role { id: agent(n), family: Family::Dev, backend: None };
    let mut config = Config { roles: (0..agents).map(role).collect(), ..Config::default() };
    if limits == Limits::Raised {
        let rate = Some(RAISED);
        config.limits.messages = Rate { burst: rate, minute: rate, hour: rate, day: rate };
    }
    config
}

/// Agents whose process is always about to start: messages reach their inboxes, nothing wakes.
struct NoProcess;

#[async_trait]
impl Launcher for NoProcess {
    async fn launch(&self, _: &PrincipalId, _: Order) -> Result<Started, String> {
        std::future::pending().await
    }
    fn lazy(&self, _: &PrincipalId) -> bool {
        true
    }
    async fn excess(&self, _: &PrincipalId, _: u32) -> String {
        std::future::pending().await
    }
    fn has_model(&self, _: &PrincipalId) -> bool {
        false
    }
    async fn refresh(&self, _: &PrincipalId) {}
    async fn answer(&self, _: &PrincipalId, _: &Ask) -> Answered {
        Answered::new("null")
    }
    async fn was_seen(&self, _: &PrincipalId, _: PromptId) -> Option<bool> {
        None
    }
    fn conversed(&self, _: &PrincipalId, _: &str) {}
    fn transcript_bytes(&self, _: &PrincipalId) -> Option<u64> {
        None
    }
}

/// Opens the ledger in `dir`. With `full` every record is verified, not only the newest.
///
/// # Errors
/// [`Failure::Open`]; [`Failure::Broken`] when it does not verify.
pub fn open(dir: &Path, full: bool) -> Result<SqliteLedger, Failure> {
    let mut options = OpenOptions::new(Arc::new(SystemClock::default()), Arc::new(OsEntropy::default()));
    options.full_verify = full;
    let ledger = foureyes_ledger::open(dir, &options)?;
    match ledger.state() {
        LedgerState::Writable => Ok(ledger),
        state => Err(Failure::Broken(format!("the ledger opened as {state:?}"))),
    }
}

/// Starts a core over the ledger in `dir`.
///
/// # Errors
/// [`Failure`].
pub async fn start(dir: &Path, config: Config) -> Result<Core, Failure> {
    let ledger: Arc<dyn Ledger> = Arc::new(open(dir, false)?);
    let journal = Journal::replay(ledger.as_ref()).await?;
    let last = journal.len().checked_sub(1).and_then(|i| journal.get(i as u64));
    let clock = SystemClock::not_before(last.map_or(0, |e| e.record.at_ms));
    let ports = Ports {
        ledger,
        artifacts: Arc::new(MemoryArtifacts::default()),
        clock: Arc::new(clock),
        entropy: Arc::new(OsEntropy::default()),
        vcs: Arc::new(NoVcs),
        runner: Arc::new(FakeRunner::default()),
        signer: Arc::new(FakeSigner::default()),
    };
    let facts = facts(dir, config, &ports)?;
    let meter = Meter::new(facts.config.model.budgets.clone(), ports.clock.clone(), &journal, facts.epoch);
    let context = Context {
        ports,
        facts: Arc::new(facts),
        journal: Arc::new(journal),
        refs: Arc::new(RefGuard::default()),
        meter: Arc::new(meter),
    };
    let settings = Settings {
        context,
        launcher: Arc::new(NoProcess),
        repository: "load-test".to_owned(),
        gate_owners: Vec::new(),
    };
    // Starting waits for the core's thread, which must not hold up this one's tasks.
    let started = tokio::task::spawn_blocking(move || Core::start(settings)).await;
    Ok(started.map_err(|e| Failure::Other(e.to_string()))??)
}

fn facts(dir: &Path, config: Config, ports: &Ports) -> Result<Facts, Failure> {
    Ok(Facts {
        policy: config.digest(),
        paths: PathRules::compile(&config).map_err(|e| Failure::Other(e.to_string()))?,
        roster: config.roster(),
        run: ports.ledger.run(),
        epoch: ports.ledger.epoch(),
        user_repo: dir.to_owned(),
        target: "main".to_owned(),
        scratch: dir.join("scratch"),
        tier: "none".to_owned(),
        advisory: true,
        draw_secret: [0; 32],
        deliver: DeliveryTarget::Main("refs/heads/main".to_owned()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: ports.clock.now_ms(),
        config,
    })
}

/// Ends a core and its thread.
pub async fn stop(core: Core) {
    core.handle.shutdown().await;
    // Its thread has nothing left to do; a failure to join is a panic that was logged there.
    let _ = tokio::task::spawn_blocking(move || core.join()).await;
}

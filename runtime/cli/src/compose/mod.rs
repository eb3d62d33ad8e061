//! The composition root: the only place where adapters meet actors.

mod channels;
mod conversation;
mod governance;
mod launcher;
mod models;
mod program;
mod push;
mod questions;
mod reading;
mod recover;
mod trial;

use launcher::{Outfit, Prompts};
use models::Models;

pub use governance::CoreGovernance;
pub use trial::{Trial, trial};

use crate::{
    prompts::{PromptFiles, RolePrompts},
    state::StateDir,
};
use foureyes_actors::{
    context::{Context, Facts, Ports, RefGuard},
    core::{Core, CoreError, CoreHandle, Settings},
    journal::{Journal, ReplayError},
    meter::Meter,
};
use foureyes_config::{Config, PathRules};
use foureyes_gates::{Runner as GateRunnerAdapter, Settings as GateSettings};
use foureyes_gateway::Gateway;
use foureyes_ledger::{
    FileArtifacts, OpenError, OpenOptions,
    host::{OsEntropy, SystemClock},
};
use foureyes_ports::{
    clock::{Clock, Entropy},
    governance::Draft,
    ledger::{Ledger, LedgerState},
    sandbox::{Bind, Sandbox, SandboxError, Tier, WallCheck},
    signer::{KeyError, Signer},
    vcs::{DeliveryTarget, Vcs, VcsError},
};
use foureyes_protocol::{
    Address, Digest, PrincipalId, Priority, Reason,
    body::{ConfigAccepted, EpochStarted, KeyEvent},
};
use foureyes_session::sandbox::{AdvisorySandbox, BwrapSandbox, Ceilings, Runner, SandboxConfig, Spawner};
use foureyes_vcs::{git::GitRepository, openpgp::OpenPgpSigner};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a runtime is started with.
pub struct Start {
    /// Where its state lies.
    pub state: StateDir,
    /// The user's repository.
    pub user_repo: PathBuf,
    /// Name of the repository, for titles.
    pub name: String,
    /// The accepted configuration.
    pub config: Config,
    /// Where the configuration came from, for the record.
    pub source: String,
    /// The accepted plays that are not built in: name and text.
    pub plays: BTreeMap<String, String>,
    /// The accepted parts of prompts that are not built in, and the project's own instructions.
    pub prompts: PromptFiles,
    /// Whether to run without a wall, as the user asked.
    pub advisory: bool,
    /// The multi-call binary.
    pub binary: PathBuf,
}

/// Why a runtime does not start.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The ledger is damaged: it opened read-only.
    #[error("the ledger does not verify ({0}), so nothing more is decided on it; run `agents audit verify`")]
    Damaged(String),
    /// The ledger cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// There is no wall.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The wall has a hole.
    #[error("the sandbox's self-test failed, so no agent is started: {0}")]
    Hole(String),
    /// Version control.
    #[error(transparent)]
    Vcs(#[from] VcsError),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The core.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A rule refused what a start needs.
    #[error("the start was refused: {0}")]
    Refused(Reason),
    /// Files of the state directory.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Anything else, said in one line.
    #[error("{0}")]
    Other(String),
}

/// Gate sandboxes: as many suites run at once.
const GATE_SLOTS: usize = 2;

/// A running runtime.
pub struct Runtime {
    /// The core.
    pub core: Core,
    /// The core as channels see it.
    pub governance: Arc<CoreGovernance>,
    /// The tier in force.
    pub tier: Tier,
    /// Why the tier is lower than it could be.
    pub note: Option<String>,
    /// What the wall withstood at this start.
    pub walls: Vec<WallCheck>,
}

/// The wall, with what there is to say of it.
struct Wall {
    sandbox: Arc<dyn Sandbox>,
    note: Option<String>,
    checks: Vec<WallCheck>,
}

impl Runtime {
    /// Starts everything; returns when all services answer.
    ///
    /// # Errors
    /// [`ComposeError`], with what mends it.
    pub async fn start(start: Start) -> Result<Self, ComposeError> {
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
        let (ledger, clock, journal) = open_ledger(&start.state, entropy.clone()).await?;
        let started_ms = clock.now_ms();
        let gate_owners = gate_owners()?;
        let spawner = Spawner::new().map_err(|e| ComposeError::Other(e.to_string()))?;
        let wall = {
            let (state, binary, advisory, name) =
                (start.state.clone(), start.binary.clone(), start.advisory, start.name.clone());
            let owners = owners(&start.config, &gate_owners);
            let uid_base = start.config.sandbox.uid_base;
            blocking(move || raise_wall(&state, &binary, advisory, &name, owners, uid_base)).await??
        };
        let tier = wall.sandbox.tier();
        let (vcs, user) = open_repository(&start).await?;
        let target = target_branch(&start.config, user.head_branch.as_deref())?;
        let signer: Arc<dyn Signer> = Arc::new(OpenPgpSigner::open(&start.state.keys())?);
        let keys = ensure_keys(signer.as_ref(), &start.config, started_ms)?;
        recover::remember_signings(&journal, signer.as_ref());
        let runner = gate_runner(&start, &wall, &spawner, entropy.clone()).await;
        let tools = runner.agent_tools().await;
        let artifacts =
            FileArtifacts::open(&start.state.artifacts()).map_err(|e| ComposeError::Other(e.to_string()))?;
        make_dir(&start.state.scratch())?;
        recover::sweep(&start.state.scratch());
        let policy = start.config.digest();
        let ports = Ports {
            ledger: ledger.clone(),
            artifacts: Arc::new(artifacts),
            clock,
            entropy,
            vcs,
            runner,
            signer,
        };
        let facts = Facts {
            policy,
            paths: PathRules::compile(&start.config).map_err(|e| ComposeError::Other(e.to_string()))?,
            roster: start.config.roster(),
            run: ledger.run(),
            epoch: ledger.epoch(),
            user_repo: user.root.clone(),
            deliver: deliver(&start.config, &target, user.has_remote, tier == Tier::Advisory),
            target,
            scratch: start.state.scratch(),
            tier: tier.to_string(),
            advisory: tier == Tier::Advisory,
            draw_secret: draw_secret(&start.state, ports.entropy.as_ref())?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms,
            config: start.config.clone(),
        };
        let meter =
            Meter::new(start.config.model.budgets.clone(), ports.clock.clone(), &journal, facts.epoch);
        let meter = Arc::new(meter);
        let models =
            Models::open(&start.config, &start.plays, &meter, &ports.clock, ports.entropy.as_ref()).await?;
        let context = Context {
            ports,
            facts: Arc::new(facts),
            journal: Arc::new(journal),
            refs: Arc::new(RefGuard::default()),
            meter,
        };
        first_record(&context, &keys, &start.source).await?;
        recover::first_import(&context).await?;
        recover::adopt_pushes(&context).await?;
        let outfit = Outfit {
            plays: start.plays.clone(),
            prompts: prompts(&start, &context.facts.target),
            models,
            tools,
        };
        let (core, governance) =
            start_core(&start, context, (wall.sandbox.clone(), spawner), outfit, gate_owners)?;
        Ok(Self { core, governance, tier, note: wall.note, walls: wall.checks })
    }

    /// The way to the core.
    pub fn handle(&self) -> &CoreHandle {
        &self.core.handle
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ComposeError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| ComposeError::Other(format!("a start's thread died: {e}")))
}

fn make_dir(path: &Path) -> Result<(), ComposeError> {
    std::fs::create_dir_all(path)
        .map_err(|source| ComposeError::Io { what: path.display().to_string(), source })
}

type Opened = (Arc<dyn Ledger>, Arc<dyn Clock>, Journal);

async fn open_ledger(state: &StateDir, entropy: Arc<dyn Entropy>) -> Result<Opened, ComposeError> {
    let dir = state.ledger();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::not_before(0));
    // Every record is verified, not only those after the last checkpoint: all of them are acted on.
    let mut options = OpenOptions::new(clock, entropy);
    options.full_verify = true;
    let ledger = blocking(move || foureyes_ledger::open(&dir, &options)).await??;
    if let LedgerState::ReadOnly(why) = ledger.state() {
        return Err(ComposeError::Damaged(why.to_string()));
    }
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let journal = Journal::replay(ledger.as_ref()).await?;
    // Time never goes back behind what the ledger has seen.
    let floor =
        journal.len().checked_sub(1).and_then(|last| journal.get(last as u64)).map_or(0, |e| e.record.at_ms);
    Ok((ledger, Arc::new(SystemClock::not_before(floor)), journal))
}

fn gate_owners() -> Result<Vec<PrincipalId>, ComposeError> {
    let owner = |n| PrincipalId::new(&format!("gate-{n}")).map_err(|e| ComposeError::Other(e.to_string()));
    (1..=GATE_SLOTS).map(owner).collect()
}

fn owners(config: &Config, gates: &[PrincipalId]) -> Vec<PrincipalId> {
    let roles = config.roles.iter().map(|r| r.id.clone());
    gates.iter().cloned().chain(roles).collect()
}

fn raise_wall(
    state: &StateDir,
    binary: &Path,
    advisory: bool,
    name: &str,
    owners: Vec<PrincipalId>,
    uid_base: u32,
) -> Result<Wall, ComposeError> {
    let dir = state.sandbox();
    make_dir(&dir)?;
    if advisory {
        let sandbox = AdvisorySandbox::new(binary, &dir)?;
        return Ok(Wall { sandbox: Arc::new(sandbox), note: None, checks: Vec::new() });
    }
    let config = SandboxConfig { uid_base, ..SandboxConfig::new(binary.to_owned(), dir, name, owners) };
    let sandbox = BwrapSandbox::probe(config)?;
    let note = sandbox.note().map(str::to_owned);
    let checks = sandbox.self_test()?;
    let open: Vec<String> =
        checks.iter().filter(|c| !c.held).map(|c| format!("{} ({})", c.attack, c.detail)).collect();
    if !open.is_empty() {
        return Err(ComposeError::Hole(open.join("; ")));
    }
    Ok(Wall { sandbox: Arc::new(sandbox), note, checks })
}

async fn open_repository(
    start: &Start,
) -> Result<(Arc<dyn Vcs>, foureyes_ports::vcs::UserRepo), ComposeError> {
    let (dir, user) = (start.state.git(), start.user_repo.clone());
    blocking(move || -> Result<_, ComposeError> {
        make_dir(&dir)?;
        let git = foureyes_vcs::git::find_git()?;
        // The format of object ids is the user's, which is known only after a look.
        let seen = foureyes_vcs::git::look_at(&git, &dir, &user)?;
        let vcs = GitRepository::init_authoritative(&git, &dir, seen.object_format)?;
        let vcs: Arc<dyn Vcs> = Arc::new(vcs);
        Ok((vcs, seen))
    })
    .await?
}

fn target_branch(config: &Config, head: Option<&str>) -> Result<String, ComposeError> {
    let named = config.repository.target_branch.as_deref().or(head);
    let named = named.ok_or_else(|| ComposeError::Other("HEAD of the repository is detached: check out its main branch, or set `repository.target_branch`".to_owned()))?;
    Ok(named.strip_prefix("refs/heads/").unwrap_or(named).to_owned())
}

/// Where changes go: what the configuration says, else a branch where there is a remote.
/// Without a wall nothing is delivered but a branch.
fn deliver(config: &Config, target: &str, has_remote: bool, advisory: bool) -> DeliveryTarget {
    use foureyes_config::sections::delivery::Deliver;
    let main = DeliveryTarget::Main(format!("refs/heads/{target}"));
    let branch = DeliveryTarget::Branch(format!("refs/heads/foureyes/{target}"));
    match config.deliver {
        _ if advisory => branch,
        Some(Deliver::Main) => main,
        Some(Deliver::Branch) => branch,
        Some(Deliver::Push | Deliver::PullRequest) => DeliveryTarget::Push {
            remote: config.repository.remote.clone(),
            branch: format!("refs/heads/foureyes/{target}"),
        },
        None if has_remote => branch,
        None => main,
    }
}

/// Every role's key and the gate key, made at the first start. Returns those that are new.
fn ensure_keys(signer: &dyn Signer, config: &Config, now_ms: u64) -> Result<Vec<KeyEvent>, ComposeError> {
    let known: Vec<String> = signer.keys().iter().map(|k| k.fingerprint.to_string()).collect();
    let mut new = Vec::new();
    for owner in config.roles.iter().map(|r| r.id.clone()).chain([PrincipalId::system()]) {
        let key = signer.ensure_key(&owner, now_ms)?;
        if !known.contains(&key.fingerprint.to_string()) {
            let owner = if owner.is_system() { "gate".to_owned() } else { owner.to_string() };
            new.push(KeyEvent { owner, fingerprint: key.fingerprint.to_string(), event: "made".to_owned() });
        }
    }
    for due in signer.renew_due(now_ms) {
        let key = signer.renew(&due.principal, now_ms)?;
        new.push(KeyEvent {
            owner: due.principal.to_string(),
            fingerprint: key.fingerprint.to_string(),
            event: "renewed".to_owned(),
        });
    }
    Ok(new)
}

async fn gate_runner(
    start: &Start,
    wall: &Wall,
    spawner: &Spawner,
    entropy: Arc<dyn Entropy>,
) -> Arc<GateRunnerAdapter> {
    let limits = &start.config.gates.limits;
    let ceilings = Ceilings {
        memory_bytes: limits.memory.0,
        disk_bytes: start.config.sandbox.file_size.0.saturating_mul(4),
        every: std::time::Duration::from_secs(1),
    };
    let sandbox = Runner::new(wall.sandbox.clone(), spawner.clone(), Some(ceilings));
    let mut settings = GateSettings::new(start.state.gates(), wall.sandbox.tier());
    settings.rust_toolchain =
        start.config.gates.suite.toolchain.directories.iter().find(|d| d.join("bin/cargo").exists()).cloned();
    settings.python = start
        .config
        .gates
        .suite
        .toolchain
        .directories
        .iter()
        .map(|d| d.join("bin/python3"))
        .find(|p| p.exists());
    Arc::new(GateRunnerAdapter::new(Arc::new(sandbox), entropy, settings).await)
}

/// The secret of the draws, made at the first start and kept where no agent can read it.
fn draw_secret(state: &StateDir, entropy: &dyn Entropy) -> Result<[u8; 32], ComposeError> {
    let path = state.keys().join("draw.secret");
    if let Ok(bytes) = std::fs::read(&path) {
        return bytes.try_into().map_err(|_| {
            ComposeError::Other(format!("{} is damaged: restore it from a back-up", path.display()))
        });
    }
    let mut secret = [0; 32];
    entropy.fill(&mut secret);
    foureyes_ledger::write_private(&path, &secret)
        .map_err(|source| ComposeError::Io { what: path.display().to_string(), source })?;
    Ok(secret)
}

/// The first records of an epoch, before anybody else can write: which program, configuration and wall.
async fn first_record(context: &Context, keys: &[KeyEvent], source: &str) -> Result<(), ComposeError> {
    let facts = &context.facts;
    let epoch = EpochStarted {
        version: facts.version.clone(),
        policy: facts.policy,
        tier: facts.tier.clone(),
        roster: facts.roster.iter().map(|(id, _)| id.clone()).collect(),
    };
    let accepted = ConfigAccepted { policy: facts.policy, source: source.to_owned() };
    let known = recover::last_policy(&context.journal) == Some(facts.policy);
    let mut drafts = vec![Draft { priority: Priority::Low, ..Draft::new(Address::system(), epoch) }];
    if !known {
        drafts.push(Draft { priority: Priority::Low, ..Draft::new(Address::system(), accepted) });
    }
    drafts.extend(
        keys.iter().map(|k| Draft { priority: Priority::Low, ..Draft::new(Address::system(), k.clone()) }),
    );
    recover::append_first(context, drafts).await
}

/// Writes prompts out of the accepted configuration.
fn prompts(start: &Start, target: &str) -> Prompts {
    let prompts = RolePrompts::new(start.config.clone(), start.prompts.clone(), &start.name, target);
    Arc::new(move |role| prompts.prompt_for(role))
}

type Tools = (Vec<Bind>, Vec<(String, String)>);

fn start_core(
    start: &Start,
    context: Context,
    walls: (Arc<dyn Sandbox>, Spawner),
    outfit: Outfit,
    gate_owners: Vec<PrincipalId>,
) -> Result<(Core, Arc<CoreGovernance>), ComposeError> {
    let proxy = outfit.models.as_ref().map(|m| m.proxy.clone());
    let launcher = launcher::SandboxLauncher::new(start.state.clone(), context.clone(), walls, outfit);
    let settings = Settings {
        context,
        launcher: Arc::new(launcher.clone()),
        repository: start.name.clone(),
        gate_owners,
    };
    let policy: Digest = start.config.digest();
    let core = Core::start(settings)?;
    let governance = Arc::new(CoreGovernance::new(core.handle.clone()));
    let runtime = tokio::runtime::Handle::current();
    let handlers =
        Arc::new(channels::Channels::new(core.handle.clone(), runtime, proxy, launcher.terminals()));
    launcher.open(Gateway::new(governance.clone(), handlers, policy));
    Ok((core, governance))
}

//! The core: the supervision tree with all services and roles, on a thread of its own, and the handle
//! through which the rest of the process speaks to it. No actix type leaves this crate.

use crate::{
    context::Context,
    folded::FoldedFeatures,
    inbox,
    jobs::Slots,
    role::{Acknowledge, Control, GetSession, Launcher, Neighbours, ReadInbox, RoleActor},
    services::{
        gatekeeper::Gatekeeper,
        health::HealthMonitor,
        librarian::{Librarian, MayAct},
        limiter::{Limiter, Take, Uses},
        locks::{Acquire, CheckToken, LockManager, Release},
        projector::{ProgressSignal, Projector},
        registry::{CatchUp, Registry, Say, SayAll, SubmitSealed, Subscribe},
    },
    supervision::{
        ChildSpec, ChildStatus, CrashError, Hooks, Intensity, Shutdown, StartError, Strategy,
        SupervisionEvent, Supervisor, Watchdog, install_panic_hook,
    },
};
use actix::{Addr, MailboxError, Recipient};
use foureyes_config::sections::limits::RateKind;
use foureyes_policies::{features::Features, lock::Hold, rate};
use foureyes_ports::{
    backend::AgentSession,
    governance::{Draft, InboxItem, Receipt},
    view::View,
};
use foureyes_protocol::{Address, Code, MessageId, PrincipalId, Priority, Reason, Sealed, body::Health};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// How to start the core.
pub struct Settings {
    /// Ports, facts, journal.
    pub context: Context,
    /// Starts agent processes.
    pub launcher: Arc<dyn Launcher>,
    /// Name of the repository, for titles.
    pub repository: String,
    /// Names of the gate sandboxes: as many runs at once.
    pub gate_owners: Vec<PrincipalId>,
}

/// A command for the tree, which lives on its own thread.
enum TreeCommand {
    Crash(String, oneshot::Sender<Result<(), CrashError>>),
    Children(oneshot::Sender<Vec<ChildStatus>>),
    Shutdown(oneshot::Sender<Vec<String>>),
}

/// The way to the core. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct CoreHandle {
    context: Context,
    registry: Addr<Registry>,
    locks: Addr<LockManager>,
    librarian: Addr<Librarian>,
    limiter: Addr<Limiter>,
    roles: Arc<BTreeMap<PrincipalId, Addr<RoleActor>>>,
    features: Arc<FoldedFeatures>,
    view: watch::Receiver<Arc<View>>,
    tree: mpsc::UnboundedSender<TreeCommand>,
}

/// Why the core could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// A child could not be started.
    #[error("the supervision tree cannot be built: {0}")]
    Start(#[from] StartError),
    /// The thread could not be had.
    #[error("no thread for the core: {0}")]
    Thread(#[from] std::io::Error),
    /// The thread ended before it was ready.
    #[error("the core ended before it was ready")]
    Ended,
}

/// A running core; joining it waits for its end.
pub struct Core {
    /// The way to it.
    pub handle: CoreHandle,
    thread: std::thread::JoinHandle<()>,
    meltdown: watch::Receiver<bool>,
}

impl Core {
    /// Starts the core on a thread of its own and waits until every service answers.
    ///
    /// # Errors
    /// [`CoreError`].
    pub fn start(settings: Settings) -> Result<Self, CoreError> {
        install_panic_hook();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (melt, meltdown) = watch::channel(false);
        let thread = std::thread::Builder::new().name("core".to_owned()).spawn(move || {
            actix::System::new().block_on(live(settings, ready, melt));
        })?;
        let handle = is_ready.recv().map_err(|_| CoreError::Ended)??;
        Ok(Self { handle, thread, meltdown })
    }

    /// Ends when the tree has given up after too many failures; never before.
    pub async fn melted(&self) {
        let mut meltdown = self.meltdown.clone();
        if meltdown.wait_for(|melted| *melted).await.is_err() {
            // The tree was shut down in good order.
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the thread, after [`CoreHandle::shutdown`].
    pub fn join(self) {
        // A panic of the thread was logged by the hook; there is nothing left to stop.
        let _ = self.thread.join();
    }
}

type Ready = std::sync::mpsc::Sender<Result<CoreHandle, CoreError>>;

/// Starts the core on the thread that calls: for tests, whose clock is the thread's own.
///
/// # Errors
/// [`CoreError`].
#[cfg(test)]
pub(crate) fn start_here(settings: Settings) -> Result<CoreHandle, CoreError> {
    install_panic_hook();
    let (tree, commands) = mpsc::unbounded_channel();
    let (root, handle) = build(settings, tree, watch::channel(false).0)?;
    actix::spawn(serve(root, commands));
    Ok(handle)
}

/// The life of the core's thread.
async fn live(settings: Settings, ready: Ready, melt: watch::Sender<bool>) {
    let (tree_tx, tree_rx) = mpsc::unbounded_channel();
    let built = build(settings, tree_tx, melt);
    let watchdog =
        Watchdog::start("core", Duration::from_secs(5), |pulse| tracing::error!(?pulse, "the core's thread"));
    match built {
        Err(error) => drop(ready.send(Err(error))),
        Ok((root, handle)) => {
            if ready.send(Ok(handle)).is_ok() {
                serve(root, tree_rx).await;
            }
        }
    }
    drop(watchdog);
}

/// Serves commands about the tree until it is shut down.
async fn serve(root: Supervisor, mut commands: mpsc::UnboundedReceiver<TreeCommand>) {
    while let Some(command) = commands.recv().await {
        match command {
            TreeCommand::Crash(path, answer) => drop(answer.send(root.crash(&path, "a drill"))),
            TreeCommand::Children(answer) => drop(answer.send(root.children())),
            TreeCommand::Shutdown(answer) => {
                let report = root.shutdown().await;
                drop(answer.send(report.timed_out.iter().map(ToString::to_string).collect()));
                return;
            }
        }
    }
}

fn build(
    settings: Settings,
    tree: mpsc::UnboundedSender<TreeCommand>,
    melt: watch::Sender<bool>,
) -> Result<(Supervisor, CoreHandle), CoreError> {
    let Settings { context, launcher, repository, gate_owners } = settings;
    let (events, told) = mpsc::unbounded_channel();
    let limits = context.facts.config.supervision.clone();
    let root = root(&context, events, melt);
    let within =
        |i: &foureyes_config::sections::supervision::Intensity| Intensity::new(i.restarts, i.within.0);
    // Rest-for-one: each service depends on those before it.
    let services =
        root.supervisor(ChildSpec::supervisor("services"), Strategy::RestForOne, within(&limits.intensity))?;
    let roles =
        root.supervisor(ChildSpec::supervisor("roles"), Strategy::OneForOne, within(&limits.intensity))?;

    let c = context.clone();
    let limiter = services.start(ChildSpec::permanent("limiter"), |_| Limiter::new(c))?;
    let (c, l) = (context.clone(), limiter.clone());
    let registry = services.start(ChildSpec::permanent("registry"), |_| Registry::new(c, l))?;
    let (c, r) = (context.clone(), registry.clone());
    let locks = services.start(ChildSpec::permanent("locks"), |_| LockManager::new(c, r))?;
    let (c, r) = (context.clone(), registry.clone());
    let librarian = services.start(ChildSpec::permanent("librarian-service"), |_| Librarian::new(c, r))?;
    let (view_tx, view) = watch::channel(Arc::new(View::default()));
    let (c, name) = (context.clone(), repository);
    let projector =
        services.start(ChildSpec::permanent("projector"), |_| Projector::new(c, name, view_tx))?;
    let (progress, progress_rx) = mpsc::channel(256);
    let (c, r, slots) = (context.clone(), registry.clone(), Slots::new(gate_owners));
    let gatekeeper =
        services.start(ChildSpec::permanent("gatekeeper"), |_| Gatekeeper::new(c, r, slots, progress))?;
    let (c, t, r, k, p) = (context.clone(), root.clone(), registry.clone(), locks.clone(), projector.clone());
    services.start(ChildSpec::permanent("health"), |_| HealthMonitor::new(c, t, r, k, p))?;

    let features = Arc::new(FoldedFeatures::default());
    let neighbours = Neighbours {
        registry: registry.clone(),
        locks: locks.clone(),
        gatekeeper: gatekeeper.clone(),
        projector: projector.clone(),
        features: features.clone(),
    };
    let mut addresses = BTreeMap::new();
    let stop = Shutdown::TimeoutMs(limits.stop_timeout.0 + 10_000);
    for (id, _) in context.facts.roster.iter() {
        let (c, l, n, who) = (context.clone(), launcher.clone(), neighbours.clone(), id.clone());
        let addr = roles
            .start(ChildSpec::permanent(id.as_str()).shutdown(stop), |_| RoleActor::new(c, who, l, n))?;
        addresses.insert(id.clone(), addr);
    }
    let subscribers: Vec<Recipient<CatchUp>> =
        [librarian.clone().recipient(), projector.clone().recipient(), gatekeeper.recipient()]
            .into_iter()
            .chain(addresses.values().map(|a| a.clone().recipient()))
            .collect();
    subscribers.into_iter().for_each(|s| {
        // The registry has just been started: its mailbox takes these few.
        registry.try_send(Subscribe(s)).ok();
    });
    actix::spawn(tell_progress(progress_rx, projector));
    actix::spawn(tell_events(told, registry.clone()));
    let roles = Arc::new(addresses);
    let handle = CoreHandle { context, registry, locks, librarian, limiter, roles, features, view, tree };
    Ok((root, handle))
}

fn root(
    context: &Context,
    events: mpsc::UnboundedSender<SupervisionEvent>,
    melt: watch::Sender<bool>,
) -> Supervisor {
    let refs = context.refs.clone();
    let hooks = Hooks {
        on_event: Box::new(move |event| drop(events.send(event))),
        on_meltdown: Box::new(move || {
            // Without its services nothing may be approved any more.
            refs.stop();
            melt.send_replace(true);
        }),
        // Chance that need not be secret: it only keeps restarts apart.
        jitter: Box::new(rand::random::<f64>),
    };
    let limit = &context.facts.config.supervision.root;
    Supervisor::root("root", Strategy::OneForOne, Intensity::new(limit.restarts, limit.within.0), hooks)
}

async fn tell_progress(
    mut progress: mpsc::Receiver<(foureyes_protocol::FeatureId, String)>,
    projector: Addr<Projector>,
) {
    while let Some((feature, text)) = progress.recv().await {
        // A picture that misses a step of a progress bar is put right by the next.
        projector.try_send(ProgressSignal(feature, text)).ok();
    }
}

/// Deaths and restarts in the tree are records: a person must be able to look.
async fn tell_events(mut events: mpsc::UnboundedReceiver<SupervisionEvent>, registry: Addr<Registry>) {
    while let Some(event) = events.recv().await {
        tracing::debug!(?event, "supervision");
        let Some(health) = health(&event) else { continue };
        let draft = Draft { priority: Priority::Low, ..Draft::new(Address::system(), health) };
        if !matches!(registry.send(SayAll(vec![draft])).await, Ok(Ok(_))) {
            tracing::warn!(?event, "an event of supervision was not admitted");
        }
    }
}

fn health(event: &SupervisionEvent) -> Option<Health> {
    let make = |who: &dyn std::fmt::Display, state: &str, cause: String| {
        Some(Health { who: who.to_string(), state: state.to_owned(), cause })
    };
    match event {
        SupervisionEvent::ChildPanicked { child, reason, .. } => {
            make(child, "down", format!("panicked: {reason}"))
        }
        SupervisionEvent::ChildFailed { child, reason } => make(child, "down", reason.clone()),
        SupervisionEvent::ChildRestarted { child, attempt, delay_ms, .. } => {
            make(child, "up", format!("restarted (attempt {attempt}, after {delay_ms} ms)"))
        }
        SupervisionEvent::IntensityExceeded { supervisor, .. } => {
            make(supervisor, "degraded", "its children failed too often".to_owned())
        }
        SupervisionEvent::ShutdownTimedOut { .. } | SupervisionEvent::Meltdown { .. } => None,
        _ => None,
    }
}

fn restarting(what: &str) -> impl Fn(MailboxError) -> Reason + '_ {
    move |_| Reason::new(Code::Broken, format!("the {what} is restarting: try again"))
}

impl CoreHandle {
    /// The facts and ports.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Says something on behalf of an authenticated channel. Returns when it is durable.
    ///
    /// # Errors
    /// The rule that refuses.
    pub async fn say(&self, channel: &PrincipalId, draft: Draft) -> Result<Receipt, Reason> {
        self.registry.send(Say { channel: channel.clone(), draft }).await.map_err(restarting("registry"))?
    }

    /// Says something as the runtime itself, as one batch.
    ///
    /// # Errors
    /// The rule that refuses: while frozen, almost everything.
    pub async fn say_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, Reason> {
        self.registry.send(SayAll(drafts)).await.map_err(restarting("registry"))?
    }

    /// Submits bytes that claim to be a sealed envelope.
    ///
    /// # Errors
    /// The rule that refuses.
    pub async fn submit_sealed(&self, channel: &PrincipalId, sealed: Sealed) -> Result<Receipt, Reason> {
        self.registry
            .send(SubmitSealed { channel: channel.clone(), sealed })
            .await
            .map_err(restarting("registry"))?
    }

    /// The unacknowledged envelopes of a role, in the order of service.
    pub async fn inbox(&self, role: &PrincipalId, max: usize) -> Vec<InboxItem> {
        match self.roles.get(role) {
            Some(actor) => actor.send(ReadInbox(max)).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Acknowledges an envelope.
    ///
    /// # Errors
    /// When it was not sent to this role.
    pub async fn acknowledge(&self, role: &PrincipalId, message: MessageId) -> Result<(), Reason> {
        let unknown = || Reason::new(Code::Receiver, format!("there is no role {role}"));
        let actor = self.roles.get(role).ok_or_else(unknown)?;
        actor.send(Acknowledge(message)).await.map_err(restarting("role"))?
    }

    /// An envelope that was sent to this principal.
    pub fn received(&self, role: &PrincipalId, message: MessageId) -> Option<InboxItem> {
        let entry = self.context.journal.find(message)?;
        let to = &entry.record.envelope.to;
        let reached =
            *to == Address::One(role.clone()) || self.context.facts.roster.resolve(to).contains(role);
        reached.then(|| inbox::item(&entry))
    }

    /// Where features stand by all durable records. Folds only what came since it was last asked.
    pub fn features(&self) -> Arc<Features> {
        self.features.get(&self.context.journal)
    }

    /// The picture, now and as it changes.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Waits for the write lock of a scope.
    ///
    /// # Errors
    /// When the service is restarting, or everything is frozen.
    pub async fn lock(&self, scope: &str, who: &PrincipalId) -> Result<Hold, Reason> {
        let acquire = Acquire { scope: scope.to_owned(), who: who.clone(), priority: Priority::Normal };
        self.locks.send(acquire).await.map_err(restarting("lock manager"))?
    }

    /// Gives a lock back.
    pub async fn unlock(&self, scope: &str, token: u64, why: &str) {
        let release = Release { scope: scope.to_owned(), token, why: why.to_owned() };
        if let Ok(Err(reason)) = self.locks.send(release).await {
            tracing::debug!(%reason, "a lock was not held any more");
        }
    }

    /// Whether a token is in force.
    ///
    /// # Errors
    /// [`Code::LockStale`].
    pub async fn check_token(&self, scope: &str, who: &PrincipalId, token: u64) -> Result<(), Reason> {
        let check = CheckToken { scope: scope.to_owned(), who: who.clone(), token };
        self.locks.send(check).await.map_err(restarting("lock manager"))?
    }

    /// Whether a role may lock, sign or move a gate now.
    ///
    /// # Errors
    /// Frozen or quarantined.
    pub async fn may_act(&self, role: &PrincipalId) -> Result<(), Reason> {
        self.librarian.send(MayAct(role.clone())).await.map_err(restarting("librarian service"))?
    }

    /// Takes uses of a rate limit.
    ///
    /// # Errors
    /// [`Code::Rate`].
    pub async fn take(&self, who: &PrincipalId, kinds: Vec<RateKind>) -> Result<(), Reason> {
        self.limiter.send(Take { who: who.clone(), kinds }).await.map_err(restarting("rate limiter"))?
    }

    /// The limits of a principal with their use.
    pub async fn uses(&self, who: &PrincipalId) -> Vec<rate::Use> {
        self.limiter.send(Uses(who.clone())).await.unwrap_or_default()
    }

    /// The running session of a role.
    pub async fn session(&self, role: &PrincipalId) -> Option<Arc<dyn AgentSession>> {
        let handle = self.roles.get(role)?.send(GetSession).await.ok()??;
        Some(handle.0)
    }

    /// Restarts or stops a role's process; false for a role that does not exist.
    pub async fn control(&self, role: &PrincipalId, control: Control) -> bool {
        match self.roles.get(role) {
            Some(actor) => actor.send(control).await.is_ok(),
            None => false,
        }
    }

    /// Makes a supervised actor panic, for drills.
    ///
    /// # Errors
    /// A path that is not in the tree.
    pub async fn crash(&self, path: &str) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the core is stopping".to_owned();
        self.tree.send(TreeCommand::Crash(path.to_owned(), answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(|e| e.to_string())
    }

    /// The tree, in start order.
    pub async fn children(&self) -> Vec<ChildStatus> {
        let (answer, answered) = oneshot::channel();
        if self.tree.send(TreeCommand::Children(answer)).is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }

    /// Stops roles, then services, in reverse start order; names who had to be killed.
    pub async fn shutdown(&self) -> Vec<String> {
        let (answer, answered) = oneshot::channel();
        if self.tree.send(TreeCommand::Shutdown(answer)).is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }
}

const _: fn() = || {
    fn usable_from_any_thread<T: Send + Sync + 'static>() {}
    usable_from_any_thread::<CoreHandle>();
};

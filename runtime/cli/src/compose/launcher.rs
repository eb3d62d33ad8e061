//! Starting an agent: its directories, its clone, its one socket, its sandbox, its program.

use super::{
    Tools,
    conversation::{Conversation, Conversations},
    models::Models,
    program::{CLAUDE_DIR, Drive, Program, Wanted},
    questions,
};
use crate::state::StateDir;
use async_trait::async_trait;
use foureyes_actors::{
    context::Context,
    role::{Answered, Launcher, Order, Started},
};
use foureyes_config::sections::roster::{Backend, ClaudeMode};
use foureyes_gateway::Gateway;
use foureyes_ports::{
    backend::{AgentBackend, AgentStart, Ask, Grace, PromptId, Size, Transport},
    sandbox::{Limits, Purpose, Sandbox, SandboxSpec},
    vcs::CloneSpec,
};
use foureyes_protocol::{Family, MessageId, PrincipalId};
use foureyes_session::{
    agent::{
        LineProtocol, PipeBackend, PtyBackend, PtyOptions,
        acp::Acp,
        claude::Claude,
        claude_terminal::{self, ClaudeTerminalBackend, ClaudeTerminalOptions},
    },
    sandbox::{Ceilings, Spawner, watch as watch_use},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::{runtime::Handle, sync::watch};

/// How often it is looked at what an agent takes of the machine.
const LOOK_AT_USE: std::time::Duration = std::time::Duration::from_secs(5);

/// Starts agents in sandboxes. Clones are the same launcher.
#[derive(Clone)]
pub struct SandboxLauncher(Arc<Inner>);

/// Writes a role's prompt.
pub(super) type Prompts = Arc<dyn Fn(&PrincipalId) -> Result<String, String> + Send + Sync>;

/// What roles are started with.
pub(super) struct Outfit {
    /// Accepted plays: name and text.
    pub plays: BTreeMap<String, String>,
    /// Prompts.
    pub prompts: Prompts,
    /// The way to the model, where any role has one.
    pub models: Option<Models>,
    /// Toolchains for the families that may run tests.
    pub tools: Tools,
}

pub(super) struct Inner {
    pub(super) state: StateDir,
    pub(super) plays: BTreeMap<String, String>,
    pub(super) context: Context,
    pub(super) prompts: Prompts,
    pub(super) models: Option<Models>,
    pub(super) conversations: Conversations,
    /// The arguments by which the CLI takes the prompt of each start, once they are known.
    pub(super) prompt_args: OnceLock<Vec<String>>,
    sandbox: Arc<dyn Sandbox>,
    spawner: Spawner,
    scripted: PtyBackend,
    command: PtyBackend,
    terminal: ClaudeTerminalBackend,
    /// The gateway, once the core is there to stand behind it.
    gateway: watch::Sender<Option<Gateway>>,
    sockets: Mutex<HashMap<PrincipalId, tokio::task::JoinHandle<()>>>,
    runtime: Handle,
    tools: Tools,
}

impl SandboxLauncher {
    /// Lets agents in.
    pub(super) fn open(&self, gateway: Gateway) {
        self.0.gateway.send_replace(Some(gateway));
    }

    /// The terminals, to whom their programs' hooks are told.
    pub(super) fn terminals(&self) -> ClaudeTerminalBackend {
        self.0.terminal.clone()
    }

    /// A launcher; agents start when [`SandboxLauncher::open`] was called.
    pub(super) fn new(
        state: StateDir,
        context: Context,
        (sandbox, spawner): (Arc<dyn Sandbox>, Spawner),
        outfit: Outfit,
    ) -> Self {
        let scrollback = context.facts.config.agents.terminal.scrollback as usize;
        let scripted = PtyOptions { scrollback, ..PtyOptions::scripted() };
        let command = PtyOptions { scrollback, ..PtyOptions::command() };
        let roles = state.clone();
        let terminal = ClaudeTerminalBackend::new(
            spawner.clone(),
            ClaudeTerminalOptions { scrollback, waits_for_tools: true, ..ClaudeTerminalOptions::default() },
            move |role| roles.role_home(role).join(CLAUDE_DIR),
        );
        Self(Arc::new(Inner {
            terminal,
            conversations: Conversations::below(state.roles()),
            prompt_args: OnceLock::new(),
            state,
            plays: outfit.plays,
            prompts: outfit.prompts,
            models: outfit.models,
            tools: outfit.tools,
            context,
            sandbox,
            scripted: PtyBackend::new(spawner.clone(), scripted),
            command: PtyBackend::new(spawner.clone(), command),
            spawner,
            gateway: watch::channel(None).0,
            sockets: Mutex::default(),
            runtime: Handle::current(),
        }))
    }
}

impl Inner {
    async fn gateway(&self) -> Result<Gateway, String> {
        let mut gateway = self.gateway.subscribe();
        let open = gateway.wait_for(Option::is_some).await.map_err(|e| e.to_string())?;
        open.clone().ok_or_else(|| "the gateway is closed".to_owned())
    }

    fn spec(&self, role: &PrincipalId, order: Order) -> Result<(SandboxSpec, Program), String> {
        let config = &self.context.facts.config;
        let (home, work, sock) =
            (self.state.role_home(role), self.state.role_work(role), self.state.role_socket_dir(role));
        let dir = home.parent().map(Path::to_owned).unwrap_or_else(|| home.clone());
        let known = config.role(role).ok_or_else(|| format!("{role} is not configured"))?;
        let (family, backend) = (known.family, config.backend(known));
        let wanted = Wanted { role, family, backend, dir: &dir, anew: order.new_conversation };
        let program = self.program(&wanted)?;
        let (mut env, mut binds) = (program.env.clone(), program.binds.clone());
        if matches!(family, Family::Dev | Family::Qa) {
            binds.extend(self.tools.0.iter().cloned());
            env.splice(0..0, self.tools.1.iter().cloned().map(with_own_programs));
        }
        binds.extend(self.reading_bind(role));
        let agents = &config.agents;
        let spec = SandboxSpec {
            owner: role.clone(),
            purpose: Purpose::Agent,
            home,
            work,
            socket_dir: Some(sock),
            binds,
            env,
            argv: program.argv.clone(),
            cwd: PathBuf::from("/work"),
            limits: Limits {
                memory_bytes: agents.memory.0,
                processes: agents.processes,
                file_bytes: config.sandbox.file_size.0,
                open_files: config.sandbox.open_files,
                tmp_bytes: config.sandbox.tmp.0,
            },
            tty: program.transport == Transport::Pty,
            forward_port: program.forward_port,
        };
        Ok((spec, program))
    }

    /// The clone, made once; the role works in it ever after and the runtime never does.
    fn ensure_clone(&self, role: &PrincipalId, work: &Path) -> Result<(), String> {
        if work.join(".git").exists() {
            return Ok(());
        }
        let said = |e: &dyn std::fmt::Display| format!("the clone of {role}: {e}");
        let facts = &self.context.facts;
        let main = self.context.ports.vcs.ref_value(&facts.main_ref()).map_err(|e| said(&e))?;
        let start = main.ok_or_else(|| said(&"nothing was imported yet"))?;
        let key = self.context.ports.signer.keys().into_iter().find(|k| k.principal == *role);
        // Made aside and moved: a start that is cut off leaves no half clone.
        let aside = work.with_extension("new");
        if aside.exists() {
            std::fs::remove_dir_all(&aside).map_err(|e| said(&e))?;
        }
        let spec = CloneSpec {
            dir: aside.clone(),
            role: role.clone(),
            branch: facts.main_ref(),
            start,
            signing_key: key.map(|k| k.fingerprint.to_string()),
            borrow_at: None,
            config: Vec::new(),
        };
        self.context.ports.vcs.clone_for_agent(&spec).map_err(|e| said(&e))?;
        if work.exists() {
            std::fs::remove_dir_all(work).map_err(|e| said(&e))?;
        }
        std::fs::rename(&aside, work).map_err(|e| said(&e))
    }

    /// The role's one socket, served as long as the runtime lives.
    fn serve(&self, role: &PrincipalId, dir: &Path, gateway: Gateway) -> Result<(), String> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.contains_key(role) {
            return Ok(());
        }
        let _entered = self.runtime.enter();
        let listener = foureyes_gateway::server::bind(dir, None).map_err(|e| e.to_string())?;
        let socket = dir.join(foureyes_gateway::server::SOCKET_NAME);
        self.sandbox.hand_over_socket(role, &socket).map_err(|e| e.to_string())?;
        let id = role.clone();
        let served = self.runtime.spawn(async move { gateway.serve(listener, id).await });
        sockets.insert(role.clone(), served);
        Ok(())
    }

    pub(super) fn session_id(&self) -> uuid::Uuid {
        let mut random = [0; 10];
        self.context.ports.entropy.fill(&mut random);
        MessageId::from_parts(self.context.ports.clock.now_ms(), random).0
    }
}

/// The programs of the sandbox stay first on PATH: git finds its helpers there.
fn with_own_programs((name, value): (String, String)) -> (String, String) {
    match name.as_str() {
        "PATH" => (name, format!("/rt/bin:{value}")),
        _ => (name, value),
    }
}

#[async_trait]
impl Launcher for SandboxLauncher {
    async fn launch(&self, role: &PrincipalId, order: Order) -> Result<Started, String> {
        let inner = &self.0;
        let gateway = inner.gateway().await?;
        let (this, id) = (inner.clone(), role.clone());
        let prepared = tokio::task::spawn_blocking(move || -> Result<_, String> {
            let (spec, program) = this.spec(&id, order)?;
            this.ensure_clone(&id, &spec.work)?;
            this.refresh_reading(&id)?;
            this.sandbox.prepare(&spec).map_err(|e| e.to_string())?;
            if let Some(dir) = &spec.socket_dir {
                this.serve(&id, dir, gateway)?;
            }
            let launch = this.sandbox.launch(&spec).map_err(|e| e.to_string())?;
            Ok((spec, program, launch))
        });
        let (spec, program, launch) = prepared.await.map_err(|e| e.to_string())??;
        let terminal = &inner.context.facts.config.agents.terminal;
        let (conversation, resumed) = match &program.conversation {
            Some((conversation, resumed)) => (conversation.clone(), *resumed),
            None => (Conversation { id: inner.session_id(), ..Conversation::default() }, false),
        };
        let start = AgentStart {
            role: role.clone(),
            generation: order.generation,
            launch,
            size: Size::new(terminal.rows, terminal.columns),
            session: conversation.session(resumed),
            transport: program.transport,
        };
        let session = inner.back_end(program.drive).start(start).await.map_err(|e| e.to_string())?;
        let (sandbox, pid) = (inner.sandbox.clone(), session.pid());
        let finished = tokio::task::spawn_blocking(move || sandbox.finish(&spec, pid));
        match finished.await.map_err(|e| e.to_string())? {
            Ok(()) => Ok(Started { session, resumed }),
            Err(error) => {
                // Gone before the next one may start.
                session.stop(Grace::NONE).await;
                Err(error.to_string())
            }
        }
    }

    /// Programs that cost much wait until they are needed, unless the configuration says otherwise.
    fn lazy(&self, role: &PrincipalId) -> bool {
        let config = &self.0.context.facts.config;
        let backend = config.role(role).map(|r| config.backend(r));
        config.agents.lazy && !matches!(backend, Some(Backend::Scripted { .. } | Backend::Command { .. }))
    }

    async fn excess(&self, role: &PrincipalId, pid: u32) -> String {
        let agents = &self.0.context.facts.config.agents;
        let ceilings =
            Ceilings { memory_bytes: agents.total_memory.0, disk_bytes: agents.disk.0, every: LOOK_AT_USE };
        let dirs = vec![self.0.state.role_home(role), self.0.state.role_work(role)];
        watch_use(pid, dirs, ceilings).await.to_string()
    }

    fn has_model(&self, role: &PrincipalId) -> bool {
        let config = &self.0.context.facts.config;
        let backend = config.role(role).map(|r| config.backend(r));
        matches!(backend, Some(Backend::Claude { .. } | Backend::Acp { .. }))
    }

    async fn refresh(&self, role: &PrincipalId) {
        let (this, id) = (self.0.clone(), role.clone());
        let refreshed = tokio::task::spawn_blocking(move || this.refresh_reading(&id)).await;
        match refreshed {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::warn!(%role, %why, "what a role reads was not refreshed"),
            Err(error) => tracing::error!(%role, %error, "what a role reads was not refreshed"),
        }
    }

    async fn answer(&self, role: &PrincipalId, ask: &Ask) -> Answered {
        let facts = &self.0.context.facts;
        match (self.0.gateway().await, facts.roster.family(role)) {
            (Ok(gateway), Some(family)) => questions::answer(&gateway, role, family, &facts.paths, ask).await,
            _ => Answered::new("null"),
        }
    }

    async fn was_seen(&self, role: &PrincipalId, prompt: PromptId) -> Option<bool> {
        let (this, role) = (self.0.clone(), role.clone());
        let look = move || {
            let kept = this.conversations.get(role.as_str())?;
            let transcript = this.transcript(&role, &kept);
            if !transcript.exists() {
                return None;
            }
            let config = this.state.role_home(&role).join(CLAUDE_DIR);
            match this.in_terminal(&role) {
                true => Some(claude_terminal::was_seen(&config, Path::new("/work"), kept.id, prompt)),
                false => transcript.was_seen(prompt).ok(),
            }
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    fn conversed(&self, role: &PrincipalId, id: &str) {
        let kept = self.0.conversations.get(role.as_str()).unwrap_or_default();
        let now = Conversation { foreign: Some(id.to_owned()), ..kept };
        if let Err(error) = self.0.conversations.keep(role.as_str(), &now) {
            tracing::warn!(%role, %error, "a conversation's id was not kept");
        }
    }

    fn transcript_bytes(&self, role: &PrincipalId) -> Option<u64> {
        let kept = self.0.conversations.get(role.as_str())?;
        self.0.transcript(role, &kept).length()
    }
}

impl Inner {
    /// Whether a role's program shows its own screen.
    fn in_terminal(&self, role: &PrincipalId) -> bool {
        let config = &self.context.facts.config;
        let backend = config.role(role).map(|r| config.backend(r));
        matches!(backend, Some(Backend::Claude { mode: ClaudeMode::Terminal, .. }))
    }

    fn back_end(&self, drive: Drive) -> Box<dyn AgentBackend> {
        match drive {
            Drive::Scripted => Box::new(self.scripted.clone()),
            Drive::Command => Box::new(self.command.clone()),
            Drive::ClaudeTerminal => Box::new(self.terminal.clone()),
            Drive::Acp(order) => {
                let protocol =
                    move |_: &AgentStart| -> Box<dyn LineProtocol> { Box::new(Acp::new(order.clone())) };
                Box::new(PipeBackend::new(self.spawner.clone(), "acp", protocol))
            }
            Drive::Claude(order) => {
                let clock = self.context.ports.clock.clone();
                let protocol = move |_: &AgentStart| -> Box<dyn LineProtocol> {
                    Box::new(Claude::new(order.clone(), clock.clone()))
                };
                Box::new(PipeBackend::new(self.spawner.clone(), "claude", protocol))
            }
        }
    }
}

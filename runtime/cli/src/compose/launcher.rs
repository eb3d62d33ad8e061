//! Starting an agent: its directories, its clone, its one socket, its sandbox, its program.

use super::Tools;
use crate::state::StateDir;
use async_trait::async_trait;
use foureyes_actors::{context::Context, role::Launcher};
use foureyes_config::sections::roster::Backend;
use foureyes_gateway::Gateway;
use foureyes_ports::{
    backend::{AgentBackend, AgentSession, AgentStart, SessionRef, Size, Transport},
    sandbox::{Bind, Limits, Purpose, Sandbox, SandboxSpec},
    vcs::CloneSpec,
};
use foureyes_protocol::{Family, MessageId, PrincipalId};
use foureyes_session::{
    agent::{PtyBackend, PtyOptions},
    sandbox::Spawner,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{runtime::Handle, sync::watch};

/// Where a play is shown inside.
const PLAY_DIR: &str = "/play";
const PLAYER: &str = "/rt/bin/agents-play";

/// Starts agents in sandboxes. Clones are the same launcher.
#[derive(Clone)]
pub struct SandboxLauncher(Arc<Inner>);

struct Inner {
    state: StateDir,
    plays: BTreeMap<String, String>,
    context: Context,
    sandbox: Arc<dyn Sandbox>,
    scripted: PtyBackend,
    command: PtyBackend,
    /// The gateway, once the core is there to stand behind it.
    gateway: watch::Sender<Option<Gateway>>,
    sockets: Mutex<HashMap<PrincipalId, tokio::task::JoinHandle<()>>>,
    runtime: Handle,
    /// Toolchains for the families that may run tests.
    tools: Tools,
}

impl SandboxLauncher {
    /// Lets agents in.
    pub(super) fn open(&self, gateway: Gateway) {
        self.0.gateway.send_replace(Some(gateway));
    }

    /// A launcher; agents start when [`SandboxLauncher::open`] was called.
    pub(super) fn new(
        state: StateDir,
        plays: BTreeMap<String, String>,
        context: Context,
        (sandbox, spawner): (Arc<dyn Sandbox>, Spawner),
        tools: Tools,
    ) -> Self {
        let scrollback = context.facts.config.agents.terminal.scrollback as usize;
        let scripted = PtyOptions { scrollback, ..PtyOptions::scripted() };
        let command = PtyOptions { scrollback, ..PtyOptions::command() };
        Self(Arc::new(Inner {
            state,
            plays,
            context,
            sandbox,
            scripted: PtyBackend::new(spawner.clone(), scripted),
            command: PtyBackend::new(spawner, command),
            gateway: watch::channel(None).0,
            sockets: Mutex::default(),
            runtime: Handle::current(),
            tools,
        }))
    }
}

impl Inner {
    async fn gateway(&self) -> Result<Gateway, String> {
        let mut gateway = self.gateway.subscribe();
        let open = gateway.wait_for(Option::is_some).await.map_err(|e| e.to_string())?;
        open.clone().ok_or_else(|| "the gateway is closed".to_owned())
    }

    fn spec(&self, role: &PrincipalId) -> Result<SandboxSpec, String> {
        let config = &self.context.facts.config;
        let (home, work, sock) =
            (self.state.role_home(role), self.state.role_work(role), self.state.role_socket_dir(role));
        let dir = home.parent().map(Path::to_owned).unwrap_or_else(|| home.clone());
        let backend = config
            .role(role)
            .map(|r| config.backend(r))
            .ok_or_else(|| format!("{role} is not configured"))?;
        let (argv, mut env, mut binds) = self.program(role, backend, &dir)?;
        if matches!(self.context.facts.roster.family(role), Some(Family::Dev | Family::Qa)) {
            binds.extend(self.tools.0.iter().cloned());
            env.splice(0..0, self.tools.1.iter().cloned().map(with_own_programs));
        }
        let agents = &config.agents;
        Ok(SandboxSpec {
            owner: role.clone(),
            purpose: Purpose::Agent,
            home,
            work,
            socket_dir: Some(sock),
            binds,
            env,
            argv,
            cwd: PathBuf::from("/work"),
            limits: Limits {
                memory_bytes: agents.memory.0,
                processes: agents.processes,
                file_bytes: config.sandbox.file_size.0,
                open_files: config.sandbox.open_files,
                tmp_bytes: config.sandbox.tmp.0,
            },
            tty: true,
            forward_port: None,
        })
    }

    fn program(&self, role: &PrincipalId, backend: &Backend, dir: &Path) -> Result<Program, String> {
        let extra: Vec<Bind> = self
            .context
            .facts
            .config
            .sandbox
            .read_only
            .iter()
            .map(|p| Bind { host: p.clone(), inside: p.clone(), writable: false })
            .collect();
        let role_env = ("AGENTS_ROLE".to_owned(), role.to_string());
        match backend {
            Backend::Scripted { play } => {
                let host = dir.join("play");
                self.write_play(play, &host)?;
                let bind = Bind { host, inside: PathBuf::from(PLAY_DIR), writable: false };
                let argv = vec![PLAYER.to_owned(), format!("{PLAY_DIR}/play.yaml")];
                Ok((argv, vec![role_env], extra.into_iter().chain([bind]).collect()))
            }
            Backend::Command { argv, env } => {
                let env = env.iter().map(|(k, v)| (k.clone(), v.clone())).chain([role_env]).collect();
                Ok((argv.clone(), env, extra))
            }
            Backend::Claude { .. } | Backend::Acp { .. } => Err(format!(
                "the back end `{}` of {role} is not part of this version; set `backend: {{kind: scripted|command, …}}` for it",
                backend.kind()
            )),
        }
    }

    /// A play is one of the built-in ones, or a file of the accepted configuration's directory.
    fn write_play(&self, play: &str, dir: &Path) -> Result<(), String> {
        let text = match foureyes_config::builtin::play(play) {
            Some(text) => text.to_owned(),
            None => self.plays.get(play).cloned().ok_or_else(|| {
                format!("play {play} is neither built in nor accepted with the configuration: `agents trust`")
            })?,
        };
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(dir.join("play.yaml"), text))
            .map_err(|e| format!("{}: {e}", dir.display()))
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

    fn session_id(&self) -> uuid::Uuid {
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

type Program = (Vec<String>, Vec<(String, String)>, Vec<Bind>);

#[async_trait]
impl Launcher for SandboxLauncher {
    async fn launch(&self, role: &PrincipalId, generation: u64) -> Result<Box<dyn AgentSession>, String> {
        let inner = &self.0;
        let gateway = inner.gateway().await?;
        let this = inner.clone();
        let id = role.clone();
        let prepared = tokio::task::spawn_blocking(move || -> Result<_, String> {
            let spec = this.spec(&id)?;
            this.ensure_clone(&id, &spec.work)?;
            this.sandbox.prepare(&spec).map_err(|e| e.to_string())?;
            if let Some(dir) = &spec.socket_dir {
                this.serve(&id, dir, gateway)?;
            }
            let launch = this.sandbox.launch(&spec).map_err(|e| e.to_string())?;
            Ok((spec, launch))
        });
        let (spec, launch) = prepared.await.map_err(|e| e.to_string())??;
        let terminal = &inner.context.facts.config.agents.terminal;
        let start = AgentStart {
            role: role.clone(),
            generation,
            launch,
            size: Size::new(terminal.rows, terminal.columns),
            session: SessionRef { id: inner.session_id(), resume: generation > 1 },
            transport: Transport::Pty,
        };
        let scripted = spec.argv.first().is_some_and(|p| p == PLAYER);
        let backend = if scripted { &inner.scripted } else { &inner.command };
        let session = backend.start(start).await.map_err(|e| e.to_string())?;
        let (sandbox, pid) = (inner.sandbox.clone(), session.pid());
        let finished = tokio::task::spawn_blocking(move || sandbox.finish(&spec, pid));
        match finished.await.map_err(|e| e.to_string())? {
            Ok(()) => Ok(session),
            Err(error) => {
                session.kill(foureyes_ports::backend::ExitCause::Requested);
                Err(error.to_string())
            }
        }
    }

    fn lazy(&self, role: &PrincipalId) -> bool {
        let config = &self.0.context.facts.config;
        let backend = config.role(role).map(|r| config.backend(r));
        !matches!(backend, Some(Backend::Scripted { .. } | Backend::Command { .. }))
    }
}

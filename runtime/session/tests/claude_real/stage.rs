//! A sandbox, a stub and a CLI in it; and a runtime that answers the CLI's questions.

use crate::api::{Api, Reply};
use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, Ask, DeliverError, Prompt, PromptId,
        SessionRef, Size, Transport,
    },
    clock::Clock,
    sandbox::{Bind, Limits, Purpose, Sandbox, SandboxSpec},
};
use foureyes_protocol::{Family, PrincipalId};
use foureyes_session::{
    agent::{
        PipeBackend,
        claude::{Claude, ClaudeLaunch, ClaudeOrder, ClaudeVersion, Transcript, tools_of},
    },
    sandbox::{BwrapSandbox, SandboxConfig, Spawner, multicall, unreadable_copy},
};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use uuid::Uuid;

/// This test binary is the sandbox's multi-call binary too, see `wall.rs`.
#[used]
#[unsafe(link_section = ".init_array")]
static DISPATCH: extern "C" fn() = {
    extern "C" fn dispatch() {
        let mut args = std::env::args_os();
        let name = args.next().unwrap_or_default();
        let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let args: Vec<OsString> = args.collect();
        if let Some(code) = multicall::dispatch(&name, &args) {
            std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
        }
    }
    dispatch
};

/// Far more than any step takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 9999;

/// The CLI that the tests run.
///
/// # Panics
/// When it is not installed; the message says how to.
fn claude_binary() -> PathBuf {
    let path = match std::env::var_os("AGENTS_TEST_CLAUDE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/claude"),
    };
    assert!(path.is_file(), "no Claude Code CLI at {}: install it with `cargo xtask tools`", path.display());
    path.canonicalize().unwrap()
}

/// What the CLI says of its version.
pub fn version() -> ClaudeVersion {
    let output =
        Command::new(claude_binary()).arg("--version").env_clear().env("HOME", "/nonexistent").output();
    ClaudeVersion::parse(&String::from_utf8_lossy(&output.unwrap().stdout)).expect("a version")
}

/// The parts that all stages share, so that 380 MB are copied once.
fn shared() -> &'static (BwrapSandbox, PathBuf, Spawner) {
    static SHARED: OnceLock<(BwrapSandbox, PathBuf, Spawner)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("claude_real");
        let binary = std::env::current_exe().unwrap();
        let name = dir.display().to_string();
        let config = SandboxConfig::new(binary, dir.join("state"), &name, vec![role()]);
        let copy = unreadable_copy(&claude_binary(), &dir.join("cli")).unwrap();
        (BwrapSandbox::probe(config).unwrap(), copy, Spawner::new().unwrap())
    })
}

fn role() -> PrincipalId {
    PrincipalId::new("dev-a").unwrap()
}

pub fn id(n: u128) -> PromptId {
    PromptId(Uuid::from_u128(0x4000_8000_0000_0000_0000 + n))
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

struct Wall;

impl Clock for Wall {
    fn now_ms(&self) -> u64 {
        now_ms()
    }
}

pub struct Stage {
    dir: TempDir,
    session: Uuid,
    pub api: Api,
}

impl Stage {
    pub async fn new(n: u128) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stage = Self {
            session: Uuid::from_u128(0x4000_8000_0000_0000_ff00 + n),
            api: {
                let (sandbox, ..) = shared();
                sandbox.prepare(&spec(dir.path(), vec![], vec!["/opt/claude/claude".to_owned()])).unwrap();
                let socket = dir.path().join("sock/rt.sock");
                let api = Api::listen(&socket);
                sandbox.hand_over_socket(&role(), &socket).unwrap();
                api
            },
            dir,
        };
        std::fs::write(stage.dir.path().join("role.md"), "the prompt of the role").unwrap();
        stage
    }

    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub fn transcript(&self) -> Transcript {
        Transcript::new(&self.dir.path().join("home"), ".claude", "/work", self.session)
    }

    /// The model says these messages one after the other, anew for each prompt.
    pub fn plays(&self, steps: Vec<Vec<Value>>) {
        self.api.play(move |request| {
            let messages = request["messages"].as_array().unwrap();
            let is_prompt = |m: &Value| {
                let results = m["content"].as_array().into_iter().flatten();
                m["role"] == "user" && !results.into_iter().any(|b| b["type"] == "tool_result")
            };
            let from = messages.iter().rposition(is_prompt).unwrap_or_default();
            let said = messages[from..].iter().filter(|m| m["role"] == "assistant").count();
            Reply::Message(steps[said.min(steps.len() - 1)].clone())
        });
    }

    pub fn launch(&self, family: Family, resume: bool) -> ClaudeLaunch {
        ClaudeLaunch {
            program: "/opt/claude/claude".into(),
            model: Some("sonnet".into()),
            session: SessionRef { id: self.session, resume },
            prompt_file: Some("/opt/claude/role.md".into()),
            tools: tools_of(family).iter().map(|tool| (*tool).to_owned()).collect(),
            extra_args: vec![],
            max_retries: 1,
        }
    }

    pub async fn start(&self, launch: &ClaudeLaunch) -> Agent {
        self.start_as(launch, launch.order()).await
    }

    pub async fn start_as(&self, launch: &ClaudeLaunch, order: ClaudeOrder) -> Agent {
        let (sandbox, cli, spawner) = shared();
        let url = format!("http://127.0.0.1:{PORT}/a/dev-a");
        let env = launch.environment(&url, "a-token", "/home/agent/.claude");
        let mut spec = spec(self.dir.path(), env, launch.argv());
        let bind =
            |host: &Path, inside: &str| Bind { host: host.into(), inside: inside.into(), writable: false };
        spec.binds = vec![
            bind(cli, "/opt/claude/claude"),
            bind(&self.dir.path().join("role.md"), "/opt/claude/role.md"),
        ];
        sandbox.prepare(&spec).unwrap();
        let backend = PipeBackend::new(spawner.clone(), "claude", move |_| {
            Box::new(Claude::new(order.clone(), Arc::new(Wall)))
        });
        let start = AgentStart {
            role: role(),
            generation: 1,
            launch: sandbox.launch(&spec).unwrap(),
            size: Size::new(60, 160),
            session: launch.session,
            transport: Transport::Pipes,
        };
        let session = backend.start(start).await.unwrap();
        sandbox.finish(&spec, session.pid()).unwrap();
        let events = session.events().unwrap();
        Agent { session, events, log: vec![], calls: vec![], forbid: None, babble: false }
    }
}

fn spec(dir: &Path, env: Vec<(String, String)>, argv: Vec<String>) -> SandboxSpec {
    SandboxSpec {
        owner: role(),
        purpose: Purpose::Agent,
        home: dir.join("home"),
        work: dir.join("work"),
        socket_dir: Some(dir.join("sock")),
        binds: vec![],
        env,
        argv,
        cwd: "/work".into(),
        limits: Limits {
            memory_bytes: 4 << 30,
            processes: 512,
            file_bytes: 1 << 30,
            open_files: 4096,
            tmp_bytes: 256 << 20,
        },
        tty: false,
        forward_port: Some(PORT),
    }
}

/// A started CLI, with what it told so far.
pub struct Agent {
    pub session: Box<dyn AgentSession>,
    events: AgentEvents,
    pub log: Vec<AgentEvent>,
    /// Tools of the server that were called.
    pub calls: Vec<String>,
    /// Why no tool may run.
    pub forbid: Option<String>,
    /// Whether hooks are answered by what is no answer.
    pub babble: bool,
}

impl Agent {
    pub async fn deliver(&self, n: u128, text: &str, urgent: bool) -> Result<(), DeliverError> {
        self.session.deliver(Prompt { id: id(n), text: text.into(), urgent }).await.map(drop)
    }

    /// Serves until an event comes that was not told before.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&AgentEvent) -> bool) -> AgentEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let next = tokio::time::timeout_at(deadline.into(), self.events.next()).await;
            let Ok(Some(event)) = next else {
                panic!("{what}; {next:?}; it showed:\n{}\n{:#?}", self.session.transcript(60), self.log);
            };
            if self.take(&event).await && wanted(&event) {
                return event;
            }
        }
    }

    /// Serves for a while.
    pub async fn serve_for(&mut self, while_: Duration) {
        if let Ok(Some(event)) = tokio::time::timeout(while_, self.events.next()).await {
            self.take(&event).await;
        }
    }

    /// True when the event is one to look at.
    async fn take(&mut self, event: &AgentEvent) -> bool {
        match event {
            AgentEvent::Screen => return false,
            AgentEvent::Asked(ask) => {
                let answer = self.answer(ask);
                self.session.answer(&ask.id, &answer).await.unwrap();
            }
            other => assert!(!matches!(other, AgentEvent::Protocol(_)), "{other:?}"),
        }
        self.log.push(event.clone());
        true
    }

    fn answer(&mut self, ask: &Ask) -> String {
        let payload: Value = serde_json::from_str(&ask.payload).unwrap();
        if ask.kind == "mcp_message" {
            return self.serve_tools(&payload["message"]).to_string();
        }
        assert_eq!(ask.kind, "hook_callback");
        match (&self.forbid, payload["callback_id"] == "PreToolUse") {
            (_, true) if self.babble => "of course".to_owned(),
            (Some(why), true) => json!({ "hookSpecificOutput": { "hookEventName": "PreToolUse",
                "permissionDecision": "deny", "permissionDecisionReason": why } })
            .to_string(),
            _ => "{}".to_owned(),
        }
    }

    fn serve_tools(&mut self, message: &Value) -> Value {
        let result = match message["method"].as_str().unwrap() {
            "initialize" => json!({ "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} }, "serverInfo": { "name": "rt", "version": "1" } }),
            "tools/list" => json!({ "tools": [{ "name": "send", "description": "sends a message",
                "inputSchema": { "type": "object", "properties": { "to": { "type": "string" } } } }] }),
            "tools/call" => {
                self.calls.push(message["params"]["name"].as_str().unwrap().to_owned());
                json!({ "content": [{ "type": "text", "text": "sent" }] })
            }
            _ => return Value::Null,
        };
        json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })
    }
}

/// Whether a process with this in its command line runs.
pub fn running(mark: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.starts_with(mark))
}

pub async fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

//! A real agent that speaks the Agent Client Protocol, opencode, in its sandbox, as
//! `config/examples/opencode.yaml` starts it. Its model and the runtime's server are played here; there
//! is no network. Fails where bubblewrap or the agent is missing.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

#[path = "acp/model.rs"]
mod model;
#[path = "acp/server.rs"]
mod server;

use foureyes_config::{Config, sections::roster::Backend};
use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, AgentState, Ask, ExitCause, Grace,
        Prompt, PromptId, SessionRef, Size, Transport, TurnEnd, TurnReport,
    },
    model::ModelTrouble,
    sandbox::{Bind, Limits, Purpose, Sandbox, SandboxSpec},
};
use foureyes_protocol::PrincipalId;
use foureyes_session::{
    agent::{
        PipeBackend,
        acp::{Acp, AcpOrder, REQUEST_PERMISSION},
    },
    sandbox::{BwrapSandbox, SandboxConfig, Spawner, multicall, unreadable_copy},
};
use model::Model;
use serde_json::Value;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// This test binary is the sandbox's multi-call binary too, see `wall.rs`; it also plays `agents-mcp`.
#[used]
#[unsafe(link_section = ".init_array")]
static DISPATCH: extern "C" fn() = {
    extern "C" fn dispatch() {
        let mut args = std::env::args_os();
        let name = args.next().unwrap_or_default();
        let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let args: Vec<OsString> = args.collect();
        if name == "agents-mcp" {
            server::main();
            std::process::exit(0);
        }
        if let Some(code) = multicall::dispatch(&name, &args) {
            std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
        }
    }
    dispatch
};

/// An agent starts in seconds, on a machine with much else to do in many more.
const PATIENCE: Duration = Duration::from_secs(180);
const TOKEN: &str = "good-for-the-proxy-alone";

fn role() -> PrincipalId {
    PrincipalId::new("dev-a").unwrap()
}

/// The agent's program on this machine.
fn program() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/opencode");
    let path = std::env::var_os("AGENTS_TEST_OPENCODE").map_or(tools, PathBuf::from);
    path.canonicalize().unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask tools`", path.display()))
}

fn example() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples/opencode.yaml");
    foureyes_config::load(&std::fs::read_to_string(path).unwrap(), "opencode.yaml").unwrap()
}

struct World {
    dir: tempfile::TempDir,
    sandbox: BwrapSandbox,
    spec: SandboxSpec,
    spawner: Spawner,
    model: Model,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().display().to_string();
        let binary = std::env::current_exe().unwrap();
        let state = dir.path().join("state");
        let sandbox = BwrapSandbox::probe(SandboxConfig::new(binary, state, &name, vec![role()])).unwrap();
        let spec = spec(dir.path());
        sandbox.prepare(&spec).unwrap();
        let socket = dir.path().join("sock/rt.sock");
        let model = Model::listen(&socket);
        sandbox.hand_over_socket(&spec.owner, &socket).unwrap();
        Self { sandbox, spec, spawner: Spawner::new().unwrap(), model, dir }
    }

    async fn start(&self, resume: Option<String>) -> Agent {
        let order = AcpOrder { instructions: "You are dev-a.".into(), model: None, resume };
        let backend =
            PipeBackend::new(self.spawner.clone(), "acp", move |_| Box::new(Acp::new(order.clone())));
        let start = AgentStart {
            role: role(),
            generation: 1,
            launch: self.sandbox.launch(&self.spec).unwrap(),
            size: Size::new(40, 120),
            session: SessionRef { id: Uuid::nil(), resume: false },
            transport: Transport::Pipes,
        };
        let session = backend.start(start).await.unwrap();
        let events = session.events().unwrap();
        let mut agent = Agent { session, events, heard: vec![], asked: vec![], allow: true, prompts: 0 };
        agent.until("it is ready", |event| *event == AgentEvent::State(AgentState::Idle)).await;
        agent
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join("work").join(name)).ok()
    }
}

/// The sandbox as the example orders it, with the agent's program where the example expects it. The copy
/// cannot be read: no tool of the agent can then write into its pipe (and answer its questions).
fn spec(dir: &Path) -> SandboxSpec {
    let config = example();
    let Backend::Acp { argv, env, .. } = config.agents.backend.clone() else {
        panic!("it is of another kind")
    };
    let mut env: Vec<(String, String)> = env.into_iter().collect();
    env.push(("ANTHROPIC_BASE_URL".into(), "http://127.0.0.1:9999/a/dev-a".into()));
    env.push(("ANTHROPIC_API_KEY".into(), TOKEN.into()));
    SandboxSpec {
        owner: role(),
        purpose: Purpose::Agent,
        home: dir.join("home"),
        work: dir.join("work"),
        socket_dir: Some(dir.join("sock")),
        binds: vec![Bind {
            host: unreadable_copy(&program(), &dir.join("tools")).unwrap(),
            inside: PathBuf::from(&argv[0]),
            writable: false,
        }],
        env,
        argv,
        cwd: "/work".into(),
        limits: Limits {
            memory_bytes: config.agents.memory.0,
            processes: config.agents.processes,
            file_bytes: config.sandbox.file_size.0,
            open_files: config.sandbox.open_files,
            tmp_bytes: config.sandbox.tmp.0,
        },
        tty: false,
        forward_port: Some(9999),
    }
}

struct Agent {
    session: Box<dyn AgentSession>,
    events: AgentEvents,
    heard: Vec<AgentEvent>,
    asked: Vec<Ask>,
    /// How its questions are answered.
    allow: bool,
    prompts: u128,
}

impl Agent {
    async fn until(&mut self, what: &str, wanted: impl Fn(&AgentEvent) -> bool) -> AgentEvent {
        let wait = async {
            loop {
                let event = self.events.next().await.expect("the session lives");
                if let AgentEvent::Asked(ask) = &event {
                    let answer = format!("{{\"allow\":{}}}", self.allow);
                    self.session.answer(&ask.id, &answer).await.unwrap();
                    self.asked.push(ask.clone());
                }
                if event != AgentEvent::Screen {
                    self.heard.push(event.clone());
                }
                if wanted(&event) {
                    return event;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(event) => event,
            Err(_) => panic!("{what}; heard {:#?}\n{}", self.heard, self.session.transcript(200)),
        }
    }

    async fn shows(&mut self, text: &str) {
        let mut changes = self.session.screen_changes();
        let shown = async {
            while !self.session.transcript(500).contains(text) {
                changes.changed().await.unwrap();
            }
        };
        let done = tokio::time::timeout(PATIENCE, shown).await;
        assert!(done.is_ok(), "no {text:?}:\n{}", self.session.transcript(500));
    }

    async fn prompt(&mut self, text: &str) -> PromptId {
        self.prompts += 1;
        let id = PromptId(Uuid::from_u128(self.prompts));
        (self.heard, self.asked) = (vec![], vec![]);
        self.session.deliver(Prompt { id, text: text.into(), urgent: false }).await.unwrap();
        id
    }

    async fn ended(&mut self) -> TurnReport {
        let event = self.until("the turn ends", |event| matches!(event, AgentEvent::TurnEnded(_))).await;
        self.until("it waits again", |event| *event == AgentEvent::State(AgentState::Idle)).await;
        let AgentEvent::TurnEnded(report) = event else { unreachable!("it was looked for") };
        report
    }

    /// A turn that the model sees to its end.
    async fn turn(&mut self, text: &str) {
        let id = self.prompt(text).await;
        let report = self.ended().await;
        assert_eq!(
            (report.prompt, &report.end),
            (Some(id), &TurnEnd::Done),
            "{}",
            self.session.transcript(200)
        );
        assert!(self.heard.contains(&AgentEvent::Seen(id)), "{:#?}", self.heard);
    }

    /// The names of the tools that began and ended in the last turn.
    fn tools(&self, began: bool) -> Vec<&str> {
        let of = |event| match event {
            &AgentEvent::Tool { ref name, running, .. } if running == began => Some(name.as_str()),
            _ => None,
        };
        self.heard.iter().filter_map(of).collect()
    }
}

/// One after the other, for the reason that `agent_in_wall.rs` tells.
#[tokio::test]
async fn opencode_works_in_its_sandbox() {
    it_does_what_it_may().await;
    killed_it_takes_its_conversation_up_again().await;
}

async fn it_does_what_it_may() {
    let world = World::new();
    let mut agent = world.start(None).await;
    it_writes_when_it_may(&world, &mut agent).await;
    it_uses_its_shell_and_the_runtimes_server(&world, &mut agent).await;
    what_is_refused_does_not_happen(&world, &mut agent).await;
    an_interrupt_ends_the_turn_in_flight(&world, &mut agent).await;
    its_models_trouble_is_typed(&mut agent).await;
}

async fn it_writes_when_it_may(world: &World, agent: &mut Agent) {
    agent.turn("WRITE hello.txt").await;
    assert_eq!(world.file("hello.txt").as_deref(), Some("hello\n"));
    assert_eq!((agent.tools(true), agent.tools(false)), (vec!["write"], vec!["write"]));
    let [ask] = &agent.asked[..] else { panic!("it asks once: {:?}", agent.asked) };
    assert_eq!(ask.kind, REQUEST_PERMISSION);
    let payload: Value = serde_json::from_str(&ask.payload).unwrap();
    assert_eq!((&payload["tool"], &payload["toolCall"]["kind"]), (&"write".into(), &"edit".into()));
    assert_eq!(payload["toolCall"]["locations"][0]["path"], "/work/hello.txt");
    agent.shows("━━ turn 1 ━ WRITE hello.txt").await;
    agent.shows("● write  hello.txt").await;
    let asked = world.model.asked();
    assert!(asked.iter().all(|asked| asked.path == "/a/dev-a/v1/messages" && asked.key == TOKEN));
    assert_eq!(asked.len(), 2, "a prompt and a result, and nothing on its own account");
    assert!(asked[0].body["messages"].to_string().contains("You are dev-a."), "the first prompt instructs");
}

async fn it_uses_its_shell_and_the_runtimes_server(world: &World, agent: &mut Agent) {
    agent.turn("SHELL echo by the shell > shell.txt").await;
    assert_eq!(world.file("shell.txt").as_deref(), Some("by the shell\n"));
    assert!(agent.asked[0].payload.contains("echo by the shell"), "{:?}", agent.asked);
    agent.turn("INBOX").await;
    assert_eq!(agent.tools(true), ["rt_inbox"]);
    let result = world.model.asked().last().unwrap().body["messages"].to_string();
    assert!(result.contains("nothing waits for you"), "{result}");
}

async fn what_is_refused_does_not_happen(world: &World, agent: &mut Agent) {
    agent.allow = false;
    for order in ["WRITE refused.txt", "SHELL touch refused.txt"] {
        agent.turn(order).await;
        assert_eq!(agent.asked.len(), 1, "{order}");
        assert_eq!(world.file("refused.txt"), None, "{order}");
        let told = world.model.asked().last().unwrap().body["messages"].to_string();
        assert!(told.contains("rejected permission"), "the model hears of it: {told}");
    }
    agent.shows("✗").await;
    let text = agent.session.transcript(500);
    assert!(
        !text.contains("$bunfs") && !text.contains("Method not found"),
        "its stacks are not shown:\n{text}"
    );
    agent.allow = true;
}

async fn an_interrupt_ends_the_turn_in_flight(world: &World, agent: &mut Agent) {
    agent.prompt("WAIT").await;
    agent.shows("tick").await;
    agent.session.interrupt().await.unwrap();
    assert_eq!(agent.ended().await.end, TurnEnd::Interrupted);
    let left = async {
        while world.model.left() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.expect("the model is left alone");
    agent.turn("Hello again").await;
}

async fn its_models_trouble_is_typed(agent: &mut Agent) {
    agent.prompt("FAIL 401").await;
    let end = agent.ended().await.end;
    assert!(matches!(&end, TurnEnd::Failed(ModelTrouble::Auth(_))), "{end:?}");
    agent.turn("Hello again").await;
}

async fn killed_it_takes_its_conversation_up_again() {
    let world = World::new();
    let mut agent = world.start(None).await;
    agent.turn("WRITE first.txt").await;
    let kept = agent.heard.iter().find_map(|event| match event {
        AgentEvent::Conversation(id) => Some(id.clone()),
        _ => None,
    });
    let kept = kept.expect("the conversation has a name");
    agent.prompt("SHELL sleep 600").await;
    agent.until("the command runs", |event| matches!(event, AgentEvent::Tool { running: true, .. })).await;
    agent.session.kill(ExitCause::Hung);
    agent.until("it is gone", |event| *event == AgentEvent::Exited(ExitCause::Hung)).await;

    let mut agent = world.start(Some(kept)).await;
    assert!(!agent.heard.iter().any(|event| matches!(event, AgentEvent::Forgot(_))), "{:?}", agent.heard);
    agent.turn("Go on").await;
    let messages = world.model.asked().last().unwrap().body["messages"].to_string();
    assert!(messages.contains("WRITE first.txt"), "the model knows what was: {messages}");
    assert_eq!(messages.matches("You are dev-a.").count(), 1, "it was instructed once");
    let grace = Grace { quit: PATIENCE, term: PATIENCE };
    assert_eq!(agent.session.stop(grace).await, ExitCause::Requested, "it leaves when its input ends");

    let mut agent = world.start(Some("ses_of_somebody_else".into())).await;
    assert!(agent.heard.iter().any(|event| matches!(event, AgentEvent::Forgot(_))), "{:?}", agent.heard);
    agent.turn("Begin").await;
    let messages = world.model.asked().last().unwrap().body["messages"].to_string();
    assert!(messages.contains("You are dev-a.") && !messages.contains("WRITE first.txt"), "{messages}");
}

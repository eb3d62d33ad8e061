//! The real Claude Code in its terminal, in its sandbox, against a Messages API of the test: no
//! dialog stops it, prompts arrive once and whole, and nothing is typed where it does not belong.
//! Fails where bubblewrap or the program is missing.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

mod stub;

use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, AgentState, DeliverError, ExitCause,
        Grace, Prompt, PromptId, Size, Transport, TurnEnd,
    },
    hook,
    sandbox::{Bind, Limits, Purpose, Sandbox, SandboxSpec},
};
use foureyes_protocol::PrincipalId;
use foureyes_session::{
    agent::claude_terminal::{
        ClaudeTerminalBackend, ClaudeTerminalOptions, TerminalPlan, configure, was_seen,
    },
    sandbox::{BwrapSandbox, SandboxConfig, Spawner, multicall},
};
use std::{
    ffi::OsString,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
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
        match name.as_str() {
            "agents-hook" => std::process::exit(if carry_hook(&args).is_some() { 0 } else { 2 }),
            "agents-mcp" => std::process::exit(1),
            _ => {}
        }
    }
    dispatch
};

/// Stands in for the real `agents-hook`, which is tested where it lives.
fn carry_hook(args: &[OsString]) -> Option<()> {
    let mut stream = UnixStream::connect("/run/rt/rt.sock").ok()?;
    let (mut told, mut answer) = (String::new(), String::new());
    std::io::stdin().read_to_string(&mut told).ok()?;
    write!(stream, "HOOK1 {}\n{told}", args.first()?.to_str()?).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    stream.read_to_string(&mut answer).ok()?;
    std::io::stdout().write_all(answer.as_bytes()).ok()
}

const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "a-token-that-is-good-for-nothing-else";
const PORT: u16 = 9999;

fn role() -> PrincipalId {
    PrincipalId::new("dev-a").unwrap()
}

/// The program under test: where the environment says, else where the chore installs it.
fn claude() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = std::env::var_os("AGENTS_TEST_CLAUDE").map(PathBuf::from);
    let path = path.unwrap_or_else(|| root.join("target/tools/claude"));
    path.canonicalize()
        .unwrap_or_else(|e| panic!("{}: {e}; install it by `cargo xtask tools`", path.display()))
}

/// A role's place on the host, with the runtime's side of its socket.
struct Bed {
    dir: tempfile::TempDir,
    sandbox: BwrapSandbox,
    backend: ClaudeTerminalBackend,
    seen: Arc<Mutex<stub::Seen>>,
    denied: Arc<Mutex<Option<String>>>,
}

impl Bed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().display().to_string();
        let binary = std::env::current_exe().unwrap();
        let config = SandboxConfig::new(binary, dir.path().join("state"), &name, vec![role()]);
        let sandbox = BwrapSandbox::probe(config).unwrap();
        let home = dir.path().join("home");
        let backend = ClaudeTerminalBackend::new(
            Spawner::new().unwrap(),
            ClaudeTerminalOptions::default(),
            move |_| home.join(".claude"),
        );
        let socket = dir.path().join("sock/rt.sock");
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let denied: Arc<Mutex<Option<String>>> = Arc::default();
        let (told, rule) = (backend.clone(), denied.clone());
        let seen = stub::serve(
            listener,
            Box::new(move |event, payload| {
                told.hook(&role(), event, payload);
                match rule.lock().unwrap().as_deref() {
                    Some(reason) if event == "PreToolUse" => hook::deny(event, reason),
                    _ => hook::pass(),
                }
            }),
        );
        let bed = Self { dir, sandbox, backend, seen, denied };
        bed.sandbox.prepare(&bed.spec(vec![], vec!["/bin/true".to_owned()])).unwrap();
        bed.sandbox.hand_over_socket(&role(), &socket).unwrap();
        bed
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("home/.claude")
    }

    fn spec(&self, env: Vec<(String, String)>, argv: Vec<String>) -> SandboxSpec {
        SandboxSpec {
            owner: role(),
            purpose: Purpose::Agent,
            home: self.dir.path().join("home"),
            work: self.dir.path().join("work"),
            socket_dir: Some(self.dir.path().join("sock")),
            binds: vec![Bind { host: claude(), inside: "/opt/claude".into(), writable: false }],
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
            tty: true,
            forward_port: Some(PORT),
        }
    }

    fn plan(&self, session: Uuid, args: &[&str]) -> TerminalPlan {
        TerminalPlan {
            program: "/opt/claude".into(),
            config_dir: "/home/agent/.claude".into(),
            work: "/work".into(),
            name: "dev-a".into(),
            session,
            base_url: format!("http://127.0.0.1:{PORT}/a/dev-a"),
            token: TOKEN.into(),
            model: None,
            tools: ["Bash", "Read", "Edit", "Write", "Grep", "Glob"].map(str::to_owned).to_vec(),
            allow: vec!["Bash(echo:*)".into()],
            prompt_file: None,
            walled: true,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        }
    }

    /// Starts the program and waits until it is idle.
    async fn start(&self, session: Uuid, args: &[&str]) -> Life {
        let configured = configure(&self.plan(session, args), &self.config()).unwrap();
        let reference = configured.session(session);
        let spec = self.spec(configured.env, configured.argv);
        self.sandbox.prepare(&spec).unwrap();
        let started = self
            .backend
            .start(AgentStart {
                role: role(),
                generation: 1,
                launch: self.sandbox.launch(&spec).unwrap(),
                size: Size::new(40, 120),
                session: reference,
                transport: Transport::Pty,
            })
            .await
            .unwrap();
        assert!(started.reports_turns() && started.has_terminal());
        let events = started.events().unwrap();
        let mut life = Life { session: started, events, log: Vec::new(), last_id: 0 };
        life.until("it is idle", |e| *e == AgentEvent::State(AgentState::Idle)).await;
        life
    }

    fn prompts(&self) -> Vec<String> {
        self.seen.lock().unwrap().prompts.clone()
    }
}

struct Life {
    session: Box<dyn AgentSession>,
    events: AgentEvents,
    /// The events since the last wait began, screens left out.
    log: Vec<AgentEvent>,
    last_id: u128,
}

impl Life {
    async fn until(&mut self, what: &str, wanted: impl Fn(&AgentEvent) -> bool) -> AgentEvent {
        self.log.clear();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = tokio::time::timeout(left, self.events.next()).await;
            let event = event.unwrap_or_else(|_| panic!("{what}: not in time; {}", self.shown()));
            let event = event.unwrap_or_else(|| panic!("{what}: it has ended; {}", self.shown()));
            if event == AgentEvent::Screen {
                continue;
            }
            self.log.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    fn shown(&self) -> String {
        format!("events {:?}; the screen shows:\n{}", self.log, self.session.transcript(60))
    }

    fn prompt(&mut self, text: &str, urgent: bool) -> Prompt {
        self.last_id += 1;
        Prompt { id: PromptId(Uuid::from_u128(self.last_id)), text: text.into(), urgent }
    }

    async fn deliver(&mut self, text: &str) -> PromptId {
        let prompt = self.prompt(text, false);
        self.session.deliver(prompt).await.unwrap_or_else(|e| panic!("{e}; {}", self.shown())).id
    }

    async fn refused(&mut self) -> DeliverError {
        let prompt = self.prompt("not now", false);
        self.session.deliver(prompt).await.unwrap_err()
    }

    /// The end of the running turn, whose prompt it is checked to be.
    async fn turn_ends(&mut self, prompt: Option<PromptId>) -> TurnEnd {
        let ended = self.until("its turn ends", |e| matches!(e, AgentEvent::TurnEnded(_))).await;
        let AgentEvent::TurnEnded(report) = ended else { unreachable!("as waited for") };
        assert_eq!(report.prompt, prompt, "{}", self.shown());
        let mut turn = self.log.clone();
        self.until("it is idle", |e| *e == AgentEvent::State(AgentState::Idle)).await;
        assert!(!self.log.iter().any(|e| matches!(e, AgentEvent::TurnEnded(_))), "once: {:?}", self.log);
        turn.append(&mut self.log);
        self.log = turn;
        report.end
    }

    /// A prompt that the program sees and works off.
    async fn works_off(&mut self, text: &str) -> PromptId {
        let id = self.deliver(text).await;
        assert_eq!(self.turn_ends(Some(id)).await, TurnEnd::Done, "{}", self.shown());
        assert!(self.log.contains(&AgentEvent::Seen(id)), "{}", self.shown());
        id
    }

    async fn types(&self, keys: &str) {
        self.session.type_raw(keys.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn the_real_program_in_its_terminal() {
    let bed = Bed::new();
    let session = Uuid::from_u128(0x1111_2222_3333_4444_8555_6666_7777_8888);
    let mut life = bed.start(session, &[]).await;
    a_prompt_is_worked_off(&bed, &mut life).await;
    odd_prompts_are_text(&bed, &mut life).await;
    a_person_is_not_typed_over(&bed, &mut life).await;
    a_turn_is_interrupted(&bed, &mut life).await;
    a_hook_refuses(&bed, &mut life).await;
    failures_have_their_names(&mut life).await;
    it_gives_a_sign_of_life(&mut life).await;
    let seen = a_killed_program_goes_on(&bed, life, session).await;
    assert!(was_seen(&bed.config(), Path::new("/work"), session, seen));
    assert!(!was_seen(&bed.config(), Path::new("/work"), session, PromptId(Uuid::from_u128(99))));
    a_dialog_is_not_typed_into(&bed).await;
    let keys = bed.seen.lock().unwrap().keys.clone();
    assert!(keys.iter().all(|key| key == TOKEN), "{keys:?}");
}

async fn a_prompt_is_worked_off(bed: &Bed, life: &mut Life) {
    life.works_off("RUN: echo from inside > /tmp/x; echo done").await;
    let tool = |running| {
        life.log.iter().any(
            |e| matches!(e, AgentEvent::Tool { name, running: r, .. } if name == "Bash" && *r == running),
        )
    };
    assert!(tool(true) && tool(false), "{}", life.shown());
    assert!(life.log.contains(&AgentEvent::State(AgentState::Busy)), "{}", life.shown());
    assert!(bed.seen.lock().unwrap().last.contains("tool_result"));
}

async fn odd_prompts_are_text(bed: &Bed, life: &mut Life) {
    let long = "a line of words\n".repeat(200);
    for text in
        ["/help me", "!echo bang > /work/bang", "# remember", "@/etc/passwd x", "\u{1b}[201~\rx", &long]
    {
        let id = life.works_off(text).await;
        let prompts = bed.prompts();
        let last = prompts.last().unwrap();
        let words = text.trim_start_matches('\u{1b}').trim_start_matches("[201~").trim();
        assert!(last.contains(&id.to_string()) && last.contains(words), "{text:.40}: {last}");
    }
    assert!(!bed.dir.path().join("work/bang").exists());
    // What a person types does not open a dialog either.
    for line in ["/help", "/config", "/model", "/clear"] {
        life.types(line).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        life.types("\r").await;
        // What the program does with the line may pass for a turn of its own.
        let id = life.deliver("still here").await;
        life.until("it is seen", |e| *e == AgentEvent::Seen(id)).await;
        assert_eq!(life.turn_ends(Some(id)).await, TurnEnd::Done, "{}", life.shown());
    }
}

async fn a_person_is_not_typed_over(bed: &Bed, life: &mut Life) {
    life.types("half typed ").await;
    let refused = life.refused().await;
    assert_eq!(refused, DeliverError::NotReady("a line that a person began waits for its Return"));
    life.types("and finished").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    life.types("\r").await;
    assert_eq!(life.turn_ends(None).await, TurnEnd::Done);
    assert!(bed.prompts().last().unwrap().contains("half typed and finished"));
    life.session.hold(true);
    life.types("left behind").await;
    let refused = life.refused().await;
    assert_eq!(refused, DeliverError::NotReady("a person has taken its terminal over"));
    life.session.hold(false);
    life.works_off("after a person").await;
    assert!(!bed.prompts().last().unwrap().contains("left behind"), "{:?}", bed.prompts().last());
}

async fn a_turn_is_interrupted(bed: &Bed, life: &mut Life) {
    let id = life.deliver("HANG").await;
    life.until("it is busy", |e| *e == AgentEvent::State(AgentState::Busy)).await;
    let refused = life.refused().await;
    assert_eq!(refused, DeliverError::NotReady("a turn is under way"));
    life.session.interrupt().await.unwrap();
    assert_eq!(life.turn_ends(Some(id)).await, TurnEnd::Interrupted);
    life.session.interrupt().await.unwrap();
    life.works_off("after the first").await;
    assert!(!bed.prompts().last().unwrap().contains("HANG"), "{:?}", bed.prompts().last());
    let id = life.deliver("HANG").await;
    life.until("it is busy", |e| *e == AgentEvent::State(AgentState::Busy)).await;
    let urgent = life.prompt("at once", true);
    let at_once = urgent.id;
    life.session.deliver(urgent).await.unwrap_or_else(|e| panic!("{e}; {}", life.shown()));
    assert_eq!(life.turn_ends(Some(id)).await, TurnEnd::Interrupted);
    assert_eq!(life.turn_ends(Some(at_once)).await, TurnEnd::Done);
    assert!(!bed.prompts().last().unwrap().contains("HANG"), "{:?}", bed.prompts().last());
}

async fn a_hook_refuses(bed: &Bed, life: &mut Life) {
    *bed.denied.lock().unwrap() = Some("RT-7: ask the librarian first".to_owned());
    life.works_off("RUN: echo x > /work/forbidden").await;
    *bed.denied.lock().unwrap() = None;
    assert!(!bed.dir.path().join("work/forbidden").exists());
    assert!(bed.seen.lock().unwrap().last.contains("RT-7: ask the librarian first"));
}

async fn failures_have_their_names(life: &mut Life) {
    let id = life.deliver("REFUSE").await;
    let end = life.turn_ends(Some(id)).await;
    assert!(matches!(&end, TurnEnd::GaveUp(why) if why.starts_with("its request failed")), "{end:?}");
    life.works_off("after the failure").await;
}

async fn it_gives_a_sign_of_life(life: &mut Life) {
    life.session.ping().await.unwrap();
    life.until("it answers", |e| *e == AgentEvent::Pong).await;
}

async fn a_killed_program_goes_on(bed: &Bed, mut life: Life, session: Uuid) -> PromptId {
    let seen = life.works_off("remember the word persimmon").await;
    let hung = life.deliver("HANG").await;
    life.until("it is seen", |e| *e == AgentEvent::Seen(hung)).await;
    life.session.kill(ExitCause::Hung);
    life.until("it is gone", |e| *e == AgentEvent::Exited(ExitCause::Hung)).await;
    let last_id = life.last_id;
    drop(life);
    let mut life = bed.start(session, &[]).await;
    life.last_id = last_id;
    life.works_off("which word").await;
    assert!(bed.seen.lock().unwrap().last.contains("persimmon"), "the conversation goes on");
    let stopped = life.session.stop(Grace::default()).await;
    assert_eq!(stopped, ExitCause::Requested);
    seen
}

async fn a_dialog_is_not_typed_into(bed: &Bed) {
    let mut life = bed.start(Uuid::from_u128(7), &["--permission-mode", "default"]).await;
    let id = life.deliver("RUN: touch /work/asked").await;
    life.until("it asks", |e| *e == AgentEvent::State(AgentState::WaitingPermission)).await;
    let refused = life.refused().await;
    assert_eq!(refused, DeliverError::NotReady("a dialog is open in its terminal"));
    life.session.hold(true);
    life.types("\u{1b}").await;
    life.session.hold(false);
    assert_eq!(life.turn_ends(Some(id)).await, TurnEnd::Interrupted);
    assert!(!bed.dir.path().join("work/asked").exists());
    life.works_off("after the dialog").await;
    life.session.stop(Grace::default()).await;
}

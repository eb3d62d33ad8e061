#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use super::*;
use crate::sandbox::Spawner;
use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, AgentState, DeliverError, ExitCause,
        Grace, Prompt, PromptId, SessionRef, Size, Subject, Transport, conformance,
    },
    sandbox::Launch,
};
use foureyes_protocol::PrincipalId;
use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

fn spawner() -> Spawner {
    static SPAWNER: OnceLock<Spawner> = OnceLock::new();
    SPAWNER.get_or_init(|| Spawner::new().expect("a spawning thread")).clone()
}

fn start(transport: Transport, program: &str, args: &[&str]) -> AgentStart {
    AgentStart {
        role: PrincipalId::new("dev-a").expect("a role's name"),
        generation: 1,
        launch: Launch {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("TERM".into(), "xterm-256color".into())],
        },
        size: Size::new(24, 80),
        session: SessionRef { id: Uuid::nil(), resume: false },
        transport,
    }
}

fn sh(script: &str) -> AgentStart {
    start(Transport::Pty, "/bin/sh", &["-c", script])
}

fn prompt(text: &str) -> Prompt {
    Prompt { id: PromptId(Uuid::from_u128(7)), text: text.into(), urgent: false }
}

fn terminals() -> PtyBackend {
    PtyBackend::new(spawner(), PtyOptions::command())
}

async fn run(start: AgentStart) -> (Box<dyn AgentSession>, AgentEvents) {
    let session = terminals().start(start).await.expect("it starts");
    let events = session.events().expect("the events are there");
    (session, events)
}

/// Waits until the screen satisfies a condition.
async fn until(session: &dyn AgentSession, what: &str, shown: impl Fn(&str) -> bool) {
    let mut changes = session.screen_changes();
    let wait = async {
        while !shown(&session.transcript(2000)) {
            changes.changed().await.expect("the session lives");
        }
    };
    let done = tokio::time::timeout(PATIENCE, wait).await;
    assert!(done.is_ok(), "{what}; the screen shows:\n{}", session.transcript(50));
}

async fn cause(events: &mut AgentEvents) -> ExitCause {
    loop {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("an end in time");
        if let AgentEvent::Exited(cause) = event.expect("the last event") {
            return cause;
        }
    }
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

struct Pty(PtyBackend);

impl Subject for Pty {
    fn backend(&self) -> &dyn AgentBackend {
        &self.0
    }
    fn echo(&self) -> AgentStart {
        start(Transport::Pty, "/bin/cat", &[])
    }
    fn exits(&self, code: i32) -> AgentStart {
        sh(&format!("exit {code}"))
    }
    fn missing(&self) -> AgentStart {
        start(Transport::Pty, "/no/such/program", &[])
    }
}

#[tokio::test]
async fn terminals_conform_with_pasted_prompts() {
    conformance(&Pty(terminals())).await;
}

#[tokio::test]
async fn terminals_conform_with_json_prompts() {
    conformance(&Pty(PtyBackend::new(spawner(), PtyOptions::scripted()))).await;
}

struct Pipes(PipeBackend);

/// Speaks the plain dialect: acknowledges, shows what it was told, ends its turn.
const SPEAKER: &str = r#"
while IFS= read -r line; do
  case $line in
    *'"interrupt"'*) printf '{"state":"idle"}\n'; continue ;;
    *'"answer"'*) printf '{"say":"answered"}\n'; continue ;;
  esac
  id=${line#*'"prompt":"'}; id=${id%%'"'*}
  text=${line#*'"text":"'}; text=${text%%'"'*}
  printf '{"seen":"%s"}\n{"state":"busy"}\n{"say":"got %s"}\n' "$id" "$text"
  printf '{"turn":{"prompt":"%s","output_tokens":3,"cost_microusd":42}}\n' "$id"
  [ "$text" = ask ] && printf '{"ask":"q1","kind":"can_use_tool","payload":{"tool":"Bash"}}\n'
  [ "$text" = garbage ] && printf 'no record\n' && echo 'a complaint' >&2
  printf '{"state":"idle"}\n'
done
"#;

fn speakers() -> PipeBackend {
    PipeBackend::new(spawner(), "command", |_| Box::new(JsonLines::default()))
}

impl Subject for Pipes {
    fn backend(&self) -> &dyn AgentBackend {
        &self.0
    }
    fn echo(&self) -> AgentStart {
        start(Transport::Pipes, "/bin/sh", &["-c", SPEAKER])
    }
    fn exits(&self, code: i32) -> AgentStart {
        start(Transport::Pipes, "/bin/sh", &["-c", &format!("exit {code}")])
    }
    fn missing(&self) -> AgentStart {
        start(Transport::Pipes, "/no/such/program", &[])
    }
}

#[tokio::test]
async fn pipes_conform() {
    conformance(&Pipes(speakers())).await;
}

#[tokio::test]
async fn a_program_over_pipes_tells_what_it_does() {
    let session = speakers().start(Pipes(speakers()).echo()).await.unwrap();
    let mut events = session.events().unwrap();
    let mut seen = Vec::new();
    session.deliver(prompt("ask")).await.unwrap();
    while !matches!(seen.last(), Some(AgentEvent::State(AgentState::Idle))) {
        match tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap() {
            AgentEvent::Screen => {}
            event => seen.push(event),
        }
    }
    let id = prompt("").id;
    assert!(seen.contains(&AgentEvent::Seen(id)));
    assert!(seen.contains(&AgentEvent::State(AgentState::Busy)));
    let turn = seen.iter().find_map(|e| match e {
        AgentEvent::TurnEnded(turn) => Some(turn),
        _ => None,
    });
    assert_eq!(turn.map(|t| (t.prompt, t.cost_microusd)), Some((Some(id), 42)));
    assert!(seen.iter().any(|e| matches!(e, AgentEvent::Asked(ask) if ask.id == "q1")));
    session.answer("q1", r#"{"behavior":"deny"}"#).await.unwrap();
    assert!(session.answer("q1", "{}").await.is_err(), "a question is answered once");
    until(&*session, "the answer arrives", |text| text.contains("answered")).await;
    session.deliver(prompt("garbage")).await.unwrap();
    until(&*session, "complaints are shown", |text| text.contains("a complaint")).await;
    session.interrupt().await.unwrap();
    assert!(session.type_raw(b"x").await.is_err());
    assert_eq!(session.stop(Grace::default()).await, ExitCause::Requested);
}

#[tokio::test]
async fn the_wrong_transport_is_refused() {
    let over_pipes = start(Transport::Pipes, "/bin/cat", &[]);
    assert!(terminals().start(over_pipes).await.is_err());
    assert!(speakers().start(sh("cat")).await.is_err());
}

#[tokio::test]
async fn twelve_programs_at_once_answer() {
    let mut running = Vec::new();
    for _ in 0..12 {
        running.push(run(start(Transport::Pty, "/bin/cat", &[])).await);
    }
    for (n, (session, _)) in running.iter().enumerate() {
        session.deliver(prompt(&format!("hello {n}"))).await.unwrap();
    }
    for (n, (session, _)) in running.iter().enumerate() {
        let hello = format!("hello {n}");
        until(&**session, "an echo", |text| text.matches(&hello).count() >= 2).await;
    }
}

#[tokio::test]
async fn a_killed_program_is_seen_within_a_second() {
    let (session, mut events) = run(sh("echo up; sleep 600")).await;
    until(&*session, "it is up", |text| text.contains("up")).await;
    let killed = Instant::now();
    let pid = nix::unistd::Pid::from_raw(session.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(cause(&mut events).await, ExitCause::Signal(9));
    assert!(killed.elapsed() < Duration::from_secs(1), "after {:?}", killed.elapsed());
}

#[tokio::test]
async fn the_whole_group_dies_with_its_leader() {
    let (session, mut events) = run(sh("trap '' HUP; sleep 600 & echo child $!; exec sleep 600")).await;
    until(&*session, "the child is up", |text| text.contains("child ")).await;
    let text = session.transcript(10);
    let child: u32 = text.split_whitespace().last().unwrap().parse().unwrap();
    assert!(alive(child));
    session.kill(ExitCause::Hung);
    assert_eq!(cause(&mut events).await, ExitCause::Hung);
    // An orphan is collected by whoever adopted it, and its death may wait for a processor.
    let stat = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let dead = async {
        while !(stat().is_empty() || stat().contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    let died = tokio::time::timeout(PATIENCE, dead).await;
    assert!(died.is_ok(), "the child lives: {}", stat());
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_terminal_does_not_keep_the_session() {
    let (session, mut events) = run(sh("setsid sleep 5 & echo up; exit 3")).await;
    assert_eq!(cause(&mut events).await, ExitCause::Exit(3));
    assert!(session.transcript(10).contains("up"), "the last words are there");
}

/// Whether there is a process whose command line holds a text.
fn running(marker: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains(marker))
}

/// Waits until such a process is there, or is not.
async fn until_running(marker: &str, wanted: bool) {
    let wait = async {
        while running(marker) != wanted {
            tokio::task::yield_now().await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, wait).await;
    assert!(done.is_ok(), "{marker:?} running: {}", !wanted);
}

#[tokio::test]
async fn in_a_process_namespace_not_even_a_daemon_survives() {
    let seconds = format!("{}.25", 900_000 + std::process::id());
    let script = format!("setsid sleep {seconds} & echo up; cat");
    let wall = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid"];
    let args = [&wall[..], &["--die-with-parent", "/bin/sh", "-c", &script]].concat();
    let (session, mut events) = run(start(Transport::Pty, "/usr/bin/bwrap", &args)).await;
    until(&*session, "it is up", |text| text.contains("up")).await;
    session.deliver(prompt("hello")).await.unwrap();
    until(&*session, "an echo", |text| text.matches("hello").count() >= 2).await;
    let daemon = format!("sleep\0{seconds}");
    until_running(&daemon, true).await;
    session.kill(ExitCause::Hung);
    assert_eq!(cause(&mut events).await, ExitCause::Hung);
    until_running(&seconds, false).await;
}

#[tokio::test]
async fn a_program_that_ignores_everything_is_ended() {
    let (session, mut events) = run(sh("trap '' TERM INT HUP; echo up; while :; do sleep 600; done")).await;
    until(&*session, "it is up", |text| text.contains("up")).await;
    let grace = Grace { quit: Duration::from_millis(50), term: Duration::from_millis(50) };
    assert_eq!(session.stop(grace).await, ExitCause::Requested);
    assert_eq!(cause(&mut events).await, ExitCause::Requested);
}

#[tokio::test]
async fn a_dropped_session_kills_its_program() {
    let (session, events) = run(sh("trap '' HUP; sleep 600")).await;
    let pid = session.pid();
    drop((session, events));
    let gone = async {
        while alive(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the program is gone");
}

#[tokio::test]
async fn ten_megabytes_of_garbage_are_survived() {
    let script = concat!(
        "stty raw -echo; head -c 2000000 /dev/urandom | tr -d '\\n'; head -c 8000000 /dev/zero;",
        r"printf '\033\\\030\033c'; echo END; cat"
    );
    let (session, _events) = run(sh(script)).await;
    until(&*session, "the end is reached", |text| text.contains("END")).await;
    let screen = session.screen();
    assert!(!screen.to_ansi(80, 24).contains("\x1b]"));
    session.stop(Grace::NONE).await;
}

#[tokio::test]
async fn programs_see_their_size_and_its_changes() {
    let script = "trap 'stty size' WINCH; stty size; while :; do read -r x; done";
    let (session, _events) = run(sh(script)).await;
    until(&*session, "the first size", |text| text.contains("24 80")).await;
    session.resize(Size::new(30, 100));
    session.deliver(prompt("go")).await.unwrap();
    until(&*session, "the next size", |text| text.contains("30 100")).await;
    session.resize(Size::new(0, 0));
    session.deliver(prompt("go")).await.unwrap();
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    until(&*session, "the least size", |text| squeezed(text).contains("22")).await;
}

#[tokio::test]
async fn a_program_without_an_open_terminal_still_has_an_end() {
    let (_session, mut events) = run(sh("exec </dev/null >/dev/null 2>&1; sleep 0.2; exit 5")).await;
    assert_eq!(cause(&mut events).await, ExitCause::Exit(5));
}

#[tokio::test]
async fn a_program_gets_nothing_of_the_runtime() {
    let (session, _events) = run(sh("env; ls /proc/self/fd | tr '\\n' ' '; pwd; echo END; cat")).await;
    until(&*session, "the end is reached", |text| text.contains("END")).await;
    let text = session.transcript(100);
    let names: Vec<&str> = text.lines().filter_map(|l| l.split_once('=').map(|(name, _)| name)).collect();
    let allowed = ["PATH", "TERM", "SHELL", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.iter().all(|n| allowed.contains(n)), "environment: {names:?}");
    assert!(text.contains("0 1 2 3 /"), "descriptors (3 is of ls itself):\n{text}");
}

#[tokio::test]
async fn a_program_that_does_not_read_stalls_the_caller_only_so_long() {
    let options = PtyOptions { patience: Duration::from_millis(100), ..PtyOptions::command() };
    let backend = PtyBackend::new(spawner(), options);
    let session = backend.start(sh("stty raw -echo; echo up; sleep 600")).await.unwrap();
    until(&*session, "it is up", |text| text.contains("up")).await;
    let stalled = session.deliver(prompt(&"x".repeat(1_000_000))).await;
    assert_eq!(stalled, Err(DeliverError::Stalled(Duration::from_millis(100))));
    session.stop(Grace::NONE).await;
}

#[tokio::test]
async fn prompts_are_written_whole_and_in_order() {
    let (session, _events) = run(sh("stty raw -echo; printf '\\033[?2004h'; echo up; cat -v")).await;
    let session: Arc<dyn AgentSession> = Arc::from(session);
    until(&*session, "it is up", |text| text.contains("up")).await;
    let first = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.deliver(prompt("first")).await }
    });
    until(&*session, "the first text is there", |text| text.contains("first")).await;
    // The caller goes away between the text and its Return.
    first.abort();
    session.deliver(prompt("second")).await.unwrap();
    let expected = "^[[200~first^[[201~^M^[[200~second^[[201~^M";
    until(&*session, "both, with Return", |text| text.contains(expected)).await;
    session.interrupt().await.unwrap();
    session.type_raw(b"typed").await.unwrap();
    until(&*session, "keys arrive", |text| text.contains("^Ctyped")).await;
}

#[tokio::test]
async fn queries_of_a_program_are_answered() {
    let script = "stty raw -echo min 0 time 20; printf '\\033[6n'; dd bs=1 count=6 2>/dev/null | cat -v; echo; stty cooked; cat";
    let (session, _events) = run(sh(script)).await;
    until(&*session, "the position is answered", |text| text.contains("^[[1;1R")).await;
}

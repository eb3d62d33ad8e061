//! Agents in their real sandbox: a program in a PTY and one over pipes, started, used and ended
//! through the port alone. Fails where bubblewrap is missing.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use foureyes_ports::{
    backend::{
        AgentBackend, AgentSession, AgentStart, ExitCause, Grace, Prompt, PromptId, SessionRef, Size,
        Transport,
    },
    sandbox::{Limits, Purpose, Sandbox, SandboxSpec},
};
use foureyes_protocol::PrincipalId;
use foureyes_session::{
    agent::{JsonLines, PipeBackend, PtyBackend, PtyOptions},
    sandbox::{BwrapSandbox, SandboxConfig, Spawner, multicall},
};
use std::{
    ffi::OsString,
    path::Path,
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
    }
    dispatch
};

fn role() -> PrincipalId {
    PrincipalId::new("dev-a").unwrap()
}

fn sandbox(dir: &Path) -> BwrapSandbox {
    let binary = std::env::current_exe().unwrap();
    let name = dir.display().to_string();
    BwrapSandbox::probe(SandboxConfig::new(binary, dir.join("state"), &name, vec![role()])).unwrap()
}

fn spec(dir: &Path, script: &str, tty: bool) -> SandboxSpec {
    SandboxSpec {
        owner: role(),
        purpose: Purpose::Agent,
        home: dir.join("home"),
        work: dir.join("work"),
        socket_dir: None,
        binds: vec![],
        env: vec![],
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        cwd: "/work".into(),
        limits: Limits {
            memory_bytes: 1 << 30,
            processes: 100,
            file_bytes: 1 << 24,
            open_files: 256,
            tmp_bytes: 1 << 20,
        },
        tty,
        forward_port: None,
    }
}

/// A program in the sandbox, started by a back end.
async fn start(
    sandbox: &BwrapSandbox,
    dir: &Path,
    backend: &dyn AgentBackend,
    script: &str,
) -> Box<dyn AgentSession> {
    let transport = if backend.name() == "pipes" { Transport::Pipes } else { Transport::Pty };
    let spec = spec(dir, script, transport == Transport::Pty);
    sandbox.prepare(&spec).unwrap();
    backend
        .start(AgentStart {
            role: role(),
            generation: 1,
            launch: sandbox.launch(&spec).unwrap(),
            size: Size::new(24, 80),
            session: SessionRef { id: Uuid::nil(), resume: false },
            transport,
        })
        .await
        .unwrap()
}

async fn until(session: &dyn AgentSession, text: &str) {
    let mut changes = session.screen_changes();
    let shown = async {
        while !session.transcript(100).contains(text) {
            changes.changed().await.unwrap();
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), shown).await;
    assert!(done.is_ok(), "no {text:?}; the screen shows:\n{}", session.transcript(100));
}

fn running(marker: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains(marker))
}

/// Waits until a process with this command line is there, or is not.
async fn until_running(marker: &str, wanted: bool) {
    let wait = async {
        while running(marker) != wanted {
            tokio::task::yield_now().await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(done.is_ok(), "{marker:?} running: {}", !wanted);
}

fn prompt(text: &str) -> Prompt {
    Prompt { id: PromptId(Uuid::from_u128(1)), text: text.into(), urgent: false }
}

/// One after the other: a sandbox's binary is copied, and a copy cannot be executed while a process
/// that another thread forks at that moment holds it open for writing.
#[tokio::test]
async fn agents_live_and_end_in_their_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(dir.path());
    a_terminal_works_inside_and_nothing_survives_it(&sandbox, dir.path()).await;
    a_program_that_ignores_the_polite_request_gets_sigterm(&sandbox, dir.path()).await;
    pipes_work_inside_and_a_kill_leaves_nothing(&sandbox, dir.path()).await;
    sessions_leave_no_descriptor_and_no_thread(&sandbox, dir.path()).await;
}

fn entries(dir: &str) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

async fn sessions_leave_no_descriptor_and_no_thread(sandbox: &BwrapSandbox, dir: &Path) {
    let backend = PtyBackend::new(Spawner::new().unwrap(), PtyOptions::command());
    let descriptors = entries("/proc/self/fd");
    for _ in 0..5 {
        let session = start(sandbox, dir, &backend, "echo ready; cat").await;
        until(&*session, "ready").await;
        session.stop(Grace::NONE).await;
    }
    let readers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
        names.filter(|name| name.starts_with("pty-")).count()
    };
    let clean = async {
        while readers() > 0 || entries("/proc/self/fd") > descriptors {
            tokio::task::yield_now().await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), clean).await;
    let left = entries("/proc/self/fd");
    assert!(done.is_ok(), "{} readers, {left} descriptors instead of {descriptors}", readers());
}

async fn a_terminal_works_inside_and_nothing_survives_it(sandbox: &BwrapSandbox, dir: &Path) {
    let backend = PtyBackend::new(Spawner::new().unwrap(), PtyOptions::command());
    let seconds = format!("{}.75", 800_000 + std::process::id());
    let script = format!(
        "setsid sleep {seconds} & tty >/dev/null && echo a tty; pwd; echo ready; \
         while read -r line; do echo got $line, size $(stty size); done; echo bye; exit 4"
    );
    let session = start(sandbox, dir, &backend, &script).await;
    until(&*session, "ready").await;
    let text = session.transcript(100);
    assert!(text.contains("a tty") && text.contains("/work"), "{text}");
    session.deliver(prompt("hello")).await.unwrap();
    until(&*session, "got hello, size 24 80").await;
    session.resize(Size::new(30, 100));
    session.deliver(prompt("again")).await.unwrap();
    until(&*session, "got again, size 30 100").await;
    until_running(&format!("sleep\0{seconds}"), true).await;
    let asked = Instant::now();
    assert_eq!(session.stop(Grace::default()).await, ExitCause::Requested);
    assert!(asked.elapsed() < Duration::from_secs(5), "it quit politely, after {:?}", asked.elapsed());
    assert!(session.transcript(100).contains("bye"), "the end of input was seen");
    until_running(&seconds, false).await;
}

async fn a_program_that_ignores_the_polite_request_gets_sigterm(sandbox: &BwrapSandbox, dir: &Path) {
    let backend = PtyBackend::new(Spawner::new().unwrap(), PtyOptions::command());
    let script =
        "trap 'echo terminated; exit 9' TERM; stty raw -echo; echo ready; while :; do sleep 0.05; done";
    let session = start(sandbox, dir, &backend, script).await;
    until(&*session, "ready").await;
    let grace = Grace { quit: Duration::from_millis(100), term: Duration::from_secs(10) };
    let asked = Instant::now();
    assert_eq!(session.stop(grace).await, ExitCause::Requested);
    assert!(asked.elapsed() < Duration::from_secs(8), "by SIGTERM, after {:?}", asked.elapsed());
    assert!(session.transcript(100).contains("terminated"), "{}", session.transcript(100));
}

async fn pipes_work_inside_and_a_kill_leaves_nothing(sandbox: &BwrapSandbox, dir: &Path) {
    let backend = PipeBackend::new(Spawner::new().unwrap(), "pipes", |_| Box::new(JsonLines::default()));
    let seconds = format!("{}.75", 700_000 + std::process::id());
    let script = format!(
        "setsid sleep {seconds} & while read -r line; do printf '{{\"say\":\"got %s bytes\"}}\\n' ${{#line}}; done"
    );
    let session = start(sandbox, dir, &backend, &script).await;
    let written = session.deliver(prompt("hello")).await.unwrap();
    until(&*session, &format!("got {} bytes", written.bytes - 1)).await;
    until_running(&format!("sleep\0{seconds}"), true).await;
    session.kill(ExitCause::Hung);
    assert_eq!(session.stop(Grace::default()).await, ExitCause::Hung);
    until_running(&seconds, false).await;
}

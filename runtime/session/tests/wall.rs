//! The sandbox on this machine, with real bubblewrap: as whoever runs the tests, and when that is
//! root once more as an ordinary uid. Fails where bubblewrap is missing.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use foureyes_ports::sandbox::{
    Bind, Launch, Limits, Purpose, RunRequest, RunResult, Sandbox, SandboxError, SandboxRunner, SandboxSpec,
    Tier,
};
use foureyes_protocol::PrincipalId;
use foureyes_session::sandbox::{
    AdvisorySandbox, BwrapSandbox, Ceilings, Child, Exit, Runner, SandboxConfig, Spawner, multicall, spawner,
};
use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net::UnixListener,
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// This test binary is the multi-call binary too: before `main` it looks whether it was started
/// under one of the sandbox's names. So there is nothing else to build, and nothing stale.
#[used]
#[unsafe(link_section = ".init_array")]
static DISPATCH: extern "C" fn() = {
    extern "C" fn dispatch() {
        let mut args = std::env::args_os();
        let name = args.next().unwrap_or_default();
        let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let args: Vec<OsString> = args.collect();
        if args.first().is_some_and(|a| a == "__runtime") {
            short_lived_runtime(&args[1..]);
        }
        if let Some(code) = multicall::dispatch(&name, &args) {
            std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
        }
    }
    dispatch
};

/// Plays a runtime that starts one sandbox and waits to be killed.
fn short_lived_runtime(args: &[OsString]) -> ! {
    let words: Vec<_> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let sandbox = sandbox_in(Path::new(&words[0]));
    let place = Path::new(&words[0]).join("other");
    let spec = spec(&place, "dev-a", &["/bin/sh", "-c", &words[1]]);
    sandbox.prepare(&spec).unwrap();
    let spawner = Spawner::new().unwrap();
    let child = spawner.spawn_piped(&sandbox.launch(&spec).unwrap()).unwrap();
    println!("{}", child.child.pid());
    loop {
        std::thread::park();
    }
}

fn id(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

fn sandbox_in(dir: &Path) -> BwrapSandbox {
    let binary = std::env::current_exe().unwrap();
    let name = dir.display().to_string();
    let config =
        SandboxConfig::new(binary, dir.join("state"), &name, vec![id("dev-a"), id("dev-b"), id("gate-1")]);
    match BwrapSandbox::probe(config) {
        Err(SandboxError::Missing) => panic!("bubblewrap is needed: apt-get install bubblewrap"),
        other => other.unwrap(),
    }
}

fn limits() -> Limits {
    Limits {
        memory_bytes: 1 << 30,
        processes: 400,
        file_bytes: 1 << 24,
        open_files: 1024,
        tmp_bytes: 1 << 20,
    }
}

fn spec(dir: &Path, owner: &str, argv: &[&str]) -> SandboxSpec {
    SandboxSpec {
        owner: id(owner),
        purpose: Purpose::Agent,
        home: dir.join(owner).join("home"),
        work: dir.join(owner).join("work"),
        socket_dir: None,
        binds: vec![],
        env: vec![],
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        cwd: "/work".into(),
        limits: limits(),
        tty: false,
        forward_port: None,
    }
}

fn request(spec: SandboxSpec) -> RunRequest {
    RunRequest { spec, stdin: vec![], timeout: Duration::from_secs(20), output_cap: 1 << 16 }
}

struct World {
    dir: tempfile::TempDir,
    sandbox: Arc<BwrapSandbox>,
    spawner: Spawner,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Arc::new(sandbox_in(dir.path()));
        Self { sandbox, spawner: Spawner::new().unwrap(), dir }
    }

    fn runner(&self, ceilings: Option<Ceilings>) -> Runner {
        Runner::new(self.sandbox.clone(), self.spawner.clone(), ceilings)
    }

    async fn sh(&self, script: &str) -> RunResult {
        let spec = spec(self.dir.path(), "dev-a", &["/bin/sh", "-c", script]);
        self.runner(None).run(request(spec)).await.unwrap()
    }

    fn start(&self, spec: &SandboxSpec) -> foureyes_session::sandbox::PipedChild {
        self.sandbox.prepare(spec).unwrap();
        self.spawner.spawn_piped(&self.sandbox.launch(spec).unwrap()).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for a condition instead of a time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "never came: {what}");
        std::thread::yield_now();
    }
}

/// Living processes whose command line holds the marker.
fn marked(marker: &str) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| text(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).contains(marker))
        .collect()
}

/// Daemons of all kinds, each recognisable by a marker: sleeping for a time that nobody else uses.
fn daemons(seconds: u32) -> (String, String) {
    let sleep = format!("sleep {seconds}");
    let script = format!(
        "setsid {sleep} & (setsid setsid {sleep} &) ; nohup {sleep} >/dev/null 2>&1 & {sleep} & echo up; exec {sleep}"
    );
    (script, format!("sleep\0{seconds}"))
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    100_000 + std::process::id() * 100 + NEXT.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn every_attack_is_held() {
    let world = World::new();
    let rows = world.sandbox.self_test().unwrap();
    let open: Vec<_> = rows.iter().filter(|row| !row.held).collect();
    assert!(open.is_empty(), "{open:#?}");
    assert!(rows.len() >= 40, "only {} rows", rows.len());
    let left = fs::read_dir(world.dir.path().join("state")).unwrap().count();
    assert_eq!(left, 1, "the test's own directories are removed");
}

#[test]
fn root_gives_each_role_a_uid_and_others_do_not() {
    let world = World::new();
    if !Uid::effective().is_root() {
        assert_eq!(world.sandbox.tier(), Tier::Sandboxed);
        assert_eq!(world.sandbox.uid_of(&id("dev-a")), None);
        return;
    }
    assert_eq!(world.sandbox.tier(), Tier::SeparateUid, "{:?}", world.sandbox.note());
    let (a, b) = (world.sandbox.uid_of(&id("dev-a")).unwrap(), world.sandbox.uid_of(&id("dev-b")).unwrap());
    assert!(a >= 300_000 && b == a + 1);
    let stranger = spec(world.dir.path(), "nobody", &["/bin/true"]);
    assert!(world.sandbox.launch(&stranger).unwrap_err().to_string().contains("unknown owner"));
}

#[test]
fn root_without_mounting_has_one_wall_for_all_and_says_so() {
    if !Uid::effective().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let binary = std::env::current_exe().unwrap();
    let mut config = SandboxConfig::new(binary, dir.path().join("state"), "no-mount", vec![id("dev-a")]);
    config.run_root = "/dev/null/nowhere".into();
    let sandbox = BwrapSandbox::probe(config).unwrap();
    assert_eq!(sandbox.tier(), Tier::Sandboxed);
    assert!(sandbox.note().unwrap().contains("nowhere"));
    let open: Vec<_> = sandbox.self_test().unwrap().into_iter().filter(|row| !row.held).collect();
    assert!(open.is_empty(), "{open:#?}");
}

#[tokio::test]
async fn the_inside_is_the_agents_and_nothing_of_the_host() {
    let world = World::new();
    let seen = world
        .sh("id -u; whoami; pwd; echo $HOME; ls / | tr '\\n' ' '; echo x > /work/f; ls -a /home/agent; env")
        .await;
    let out = text(&seen.stdout);
    assert_eq!(seen.exit, Some(0), "{}", text(&seen.stderr));
    assert!(out.starts_with("1000\nagent\n/work\n/home/agent\n"), "{out}");
    assert!(!out.contains("root") && !out.contains("CARGO"), "{out}");
    let file = fs::metadata(world.dir.path().join("dev-a/work/f")).unwrap();
    assert_eq!(Some(file.uid()), world.sandbox.uid_of(&id("dev-a")).or(Some(Uid::effective().as_raw())));
}

#[tokio::test]
async fn input_output_status_and_signals_of_a_command() {
    let world = World::new();
    let mut cat = request(spec(world.dir.path(), "gate-1", &["/bin/sh", "-c", "cat; echo no >&2; exit 7"]));
    cat.spec.purpose = Purpose::GateRun;
    cat.stdin = b"hello".to_vec();
    let result = world.runner(None).run(cat).await.unwrap();
    assert_eq!(
        (result.exit, text(&result.stdout), text(&result.stderr)),
        (Some(7), "hello".into(), "no\n".into())
    );
    assert_eq!(world.sh("kill -9 $$").await.exit, Some(137));
    assert_eq!(world.sh("kill -9 1; kill -TERM 1; echo still here").await.stdout, b"still here\n");
    let missing = spec(world.dir.path(), "dev-a", &["/no/such/program"]);
    assert_eq!(world.runner(None).run(request(missing)).await.unwrap().exit, Some(127));
}

#[tokio::test]
async fn output_is_cut_and_time_is_limited() {
    let world = World::new();
    let mut flood = request(spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", "yes | head -c 300000"]));
    flood.output_cap = 1000;
    let result = world.runner(None).run(flood).await.unwrap();
    assert!(result.truncated && result.stdout.len() == 1000 && result.exit == Some(0), "{:?}", result.exit);

    let seconds = unique();
    let (script, marker) = daemons(seconds);
    let mut long =
        request(spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", &format!("trap '' TERM; {script}")]));
    long.timeout = Duration::from_millis(300);
    let result = world.runner(None).run(long).await.unwrap();
    assert!(result.timed_out);
    eventually("the whole tree is gone", || marked(&marker).is_empty());
}

#[tokio::test]
async fn a_polite_end_lets_the_program_finish() {
    let world = World::new();
    let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done";
    let started = world.start(&spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", script]));
    let (mut child, _input, mut output, _errors) = started.into_async().unwrap();
    let mut first = [0; 3];
    tokio::io::AsyncReadExt::read_exact(&mut output, &mut first).await.unwrap();
    assert_eq!(child.stop(Duration::from_secs(10)).await.unwrap(), Exit::Code(3));
    let mut rest = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut output, &mut rest).await.unwrap();
    assert_eq!(rest, "bye\n");
}

#[tokio::test]
async fn limits_hold() {
    let world = World::new();
    let full = world.sh("head -c 4000000 /dev/zero > /tmp/x; head -c 99000000 /dev/zero > /work/y").await;
    let errors = text(&full.stderr);
    assert!(errors.contains("No space left"), "{errors}");
    let size = fs::metadata(world.dir.path().join("dev-a/work/y")).unwrap().len();
    assert_eq!(size, 1 << 24, "RLIMIT_FSIZE");
    let bomb = "i=0; while [ $i -lt 600 ]; do sleep 5 & i=$((i+1)); done; echo made $i";
    let bombed = world.sh(&format!("cat /proc/sys/kernel/pid_max; {bomb}")).await;
    assert_ne!(bombed.exit, Some(0), "{}", text(&bombed.stdout));
    assert!(text(&bombed.stderr).to_lowercase().contains("fork"), "{}", text(&bombed.stderr));
}

#[tokio::test]
async fn who_takes_too_much_disk_or_memory_is_ended() {
    let world = World::new();
    let every = Duration::from_millis(20);
    let ceilings = Ceilings { memory_bytes: 64 << 20, disk_bytes: 4 << 20, every };
    let disk =
        spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", "head -c 8000000 /dev/zero > f; exec sleep 60"]);
    let result = world.runner(Some(ceilings)).run(request(disk)).await.unwrap();
    assert_eq!(result.signal, Some(9));
    assert!(text(&result.stderr).contains("files of the sandbox"), "{}", text(&result.stderr));
    let hog = "a=$(head -c 100000000 /dev/zero | tr '\\0' x); exec sleep 60";
    let memory = spec(world.dir.path(), "dev-b", &["/bin/sh", "-c", &format!("{hog}; echo $a")]);
    let memory_only = Ceilings { disk_bytes: u64::MAX, ..ceilings };
    let result = world.runner(Some(memory_only)).run(request(memory)).await.unwrap();
    assert!(text(&result.stderr).contains("memory of the sandbox"), "{}", text(&result.stderr));
}

#[tokio::test]
async fn the_forwarder_reaches_the_socket_and_a_gate_run_gets_neither() {
    let world = World::new();
    let mut agent = spec(
        world.dir.path(),
        "dev-a",
        &["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9999; echo ask >&3; cat <&3"],
    );
    agent.socket_dir = Some(world.dir.path().join("dev-a/sock"));
    agent.forward_port = Some(9999);
    world.sandbox.prepare(&agent).unwrap();
    let path = world.dir.path().join("dev-a/sock/rt.sock");
    let listener = UnixListener::bind(&path).unwrap();
    world.sandbox.hand_over_socket(&agent.owner, &path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = [0; 4];
        stream.read_exact(&mut got).unwrap();
        stream.write_all(b"answer").unwrap();
        got
    });
    let result = world.runner(None).run(request(agent.clone())).await.unwrap();
    assert_eq!(text(&result.stdout), "answer", "{}", text(&result.stderr));
    assert_eq!(&server.join().unwrap(), b"ask\n");
    agent.purpose = Purpose::GateRun;
    assert!(world.sandbox.launch(&agent).unwrap_err().to_string().contains("neither socket nor forwarder"));
}

#[tokio::test]
async fn a_toolchain_that_only_the_runtime_can_reach_is_readable_inside() {
    let world = World::new();
    let private = world.dir.path().join("private");
    let tools = private.join("tools");
    fs::create_dir_all(&tools).unwrap();
    fs::write(tools.join("tool"), "#!/bin/sh\necho tool ran\n").unwrap();
    fs::set_permissions(tools.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let mut spec = spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", "tool && touch /opt/tools/x"]);
    spec.binds = vec![Bind { host: tools, inside: "/opt/tools".into(), writable: false }];
    spec.env = vec![("PATH".into(), "/opt/tools:/usr/bin:/bin".into())];
    let result = world.runner(None).run(request(spec)).await.unwrap();
    assert_eq!(text(&result.stdout), "tool ran\n", "{}", text(&result.stderr));
    assert!(text(&result.stderr).contains("Read-only file system"));
}

#[test]
fn no_secret_is_on_a_command_line() {
    let world = World::new();
    let mut spec = spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", "echo up; exec cat"]);
    let secret = format!("secret-{}", unique());
    spec.env = vec![("TOKEN".into(), secret.clone())];
    let (_child, _input, output, _errors) = world.start(&spec).into_parts();
    output.unwrap().read_exact(&mut [0; 3]).unwrap();
    assert_eq!(marked(&secret), Vec::<u32>::new());
}

/// Starts daemons, kills `victim` and waits until nothing is left.
fn nothing_survives(victim: impl FnOnce(&World, &Child)) {
    let world = World::new();
    let (script, marker) = daemons(unique());
    let started = world.start(&spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", &script]));
    let (child, _input, _output, _errors) = started.into_parts();
    eventually("all daemons live", || marked(&marker).len() >= 5);
    victim(&world, &child);
    eventually("nothing is left", || marked(&marker).is_empty());
}

#[test]
fn nothing_survives_the_launched_process() {
    nothing_survives(|_, child| child.kill());
}

#[test]
fn nothing_survives_the_first_process_inside() {
    nothing_survives(|_, child| {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.pid())).unwrap();
        let inside: i32 = children.trim().parse().unwrap();
        kill(Pid::from_raw(inside), Signal::SIGKILL).unwrap();
    });
}

#[test]
fn nothing_survives_the_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let (script, marker) = daemons(unique());
    let mut runtime = Command::new(std::env::current_exe().unwrap())
        .args([OsString::from("__runtime"), dir.path().into(), script.into()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The runtime's own command line holds the script, with a blank where the marker has a NUL.
    eventually("all daemons live", || marked(&marker).len() >= 5);
    runtime.kill().unwrap();
    runtime.wait().unwrap();
    eventually("nothing is left", || marked(&marker).is_empty());
}

#[test]
fn dropping_the_last_spawner_ends_what_it_started() {
    let world = World::new();
    let (script, marker) = daemons(unique());
    let started = world.start(&spec(world.dir.path(), "dev-a", &["/bin/sh", "-c", &script]));
    let parts = started.into_parts();
    eventually("all daemons live", || marked(&marker).len() >= 5);
    let World { spawner, .. } = world;
    drop(spawner);
    eventually("nothing is left", || marked(&marker).is_empty());
    drop(parts);
}

/// Starts a launch on a PTY of its own, as the owner of a terminal does.
fn on_terminal(world: &World, launch: Launch) -> (Child, OwnedFd) {
    let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(Some(&size), None).unwrap();
    let slave = pair.slave;
    let child = world.spawner.run(move || {
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).env_clear();
        let stream = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(stream()).stdout(stream()).stderr(stream());
        // SAFETY: two system calls between fork and exec.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            })
        };
        spawner::harden(&mut command);
        Child::adopt(command.spawn().unwrap().id()).unwrap()
    });
    (child.unwrap(), pair.master)
}

fn read_until(master: &OwnedFd, seen: &mut String, wanted: &str) {
    let mut buffer = [0; 4096];
    while !seen.contains(wanted) {
        let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        let waited = poll(&mut ready, PollTimeout::from(10_000_u16)).unwrap();
        assert!(waited > 0, "no {wanted:?} in {seen:?}");
        match nix::unistd::read(master, &mut buffer) {
            Ok(n) if n > 0 => seen.push_str(&text(&buffer[..n])),
            other => panic!("{other:?} before {wanted:?} in {seen:?}"),
        }
    }
}

/// What bash switches on when it begins to read a line.
const PROMPT: &str = "\u{1b}[?2004h";

#[test]
fn a_terminal_has_job_control_and_sees_its_size() {
    let world = World::new();
    let mut spec = spec(world.dir.path(), "dev-a", &["/bin/bash", "--norc", "--noprofile", "-i"]);
    spec.tty = true;
    world.sandbox.prepare(&spec).unwrap();
    let (mut child, master) = on_terminal(&world, world.sandbox.launch(&spec).unwrap());
    let mut seen = String::new();
    let say = |line: &str| nix::unistd::write(&master, line.as_bytes()).map(drop).unwrap();
    say("PS1=; stty size; echo begin-$((40+2))\n");
    read_until(&master, &mut seen, "begin-42");
    assert!(!seen.contains("no job control") && !seen.contains("cannot set terminal"), "{seen}");
    assert!(seen.contains("30 100"), "{seen}");
    say("trap 'echo size-$((1+1))' WINCH; sleep 97531 & jobs; kill %1; wait; cat\n");
    read_until(&master, &mut seen, "Terminated");
    // Ctrl-C goes to the foreground job and not to the shell, Ctrl-Z stops a job. Each answer is
    // awaited before the next key, for the terminal drops what was typed ahead of a signal.
    say("foreground\n");
    read_until(&master, &mut seen, "foreground\r\nforeground");
    seen.clear();
    say("\u{3}");
    read_until(&master, &mut seen, PROMPT);
    say("echo after-$((50+5)); cat\n");
    read_until(&master, &mut seen, "after-55");
    say("again\n");
    read_until(&master, &mut seen, "again\r\nagain");
    seen.clear();
    say("\u{1a}");
    read_until(&master, &mut seen, "Stopped");
    read_until(&master, &mut seen, PROMPT);
    let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a living structure that the kernel only reads.
    assert_eq!(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
    say(":\n");
    read_until(&master, &mut seen, "size-2");
    seen.clear();
    say("\n");
    read_until(&master, &mut seen, PROMPT);
    // `exit` would only warn of the stopped job.
    say("exec /bin/sh -c 'exit 5'\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), child.wait()).await });
    assert_eq!(ended.expect("it ends").unwrap(), Exit::Code(5));
}

#[test]
fn the_attacks_are_held_on_a_terminal_too() {
    let world = World::new();
    let mut spec = spec(world.dir.path(), "dev-a", &["/rt/bin/agents-init", "__attack"]);
    spec.tty = true;
    spec.socket_dir = Some(world.dir.path().join("dev-a/sock"));
    world.sandbox.prepare(&spec).unwrap();
    let path = world.dir.path().join("dev-a/sock/rt.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    world.sandbox.hand_over_socket(&spec.owner, &path).unwrap();
    let (_child, master) = on_terminal(&world, world.sandbox.launch(&spec).unwrap());
    let targets = format!(
        r#"{{"runtime":{},"sibling":[],"sibling_socket":"/x","tmux_socket":"/x","state_file":"/x","abstract_socket":"foureyes-none","canary":"no such canary"}}"#,
        std::process::id()
    );
    nix::unistd::write(&master, format!("{targets}\n").as_bytes()).unwrap();
    let mut seen = String::new();
    read_until(&master, &mut seen, "create a user namespace");
    read_until(&master, &mut seen, "\"detail\":");
    let rows: Vec<_> = seen.lines().filter(|line| line.starts_with("{\"attack\"")).collect();
    let open: Vec<_> = rows.iter().filter(|row| row.contains("\"held\":false")).collect();
    assert!(rows.len() >= 35 && open.is_empty(), "{} rows, {open:#?}", rows.len());
}

#[tokio::test]
async fn advisory_runs_without_a_wall_and_with_its_own_environment() {
    let dir = tempfile::tempdir().unwrap();
    let binary = std::env::current_exe().unwrap();
    let sandbox = Arc::new(AdvisorySandbox::new(&binary, &dir.path().join("state")).unwrap());
    assert_eq!(sandbox.tier(), Tier::Advisory);
    assert!(sandbox.self_test().unwrap().iter().all(|row| !row.held));
    let mut spec = spec(dir.path(), "dev-a", &["/bin/sh", "-c", "pwd; env | sort | cut -d= -f1; exit 4"]);
    spec.env = vec![("EXTRA".into(), "1".into())];
    let runner = Runner::new(sandbox, Spawner::new().unwrap(), None);
    let result = runner.run(request(spec)).await.unwrap();
    assert_eq!(result.exit, Some(4), "{}", text(&result.stderr));
    let out = text(&result.stdout);
    let work = dir.path().join("dev-a/work").canonicalize().unwrap();
    assert_eq!(out.lines().next(), work.to_str());
    assert_eq!(out.lines().skip(1).collect::<Vec<_>>(), ["EXTRA", "HOME", "LANG", "PATH", "PWD", "TERM"]);
}

#[test]
fn panics_do_not_end_the_spawning_thread() {
    let spawner = Spawner::new().unwrap();
    let _ = spawner.run(|| std::panic::resume_unwind(Box::new("on purpose")));
    assert_eq!(spawner.run(|| 7).unwrap(), 7);
}

/// Prints how long one start and twelve at once take; asserts only that they work.
#[test]
fn twelve_at_once() {
    let world = World::new();
    let started = |names: &[PathBuf]| {
        let began = Instant::now();
        let mut children: Vec<_> = names
            .iter()
            .map(|dir| world.start(&spec(dir, "dev-a", &["/bin/sh", "-c", "echo up; exec cat"])).into_parts())
            .map(|(child, input, output, errors)| (child, input, output.unwrap(), errors))
            .collect();
        for (_, _, output, _) in &mut children {
            output.read_exact(&mut [0; 3]).unwrap();
        }
        began.elapsed()
    };
    let one = started(&[world.dir.path().join("one")]);
    let dirs: Vec<_> = (0..12).map(|i| world.dir.path().join(format!("d{i}"))).collect();
    println!("one: {one:?}, twelve: {:?}", started(&dirs));
}

/// All of the above once more under an ordinary uid.
#[test]
fn as_an_ordinary_uid() {
    if !Uid::effective().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (binary, temp) = (dir.path().join("wall"), dir.path().join("tmp"));
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    fs::create_dir(&temp).unwrap();
    std::os::unix::fs::chown(&temp, Some(61_001), Some(61_001)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=61001", "--regid=61001", "--clear-groups", "--no-new-privs"])
        .arg(&binary)
        .args(["--skip", "as_an_ordinary_uid", "--test-threads", "4"])
        .env("TMPDIR", &temp)
        .output()
        .expect("setpriv of util-linux is needed");
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

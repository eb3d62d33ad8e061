//! Two real sandboxes: one lives, one attacks. Run at every start, so that what is claimed about
//! the wall has been seen on this machine.

use super::{
    attack::{Row, Targets},
    bwrap::{BwrapSandbox, PROBES, prepare},
    ceiling::{self, Ceiling},
    child::{Child, PipedChild},
    processes::descendants,
    spawner::spawn_here,
};
use foureyes_ports::sandbox::{Limits, Purpose, Sandbox, SandboxError, SandboxSpec, WallCheck};
use foureyes_protocol::PrincipalId;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// Longest wait for one answer of a sandbox; a start takes some 30 ms.
const PATIENCE: Duration = Duration::from_secs(10);
/// Text that is kept of a failed start.
const MESSAGE: u64 = 4096;
/// Where a socket of the host would be if the wall had a hole.
const SOCKET: &str = "s/rt.sock";

/// Starts one sandbox with the adapter's settings; answers how its processes can be limited.
pub(super) fn try_out(sandbox: &BwrapSandbox) -> Result<Ceiling, SandboxError> {
    let place = Place::new(&sandbox.config().state_dir)?;
    let spec = place.spec(PROBES[0], "__sibling")?;
    let running = Running::start(sandbox, &spec, &[])?;
    if !ceiling::kernel_has_own_pid_max() {
        return Ok(Ceiling::UserLimit);
    }
    let uid = sandbox.uid_of(&spec.owner);
    let set = ceiling::set(sandbox.binary(), running.child.pid(), spec.limits.processes, uid);
    Ok(if set.is_ok() { Ceiling::Namespace } else { Ceiling::UserLimit })
}

/// The whole matrix.
pub(super) fn run(sandbox: &BwrapSandbox) -> Result<Vec<WallCheck>, SandboxError> {
    let place = Place::new(&sandbox.config().state_dir)?;
    let scene = Scene::build(sandbox, &place)?;
    let mut sibling = Running::start(sandbox, &scene.sibling, &[])?;
    sandbox.finish(&scene.sibling, sibling.child.pid())?;
    let canary = ("FOUREYES_CANARY".to_owned(), format!("canary-{}", place.name));
    let targets = scene.targets(&sibling, &canary.1);
    let attacker = Running::launch(sandbox, &scene.attacker, &[canary])?;
    let mut rows = attacker.attack(&targets)?;
    rows.push(from_outside("the sibling lives on", sibling.answers()));
    rows.push(from_outside("nobody came to the host's sockets", scene.nobody_came()));
    Ok(rows)
}

fn from_outside(attack: &str, held: bool) -> WallCheck {
    WallCheck { attack: format!("control: {attack}"), held, detail: "seen from outside".into() }
}

/// A directory of its own for one test, removed afterwards.
struct Place {
    dir: PathBuf,
    name: String,
}

impl Place {
    fn new(state: &Path) -> Result<Self, SandboxError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Short: a socket's path may have no more than 107 bytes.
        let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = state.join(&name);
        fs::create_dir_all(&dir).map_err(|e| fail(&dir, &e))?;
        Ok(Self { dir, name })
    }

    fn spec(&self, owner: &str, mode: &str) -> Result<SandboxSpec, SandboxError> {
        let dir = self.dir.join(owner);
        Ok(SandboxSpec {
            owner: PrincipalId::new(owner).map_err(|e| fail(&dir, &e))?,
            purpose: Purpose::Agent,
            home: dir.join("h"),
            work: dir.join("w"),
            socket_dir: Some(dir.join("s")),
            binds: Vec::new(),
            env: Vec::new(),
            argv: vec!["/rt/bin/agents-init".into(), mode.into()],
            cwd: "/work".into(),
            limits: Limits {
                memory_bytes: 1 << 30,
                processes: 320,
                file_bytes: 1 << 20,
                open_files: 1024,
                tmp_bytes: 1 << 20,
            },
            tty: false,
            forward_port: None,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn fail(path: &Path, why: &dyn std::fmt::Display) -> SandboxError {
    prepare("self-test", format!("{}: {why}", path.display()))
}

/// Everything outside that the attacker will try to reach.
struct Scene {
    attacker: SandboxSpec,
    sibling: SandboxSpec,
    tmux: PathBuf,
    state_file: PathBuf,
    abstract_name: String,
    /// The attacker's own socket: it may be reached.
    _own: UnixListener,
    /// Those that must stay unreached.
    guarded: Vec<UnixListener>,
}

impl Scene {
    fn build(sandbox: &BwrapSandbox, place: &Place) -> Result<Self, SandboxError> {
        let attacker = place.spec(PROBES[0], "__attack")?;
        let sibling = place.spec(PROBES[1], "__sibling")?;
        sandbox.prepare(&attacker)?;
        sandbox.prepare(&sibling)?;
        let own = socket_for(sandbox, place, &attacker)?;
        let other = socket_for(sandbox, place, &sibling)?;
        let (tmux, state_file) = (place.dir.join("tmux"), place.dir.join("secret"));
        fs::write(&state_file, "secret").map_err(|e| fail(&state_file, &e))?;
        let like_tmux = UnixListener::bind(&tmux).map_err(|e| fail(&tmux, &e))?;
        let abstract_name = format!("foureyes-{}", place.name);
        let hidden = SocketAddr::from_abstract_name(&abstract_name)
            .and_then(|address| UnixListener::bind_addr(&address))
            .map_err(|e| fail(&place.dir, &e))?;
        let guarded = vec![other, like_tmux, hidden];
        Ok(Self { attacker, sibling, tmux, state_file, abstract_name, _own: own, guarded })
    }

    fn targets(&self, sibling: &Running, canary: &str) -> Targets {
        let pids = descendants(sibling.child.pid());
        Targets {
            runtime: std::process::id().cast_signed(),
            sibling: pids.into_iter().map(u32::cast_signed).collect(),
            sibling_socket: self.sibling.home.with_file_name(SOCKET),
            tmux_socket: self.tmux.clone(),
            state_file: self.state_file.clone(),
            abstract_socket: self.abstract_name.clone(),
            canary: canary.to_owned(),
        }
    }

    fn nobody_came(&self) -> bool {
        self.guarded.iter().all(|listener| {
            listener.set_nonblocking(true).is_ok()
                && listener.accept().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
        })
    }
}

fn socket_for(
    sandbox: &BwrapSandbox,
    place: &Place,
    spec: &SandboxSpec,
) -> Result<UnixListener, SandboxError> {
    let path = place.dir.join(spec.owner.to_string()).join(SOCKET);
    let listener = UnixListener::bind(&path).map_err(|e| fail(&path, &e))?;
    sandbox.hand_over_socket(&spec.owner, &path)?;
    Ok(listener)
}

/// A sandbox with what it says, line by line.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<ChildStderr>,
}

impl Running {
    /// Launches and waits for the first line, so that the program is known to live inside.
    fn start(
        sandbox: &BwrapSandbox,
        spec: &SandboxSpec,
        env: &[(String, String)],
    ) -> Result<Self, SandboxError> {
        let mut running = Self::launch(sandbox, spec, env)?;
        match running.lines.recv_timeout(PATIENCE) {
            Ok(line) if line == "ready" => Ok(running),
            Ok(line) => Err(SandboxError::Forbidden(format!("the first process said {line:?}"))),
            Err(_) => Err(SandboxError::Forbidden(running.complaint())),
        }
    }

    fn launch(
        sandbox: &BwrapSandbox,
        spec: &SandboxSpec,
        env: &[(String, String)],
    ) -> Result<Self, SandboxError> {
        sandbox.prepare(spec)?;
        let mut launch = sandbox.launch(spec)?;
        launch.env.extend_from_slice(env);
        let child: PipedChild = spawn_here(&launch).map_err(|e| SandboxError::Forbidden(e.to_string()))?;
        let (child, input, output, errors) = child.into_parts();
        Ok(Self { child, input, lines: lines_of(output), errors })
    }

    /// What a failed start printed.
    fn complaint(&mut self) -> String {
        self.child.kill();
        let mut text = String::new();
        if let Some(errors) = self.errors.take() {
            // Cut and not UTF-8 are both no reason to say nothing.
            let _ = errors.take(MESSAGE).read_to_string(&mut text);
        }
        let hint = if text.contains("uid map") || text.contains("namespace") {
            "; user namespaces may be switched off (kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns)"
        } else {
            ""
        };
        format!("{}{hint}", text.trim())
    }

    fn answers(&mut self) -> bool {
        let asked = self.input.as_mut().is_some_and(|input| input.write_all(b"?\n").is_ok());
        asked && self.lines.recv_timeout(PATIENCE).is_ok_and(|line| line == "alive")
    }

    fn attack(mut self, targets: &Targets) -> Result<Vec<WallCheck>, SandboxError> {
        let forbidden = |e: &dyn std::fmt::Display| SandboxError::Forbidden(format!("the attacker: {e}"));
        let plan = serde_json::to_string(targets).map_err(|e| forbidden(&e))?;
        let mut input = self.input.take().ok_or_else(|| forbidden(&"no input"))?;
        writeln!(input, "{plan}").map_err(|e| forbidden(&e))?;
        let mut rows = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let Row { attack, held, detail } = serde_json::from_str(&line).map_err(|e| forbidden(&e))?;
            rows.push(WallCheck { attack, held, detail });
        }
        if rows.is_empty() { Err(SandboxError::Forbidden(self.complaint())) } else { Ok(rows) }
    }
}

/// Reads on a thread, so that a silent sandbox cannot hold up its tester for ever.
fn lines_of(output: Option<ChildStdout>) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        let output = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        for line in output.map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

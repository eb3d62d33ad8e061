//! One run: its directory, its deadline, its log, and the sandboxes it starts.

use crate::{advisory, log::Log, outcome, settings::Settings, tree};
use foureyes_ports::{
    runner::{Progress, RunLimits},
    sandbox::{Bind, Limits, Purpose, RunRequest, RunResult, SandboxRunner, SandboxSpec, Tier},
};
use foureyes_protocol::{PrincipalId, testrun::RunOutcome};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// The checkout, as seen inside.
pub(crate) const SRC: &str = "/work/src";

/// Bytes kept of each output of a build or a suite.
const OUTPUT_CAP: usize = 16 << 20;

/// How the checkout is shown to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Read-only.
    ReadOnly,
    /// A writable copy of the process's own.
    Copy,
}

/// The private directories of one sandbox on the host.
pub(crate) struct Room {
    pub(crate) home: PathBuf,
    pub(crate) work: PathBuf,
}

/// One process tree to run to its end.
pub(crate) struct Step {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) cwd: PathBuf,
    pub(crate) stdin: Vec<u8>,
    pub(crate) timeout: Duration,
    pub(crate) purpose: Purpose,
    pub(crate) proxy: Option<foureyes_ports::runner::Proxy>,
    pub(crate) output_cap: usize,
}

impl Step {
    /// A step of a gate run in the root of the checkout, without limits of its own.
    pub(crate) fn new(argv: Vec<String>) -> Self {
        Self {
            argv,
            env: Vec::new(),
            binds: Vec::new(),
            cwd: PathBuf::from(SRC),
            stdin: Vec::new(),
            timeout: Duration::MAX,
            purpose: Purpose::GateRun,
            proxy: None,
            output_cap: OUTPUT_CAP,
        }
    }
}

/// One run of a suite or a command.
pub(crate) struct Session {
    sandbox: Arc<dyn SandboxRunner>,
    pub(crate) settings: Arc<Settings>,
    owner: PrincipalId,
    pub(crate) limits: RunLimits,
    started: Instant,
    dir: tempfile::TempDir,
    rooms: AtomicUsize,
    pub(crate) log: Log,
    progress: Option<mpsc::Sender<Progress>>,
    /// The checkout on the host.
    pub(crate) checkout: PathBuf,
}

impl Session {
    /// Makes the run directory.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub(crate) fn open(
        sandbox: Arc<dyn SandboxRunner>,
        settings: Arc<Settings>,
        owner: PrincipalId,
        limits: RunLimits,
        checkout: &Path,
        progress: Option<mpsc::Sender<Progress>>,
    ) -> io::Result<Self> {
        let runs = settings.state_dir.join("runs");
        fs::create_dir_all(&runs)?;
        let dir = tempfile::Builder::new().prefix("run-").tempdir_in(runs)?;
        let (started, rooms, log) = (Instant::now(), AtomicUsize::new(0), Log::default());
        let checkout = checkout.to_owned();
        Ok(Self { sandbox, settings, owner, limits, started, dir, rooms, log, progress, checkout })
    }

    /// Removes the run directory off the async threads (a target directory is large).
    pub(crate) async fn close(self) {
        let dir = self.dir;
        // What cannot be removed is swept with the state directory; the run's result stands.
        let _ = tokio::task::spawn_blocking(move || dir.close()).await;
    }

    /// Milliseconds since the run began.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What is left of the run's time.
    pub(crate) fn remaining(&self) -> Duration {
        self.limits.timeout.saturating_sub(self.started.elapsed())
    }

    /// Tells the listener, if it keeps up.
    pub(crate) fn report(&self, text: impl Into<String>, done: usize, total: usize) {
        if let Some(listener) = &self.progress {
            // A full or closed channel only costs the listener a line.
            let _ = listener.try_send(Progress { text: text.into(), done, total });
        }
    }

    /// New private directories for one sandbox.
    pub(crate) fn room(&self) -> io::Result<Room> {
        let n = self.rooms.fetch_add(1, Ordering::Relaxed);
        let base = self.dir.path().join(n.to_string());
        let room = Room { home: base.join("home"), work: base.join("work") };
        fs::create_dir_all(&room.home)?;
        fs::create_dir_all(&room.work)?;
        Ok(room)
    }

    /// Shows the tree at `host` as [`SRC`] in a room; the bind to add to each step there, if any.
    pub(crate) async fn show(&self, room: &Room, host: &Path, view: View) -> io::Result<Option<Bind>> {
        let here = room.work.join("src");
        if view == View::Copy {
            return copy(host.to_owned(), here).await.map(|()| None);
        }
        fs::create_dir_all(&here)?;
        Ok(Some(bind(host, SRC, false)))
    }

    /// Runs a step, at most as long as the run still has.
    ///
    /// # Errors
    /// [`RunOutcome::LimitExceeded`] when no time is left, [`RunOutcome::BrokenEnvironment`] when
    /// the sandbox could not be started.
    pub(crate) async fn exec(&self, room: &Room, step: Step) -> Result<RunResult, RunOutcome> {
        let timeout = step.timeout.min(self.remaining());
        if timeout.is_zero() {
            return Err(outcome::out_of_time(self.limits.timeout, &[]));
        }
        let (output_cap, stdin) = (step.output_cap, step.stdin.clone());
        let spec = self.spec(room, step);
        let open = self.settings.tier == Tier::Advisory;
        if open {
            advisory::link(&spec).map_err(io_broken("no links in the run directory"))?;
        }
        let request = RunRequest { spec: spec.clone(), stdin, timeout, output_cap };
        let ended = self.sandbox.run(request).await;
        let result = ended.map_err(|error| outcome::broken(format!("the sandbox did not start: {error}")))?;
        Ok(if open { advisory::inside(&spec, result) } else { result })
    }

    fn spec(&self, room: &Room, step: Step) -> SandboxSpec {
        SandboxSpec {
            owner: self.owner.clone(),
            purpose: step.purpose,
            home: room.home.clone(),
            work: room.work.clone(),
            socket_dir: step.proxy.as_ref().map(|proxy| proxy.socket_dir.clone()),
            binds: step.binds,
            env: step.env,
            argv: step.argv,
            cwd: step.cwd,
            limits: self.sandbox_limits(),
            tty: false,
            forward_port: step.proxy.map(|proxy| proxy.port),
        }
    }

    fn sandbox_limits(&self) -> Limits {
        Limits {
            memory_bytes: self.limits.memory_bytes,
            processes: self.limits.processes,
            file_bytes: 2 << 30,
            open_files: 4096,
            tmp_bytes: 1 << 30,
        }
    }
}

/// Copies a tree off the async threads: it may be large.
pub(crate) async fn copy(from: PathBuf, to: PathBuf) -> io::Result<()> {
    let copied = tokio::task::spawn_blocking(move || tree::copy(&from, &to)).await;
    copied.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// A bind of a host path at a path inside.
pub(crate) fn bind(host: &Path, inside: impl Into<PathBuf>, writable: bool) -> Bind {
    Bind { host: host.to_owned(), inside: inside.into(), writable }
}

/// A trouble with the run's own directories, as an outcome.
pub(crate) fn io_broken(what: &str) -> impl Fn(io::Error) -> RunOutcome + '_ {
    move |error| outcome::broken(format!("{what}: {error}; check space and rights of the state directory"))
}

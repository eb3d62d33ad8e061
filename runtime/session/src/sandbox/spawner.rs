//! The one thread that starts processes. A parent-death signal is bound to the *thread* that
//! spawned, so all spawning is done by a thread that lives as long as the runtime.

use super::{
    child::{Child, PipedChild},
    processes::reap_strays,
};
use foureyes_ports::sandbox::Launch;
use nix::{
    libc,
    sys::{prctl, signal::Signal},
    unistd::getppid,
};
use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

/// How often dead strays are collected while nothing is spawned.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// Jobs that may wait before a caller has to.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The spawning thread has ended; the runtime is shutting down.
    #[error("the spawning thread has ended")]
    Gone,
    /// The kernel refused.
    #[error("{program} could not be started: {source}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

/// Handle of the spawning thread. When the last clone is dropped the thread ends, and with it
/// every process that it started.
#[derive(Clone, Debug)]
pub struct Spawner {
    jobs: SyncSender<Job>,
}

impl Spawner {
    /// Starts the thread and makes this process the one that inherits orphans of its descendants.
    ///
    /// # Errors
    /// [`SpawnError::Start`] when the thread cannot be started.
    pub fn new() -> Result<Self, SpawnError> {
        let start = |source| SpawnError::Start { program: "the spawning thread".into(), source };
        prctl::set_child_subreaper(true).map_err(|e| start(e.into()))?;
        let (jobs, queue) = sync_channel(QUEUE);
        std::thread::Builder::new().name("spawner".into()).spawn(move || serve(&queue)).map_err(start)?;
        Ok(Self { jobs })
    }

    /// Runs something on the spawning thread and waits for its answer: for an owner of a PTY, which
    /// spawns in its own way. Blocks the calling thread for as long as `job` runs.
    ///
    /// # Errors
    /// [`SpawnError::Gone`] when the thread has ended or `job` panicked.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, SpawnError> {
        let (answer, answered) = sync_channel(1);
        let boxed: Job = Box::new(move || drop(answer.send(job())));
        self.jobs.send(boxed).map_err(|_| SpawnError::Gone)?;
        answered.recv().map_err(|_| SpawnError::Gone)
    }

    /// Starts a process with pipes on its three standard streams, an own process group, no other
    /// descriptor and SIGKILL at this thread's death. Takes about a millisecond; needs no tokio.
    ///
    /// # Errors
    /// [`SpawnError`] when it cannot be started.
    pub fn spawn_piped(&self, launch: &Launch) -> Result<PipedChild, SpawnError> {
        let launch = launch.clone();
        let program = launch.program.display().to_string();
        let started = self.run(move || spawn_here(&launch))?;
        started.map_err(|source| SpawnError::Start { program, source })
    }
}

/// As [`Spawner::spawn_piped`], from the calling thread: the process dies with that thread.
pub(crate) fn spawn_here(launch: &Launch) -> io::Result<PipedChild> {
    let mut command = command(launch);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    Ok(PipedChild::new(Child::adopt(child.id())?, streams))
}

fn serve(queue: &Receiver<Job>) {
    loop {
        match queue.recv_timeout(REAP_EVERY) {
            // A panicking job must not end the thread: all processes would die with it.
            Ok(job) => drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job))),
            Err(RecvTimeoutError::Timeout) => drop(reap_strays()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The command for a launch: its environment and nothing else, its own process group, every
/// descriptor above 2 closed at `execve`, SIGKILL when the calling thread dies.
#[allow(clippy::disallowed_methods, reason = "the one home of programs that are started behind a wall")]
pub fn command(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).env_clear().envs(launch.env.iter().map(|(k, v)| (k, v))).process_group(0);
    harden(&mut command);
    command
}

/// Closes descriptors and ties the process to the calling thread; the part of [`command`] that an
/// owner of a PTY needs for its own `Command`.
pub fn harden(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        default_signals();
        close_others_on_exec()
    };
    // SAFETY: only async-signal-safe system calls between fork and exec; nothing allocates.
    unsafe { command.pre_exec(prepare) };
}

/// What the runtime's own starter ignored (a shell ignores SIGINT for what it runs in the background)
/// must not be ignored inside: Ctrl-C in an agent's terminal reaches its program.
fn default_signals() {
    for signal in (1..32).filter(|n| *n != libc::SIGKILL && *n != libc::SIGSTOP) {
        // SAFETY: async-signal-safe; takes no handler of ours away, for this process is about to exec.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Marks every descriptor above 2, so that what std uses to report a failed `execve` still works.
fn close_others_on_exec() -> io::Result<()> {
    // SAFETY: sets a flag on descriptors; closes nothing.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

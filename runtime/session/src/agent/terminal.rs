//! Opening a terminal and starting a program in it.

use super::{input::set_nonblocking, prompt::TerminalMode};
use crate::sandbox::{Child, Spawner};
use foureyes_ports::{
    backend::{AgentStart, BackendError, Size},
    sandbox::Launch,
};
use nix::sys::termios::{LocalFlags, tcgetattr};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

/// The runtime's side of a terminal.
pub(super) struct Terminal {
    master: Mutex<Box<dyn MasterPty + Send>>,
}

impl Terminal {
    /// A second descriptor of the terminal, for reading or writing; none of them blocks.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = master.as_raw_fd().ok_or_else(|| io::Error::other("a terminal without a descriptor"))?;
        // SAFETY: `master` owns the descriptor and lives longer than this borrow of it.
        let fd = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned()?;
        set_nonblocking(&fd)?;
        Ok(fd)
    }

    /// Changes the size; the program gets SIGWINCH. Without effect when it is gone.
    pub(super) fn resize(&self, size: Size) {
        let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = master.resize(pty_size(size)) {
            tracing::debug!(%why, "a terminal kept its size");
        }
    }
}

/// What the terminal behind this descriptor is like now.
pub(super) fn mode(fd: impl AsFd, bracketed_paste: bool) -> TerminalMode {
    let canonical = tcgetattr(fd).is_ok_and(|t| t.local_flags.contains(LocalFlags::ICANON));
    TerminalMode { bracketed_paste, canonical }
}

/// Opens a terminal and starts the launch in it, on the spawner's thread.
pub(super) async fn open(spawner: &Spawner, start: &AgentStart) -> Result<(Terminal, Child), BackendError> {
    let resource =
        |why: String| BackendError::Resource { what: "spawning thread", role: start.role.clone(), why };
    let (spawner, job) = (spawner.clone(), start.clone());
    let opened = tokio::task::spawn_blocking(move || spawner.run(move || spawn(&job)));
    opened.await.map_err(|e| resource(e.to_string()))?.map_err(|e| resource(e.to_string()))?
}

fn spawn(start: &AgentStart) -> Result<(Terminal, Child), BackendError> {
    let no_terminal =
        |why: String| BackendError::Resource { what: "terminal", role: start.role.clone(), why };
    let refused =
        |why: String| BackendError::Spawn { program: start.launch.program.display().to_string(), why };
    let pair = native_pty_system().openpty(pty_size(start.size)).map_err(|e| no_terminal(e.to_string()))?;
    let started = pair.slave.spawn_command(command(&start.launch));
    // While we held the program's side open, its end would never be seen on ours.
    drop(pair.slave);
    let mut process = started.map_err(|e| refused(e.to_string()))?;
    let pid = process.process_id().ok_or_else(|| refused("it has no process id".into()))?;
    match Child::adopt(pid) {
        Ok(child) => Ok((Terminal { master: Mutex::new(pair.master) }, child)),
        Err(why) => {
            let _ = process.kill();
            let _ = process.wait();
            Err(refused(format!("it cannot be watched: {why}")))
        }
    }
}

/// The launch's environment and nothing else. The library insists on `SHELL` and on a directory:
/// both are given, so that nothing of the runtime's own leaks.
fn command(launch: &Launch) -> CommandBuilder {
    let mut command = CommandBuilder::new(&launch.program);
    command.args(&launch.args);
    command.env_clear();
    command.env("SHELL", "/bin/sh");
    for (name, value) in &launch.env {
        command.env(name, value);
    }
    command.cwd("/");
    command
}

fn pty_size(size: Size) -> PtySize {
    PtySize { rows: size.rows(), cols: size.cols(), pixel_width: 0, pixel_height: 0 }
}

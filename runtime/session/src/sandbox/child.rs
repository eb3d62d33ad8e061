//! A started process: waiting for its end without a thread, and ending it.

use super::processes::{first_inside, reap_strays};
use nix::{
    libc,
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A child of this process, held by a pidfd: its pid cannot mean another process.
///
/// Dropping it kills the process and collects it.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    pidfd: OwnedFd,
    exit: Option<Exit>,
}

impl Child {
    /// Takes charge of a child that nothing else waits for.
    ///
    /// # Errors
    /// What `pidfd_open` says; `ESRCH` when there is no such process.
    pub fn adopt(pid: u32) -> io::Result<Self> {
        // SAFETY: a system call without pointers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.cast_signed(), libc::PIDFD_NONBLOCK) };
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { pid, pidfd, exit: None })
    }

    /// The process id on the host.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end; answers at once when it has been seen before. Safe to cancel.
    ///
    /// # Errors
    /// What the kernel says when the descriptor cannot be watched.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let pidfd = self.pidfd.as_fd();
        // SAFETY: the borrow keeps the descriptor open for as long as it is watched.
        let watched = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE)? };
        let exit = loop {
            let mut ready = watched.readable().await?;
            if let Some(exit) = collect(self.pidfd.as_fd(), WaitPidFlag::WNOHANG)? {
                break exit;
            }
            ready.clear_ready();
        };
        drop(watched);
        self.exit = Some(exit);
        reap_strays();
        Ok(exit)
    }

    /// Whether the process is dead, collected or not.
    pub fn has_ended(&self) -> bool {
        self.exit.is_some() || poll_exit(self.pidfd.as_fd(), 0)
    }

    /// Sends SIGKILL to the launched process; with a sandbox around it nothing inside survives.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Asks the inside to end, waits for `grace` and then kills.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub async fn stop(&mut self, grace: Duration) -> io::Result<Exit> {
        self.terminate();
        if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
            return exit;
        }
        self.kill();
        self.wait().await
    }

    /// Sends SIGTERM to the pid 1 inside, which hands it to the program. The launched process
    /// itself would take the whole sandbox down at once.
    pub fn terminate(&self) {
        if self.exit.is_some() {
            return;
        }
        match first_inside(self.pid) {
            Some(inside) => drop(kill(Pid::from_raw(inside.cast_signed()), Signal::SIGTERM)),
            None => self.signal(Signal::SIGTERM),
        }
    }

    fn signal(&self, signal: Signal) {
        // SAFETY: a system call with a null siginfo, which the kernel allows.
        unsafe {
            let none = std::ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), signal as i32, none, 0);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.kill();
            // SIGKILL of bubblewrap takes some milliseconds at most; a zombie would stay for ever.
            poll_exit(self.pidfd.as_fd(), 1000);
            let _ = collect(self.pidfd.as_fd(), WaitPidFlag::WNOHANG);
        }
    }
}

/// Waits up to `millis` milliseconds for a process; whether it is dead.
fn poll_exit(pidfd: BorrowedFd<'_>, millis: u16) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], PollTimeout::from(millis)).is_ok_and(|n| n > 0)
}

fn collect(pidfd: BorrowedFd<'_>, flags: WaitPidFlag) -> io::Result<Option<Exit>> {
    match waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED | flags) {
        Ok(WaitStatus::Exited(_, code)) => Ok(Some(Exit::Code(code))),
        Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Some(Exit::Signal(signal as i32))),
        Ok(_) => Ok(None),
        // A non-blocking pidfd answers so for a process that still lives.
        Err(nix::errno::Errno::EAGAIN) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// A child and the runtime's ends of its three pipes.
#[derive(Debug)]
pub struct PipedChild {
    /// The process.
    pub child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl PipedChild {
    pub(crate) fn new(
        child: Child,
        (stdin, stdout, stderr): (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>),
    ) -> Self {
        Self { child, stdin, stdout, stderr }
    }

    /// The process and its pipes for use in tokio: standard input, output and error.
    ///
    /// # Errors
    /// What the kernel says; also outside of a tokio runtime.
    pub fn into_async(self) -> io::Result<(Child, pipe::Sender, pipe::Receiver, pipe::Receiver)> {
        let Self { child, stdin, stdout, stderr } = self;
        let missing = || io::Error::other("a stream was not piped");
        let stdin = pipe::Sender::from_owned_fd(stdin.ok_or_else(missing)?.into())?;
        let stdout = pipe::Receiver::from_owned_fd(stdout.ok_or_else(missing)?.into())?;
        let stderr = pipe::Receiver::from_owned_fd(stderr.ok_or_else(missing)?.into())?;
        Ok((child, stdin, stdout, stderr))
    }

    /// The process and its pipes for blocking use.
    pub fn into_parts(self) -> (Child, Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.child, self.stdin, self.stdout, self.stderr)
    }
}

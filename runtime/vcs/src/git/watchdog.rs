//! Ends a child's process group when its time is up.

use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use std::{
    io,
    process::{Child, ExitStatus},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Watches one child that leads its own process group.
pub(super) struct Watchdog {
    group: Pid,
    done: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watchdog {
    /// Starts to watch.
    pub fn guard(child: &Child, limit: Duration) -> Self {
        let group = Pid::from_raw(child.id().cast_signed());
        let (done, wake) = channel();
        let thread = thread::spawn(move || {
            let late = wake.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = killpg(group, Signal::SIGKILL);
            }
            late
        });
        Self { group, done, thread }
    }

    /// Ends the group now.
    pub fn kill(&self) {
        let _ = killpg(self.group, Signal::SIGKILL);
    }

    /// Waits for the child; says also whether its time was up.
    ///
    /// The child is reaped only after the watch has ended, so that its number cannot meanwhile
    /// belong to somebody else.
    pub fn wait(self, child: &mut Child) -> io::Result<(ExitStatus, bool)> {
        let _ = waitid(Id::Pid(self.group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = self.done.send(());
        let late = self.thread.join().unwrap_or(false);
        Ok((child.wait()?, late))
    }
}

//! The life of one process: who may end it, how its end is seen, and under which name it is told.

use crate::sandbox::{Child, Exit};
use foureyes_ports::backend::{AgentEvent, DeliverError, ExitCause, Grace};
use nix::{
    libc,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// What is wanted of the process; only ever raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Live,
    Terminate,
    Die,
}

/// The handle by which a session ends its process. Dropping it kills the process.
pub(super) struct Life {
    pid: u32,
    wish: watch::Sender<Wish>,
    reason: Arc<Mutex<Option<ExitCause>>>,
    ended: watch::Receiver<Option<ExitCause>>,
}

impl Life {
    /// Watches a process from now on. When it is gone, `last_words` is awaited (readers take what
    /// is left), and then its cause is told as the last event.
    pub(super) fn watch(
        child: Child,
        facts: mpsc::Sender<AgentEvent>,
        last_words: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let pid = child.pid();
        let (wish, wishes) = watch::channel(Wish::Live);
        let (ended_tx, ended) = watch::channel(None);
        let reason = Arc::new(Mutex::new(None));
        let given = Arc::clone(&reason);
        let starved = oom_kills();
        tokio::spawn(async move {
            let exit = guard(child, wishes).await;
            last_words.await;
            let reason = given.lock().unwrap_or_else(PoisonError::into_inner).take();
            let cause = reason.unwrap_or_else(|| cause(exit, oom_kills() > starved));
            ended_tx.send_replace(Some(cause.clone()));
            // Nobody listens any more when the session was dropped.
            let _ = facts.send(AgentEvent::Exited(cause)).await;
        });
        Self { pid, wish, reason, ended }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// An error when the process is gone.
    pub(super) fn check(&self) -> Result<(), DeliverError> {
        if self.ended.borrow().is_some() { Err(DeliverError::Ended) } else { Ok(()) }
    }

    /// Ends the process at once; the first reason given is the one that is told.
    pub(super) fn kill(&self, cause: ExitCause) {
        self.give_reason(cause);
        self.raise(Wish::Die);
    }

    /// Ends the process step by step; `polite` asks it to quit.
    pub(super) async fn stop(&self, grace: Grace, polite: impl Future<Output = ()>) -> ExitCause {
        self.give_reason(ExitCause::Requested);
        if !grace.quit.is_zero() {
            // Both at once: a program that does not read its input still has only so long.
            let both = async { tokio::join!(self.end(), polite).0 };
            if let Ok(cause) = timeout(grace.quit, both).await {
                return cause;
            }
        }
        if !grace.term.is_zero() {
            self.raise(Wish::Terminate);
            if let Ok(cause) = timeout(grace.term, self.end()).await {
                return cause;
            }
        }
        self.raise(Wish::Die);
        self.end().await
    }

    fn give_reason(&self, cause: ExitCause) {
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.get_or_insert(cause);
    }

    fn raise(&self, wish: Wish) {
        self.wish.send_if_modified(|now| {
            let raised = *now < wish;
            *now = wish.max(*now);
            raised
        });
    }

    async fn end(&self) -> ExitCause {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(cause) => cause.clone().unwrap_or(ExitCause::Requested),
            // The task was dropped with the whole tokio runtime, and killed its process.
            Err(_) => ExitCause::Requested,
        }
    }
}

/// Sees the process to its end and grants the wishes meanwhile.
async fn guard(mut child: Child, mut wishes: watch::Receiver<Wish>) -> io::Result<Exit> {
    let pid = child.pid();
    let exit = loop {
        tokio::select! {
            exit = child.wait() => break exit,
            changed = wishes.changed() => {
                let wish = changed.map_or(Wish::Die, |()| *wishes.borrow_and_update());
                if wish == Wish::Die {
                    kill_group(pid);
                    child.kill();
                    break child.wait().await;
                }
                child.terminate();
            }
        }
    };
    // While anything of the group lives its number cannot be given to another; when nothing does
    // it was free for only a moment.
    kill_group(pid);
    exit
}

fn kill_group(leader: u32) {
    // An error means that nobody is left in the group.
    let _ = killpg(Pid::from_raw(leader.cast_signed()), Signal::SIGKILL);
}

/// The name of an end that nobody asked for.
fn cause(exit: io::Result<Exit>, starved: bool) -> ExitCause {
    /// What a shell or a sandbox answers when its own child was killed by SIGKILL.
    const KILLED_INSIDE: i32 = 128 + libc::SIGKILL;
    match exit {
        Ok(Exit::Signal(libc::SIGKILL) | Exit::Code(KILLED_INSIDE)) if starved => ExitCause::OutOfMemory,
        Ok(Exit::Signal(signal)) => ExitCause::Signal(signal),
        Ok(Exit::Code(code)) => ExitCause::Exit(code),
        Err(why) => ExitCause::SpawnFailed(format!("its end could not be watched: {why}")),
    }
}

/// How many processes the kernel has killed for want of memory since it was booted.
fn oom_kills() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_names() {
        let cases = [
            (Exit::Code(0), false, ExitCause::Exit(0)),
            (Exit::Code(137), false, ExitCause::Exit(137)),
            (Exit::Code(137), true, ExitCause::OutOfMemory),
            (Exit::Signal(9), true, ExitCause::OutOfMemory),
            (Exit::Signal(9), false, ExitCause::Signal(9)),
            (Exit::Signal(11), true, ExitCause::Signal(11)),
            (Exit::Code(1), true, ExitCause::Exit(1)),
        ];
        for (exit, starved, expected) in cases {
            assert_eq!(cause(Ok(exit), starved), expected, "{exit:?}, starved: {starved}");
        }
    }
}

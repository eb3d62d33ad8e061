//! Writing into a program that may not read.

use foureyes_ports::backend::DeliverError;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{Mutex, mpsc},
    time::{Instant, timeout},
};

/// How long to trust the kernel to tell that a terminal takes bytes again; it does not always.
const RETRY: Duration = Duration::from_millis(50);

/// The runtime's end of a program's input. `None` once it was closed. The lock is fair: whole
/// prompts are written in the order in which they came.
pub(super) type SharedInput = Arc<Mutex<Option<Input>>>;

pub(super) struct Input {
    fd: AsyncFd<OwnedFd>,
    patience: Duration,
}

impl Input {
    /// Takes a descriptor that is written to; a program that takes nothing for `patience` is
    /// stalled.
    pub(super) fn new(fd: OwnedFd, patience: Duration) -> io::Result<Self> {
        set_nonblocking(&fd)?;
        // SAFETY: an `OwnedFd` keeps its descriptor open for as long as it lives, which is until the
        // registration is dropped.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::WRITABLE) }?;
        Ok(Self { fd, patience })
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        self.fd.get_ref()
    }

    /// Writes all of it.
    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> Result<(), DeliverError> {
        let mut progress = Instant::now();
        while !bytes.is_empty() {
            match nix::unistd::write(self.fd.get_ref().as_fd(), bytes) {
                Ok(n) => {
                    bytes = &bytes[n..];
                    progress = Instant::now();
                }
                Err(Errno::EAGAIN) => {
                    if progress.elapsed() >= self.patience {
                        return Err(DeliverError::Stalled(self.patience));
                    }
                    self.writable().await;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::EIO) => return Err(DeliverError::Ended),
                Err(other) => return Err(DeliverError::Io(other.to_string())),
            }
        }
        Ok(())
    }

    async fn writable(&self) {
        if let Ok(Ok(mut ready)) = timeout(RETRY, self.fd.writable()).await {
            ready.clear_ready();
        }
    }
}

pub(super) fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Writes what readers want to have answered, so that a reader never waits for its own program.
/// Ends when the last sender is gone.
pub(super) async fn write_answers(input: SharedInput, mut answers: mpsc::Receiver<Vec<u8>>) {
    while let Some(answer) = answers.recv().await {
        if let Some(input) = input.lock().await.as_ref()
            && let Err(why) = input.write_all(&answer).await
        {
            tracing::debug!(%why, "an answer to a program was lost");
        }
    }
}

//! The thread that reads one terminal and feeds its screen model.

use super::shared_screen::SharedScreen;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Viewers are told of changes at most this often.
const FRAME: Duration = Duration::from_millis(20);
/// How often to look again at a terminal that nobody has open; its program may open it anew.
const REOPENED: Duration = Duration::from_millis(100);
/// What is taken at most from a terminal whose program is gone.
const LAST_WORDS: usize = 1 << 20;

/// A running reader. It ends only by [`Reader::finish`] or by being dropped, whatever else holds
/// the terminal open.
pub(super) struct Reader {
    stop: PipeWriter,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Starts to read `terminal`, which must not block. Answers of the terminal are offered to
    /// `answers` and dropped when nobody takes them.
    pub(super) fn start(
        name: String,
        terminal: OwnedFd,
        screen: Arc<SharedScreen>,
        answers: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        let pump = Pump { terminal, stopped, screen, answers, unseen: false, last: None };
        let thread = std::thread::Builder::new().name(name).spawn(move || pump.run())?;
        Ok(Self { stop, thread })
    }

    /// Lets the reader take what is left and waits for it. The process must be dead before.
    pub(super) async fn finish(self) {
        let Self { stop, thread } = self;
        drop(stop);
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

struct Pump {
    terminal: OwnedFd,
    stopped: PipeReader,
    screen: Arc<SharedScreen>,
    answers: mpsc::Sender<Vec<u8>>,
    unseen: bool,
    last: Option<Instant>,
}

/// What one read gave.
enum Got {
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nobody has the terminal open. Linux says so by EIO.
    Closed,
}

impl Pump {
    fn run(mut self) {
        let mut buffer = vec![0; 16 * 1024];
        let mut closed = false;
        loop {
            if self.wait(closed) {
                self.drain(&mut buffer);
                return self.screen.publish();
            }
            closed = matches!(self.read(&mut buffer), Got::Closed);
            self.publish_when_due();
        }
    }

    /// Waits for bytes or the end of the pause; true when the reader shall stop.
    fn wait(&self, closed: bool) -> bool {
        let frame = self.unseen.then(|| FRAME.saturating_sub(self.since_last()));
        let limit = frame.or(closed.then_some(REOPENED));
        let timeout = limit.map_or(PollTimeout::NONE, |limit| {
            // Rounded up: polling with zero until the frame is over would only burn time.
            PollTimeout::try_from(limit.as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        let stop = PollFd::new(self.stopped.as_fd(), PollFlags::POLLIN);
        let terminal = PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN);
        // A closed terminal is always "ready", so it is left out until the pause is over.
        let watched = if closed { &mut [stop][..] } else { &mut [stop, terminal][..] };
        let _ = poll(watched, timeout);
        watched[0].any().unwrap_or(false)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Got {
        match nix::unistd::read(self.terminal.as_fd(), buffer) {
            Ok(0) => Got::Closed,
            Ok(n) => {
                let answer = self.screen.feed(&buffer[..n]);
                if !answer.is_empty() {
                    // A program that asks and does not read loses its answers.
                    let _ = self.answers.try_send(answer);
                }
                self.unseen = true;
                Got::Bytes(n)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Got::Nothing,
            Err(_) => Got::Closed,
        }
    }

    fn drain(&mut self, buffer: &mut [u8]) {
        let mut taken = 0;
        while taken < LAST_WORDS {
            match self.read(buffer) {
                Got::Bytes(n) => taken += n,
                Got::Nothing | Got::Closed => return,
            }
        }
    }

    fn publish_when_due(&mut self) {
        if self.unseen && self.since_last() >= FRAME {
            self.screen.publish();
            self.unseen = false;
            self.last = Some(Instant::now());
        }
    }

    fn since_last(&self) -> Duration {
        self.last.map_or(FRAME, |last| last.elapsed())
    }
}

//! How an arbiter whose thread no longer comes round is noticed.
//!
//! A handler that never returns cannot be interrupted; all that can be done inside the process is to
//! notice it. A task on the arbiter counts up, a thread of its own looks at the counter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::Instant;

/// What a look at a heartbeat has shown. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// The arbiter has been silent for too long; told once per stall.
    Stalled {
        /// How long it has been silent.
        silent_ms: u64,
    },
    /// It came back after a stall.
    Recovered {
        /// How long it was silent.
        silent_ms: u64,
    },
}

/// Judges a counter by when it last moved. Pure: time is handed in.
#[derive(Debug, Clone)]
pub struct StallDetector {
    limit_ms: u64,
    last_beat: u64,
    moved_ms: u64,
    stalled: bool,
}

impl StallDetector {
    /// A counter at `beat` that may stand still for `limit_ms`.
    pub fn new(limit_ms: u64, beat: u64, now_ms: u64) -> Self {
        Self { limit_ms, last_beat: beat, moved_ms: now_ms, stalled: false }
    }

    /// Looks at the counter; tells only what is new.
    pub fn observe(&mut self, beat: u64, now_ms: u64) -> Option<Pulse> {
        let silent_ms = now_ms.saturating_sub(self.moved_ms);
        if beat != self.last_beat {
            self.last_beat = beat;
            self.moved_ms = now_ms;
            return std::mem::take(&mut self.stalled).then_some(Pulse::Recovered { silent_ms });
        }
        if self.stalled || silent_ms < self.limit_ms {
            return None;
        }
        self.stalled = true;
        Some(Pulse::Stalled { silent_ms })
    }
}

/// Watches one arbiter from a thread of its own until it is dropped.
pub struct Watchdog {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches the arbiter on which it is called: `on_pulse` is called, on the watching thread, when the
    /// arbiter has run no task for `limit`, and when it comes back.
    ///
    /// The arbiter counts and the thread looks four times per `limit`, so a stall is told between one and
    /// one and a half limits after it began. Real time, also where the arbiter's clock is paused.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        name: &str,
        limit: Duration,
        on_pulse: impl FnMut(Pulse) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (beats, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let period = (limit / 4).max(Duration::from_millis(1));
        let watcher = Watcher { beats: beats.clone(), done: done.clone(), period, limit };
        let thread =
            thread::Builder::new().name(format!("watch-{name}")).spawn(move || watcher.run(on_pulse))?;
        actix::spawn(beat(beats, done.clone(), period));
        Ok(Self { done, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Its callback may have panicked; that is its own report.
            drop(thread.join());
        }
    }
}

async fn beat(beats: Arc<AtomicU64>, done: Arc<AtomicBool>, period: Duration) {
    while !done.load(Ordering::Acquire) {
        beats.fetch_add(1, Ordering::Release);
        tokio::time::sleep(period).await;
    }
}

struct Watcher {
    beats: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    period: Duration,
    limit: Duration,
}

impl Watcher {
    fn run(self, mut on_pulse: impl FnMut(Pulse)) {
        let start = Instant::now();
        let mut detector = StallDetector::new(self.limit.as_millis() as u64, 0, 0);
        while !self.done.load(Ordering::Acquire) {
            thread::park_timeout(self.period);
            let now_ms = start.elapsed().as_millis() as u64;
            if let Some(pulse) = detector.observe(self.beats.load(Ordering::Acquire), now_ms) {
                on_pulse(pulse);
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/watchdog.rs"]
mod tests;

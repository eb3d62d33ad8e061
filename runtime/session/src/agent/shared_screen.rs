//! The screen model of one session, shared by its reader and its viewers.

use crate::screen::{AlacrittyScreen, ScreenModel};
use foureyes_ports::{backend::Size, screen::ScreenSnapshot};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

pub(super) struct SharedScreen {
    state: Mutex<State>,
    published: watch::Sender<u64>,
    scrollback: usize,
}

struct State {
    model: AlacrittyScreen,
    size: Size,
}

impl SharedScreen {
    pub(super) fn new(size: Size, scrollback: usize) -> Self {
        let state = State { model: AlacrittyScreen::new(size, scrollback), size };
        Self { state: Mutex::new(state), published: watch::Sender::new(0), scrollback }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes output of the program and gives the terminal's answers to it. Viewers are not told
    /// before [`SharedScreen::publish`].
    pub(super) fn feed(&self, bytes: &[u8]) -> Vec<u8> {
        let mut state = self.lock();
        let fed = catch_unwind(AssertUnwindSafe(|| state.model.feed(bytes)));
        if fed.is_err() {
            // A fault of the terminal emulation costs its screen, never the session.
            tracing::error!("the screen model failed on a program's output and was emptied");
            let next = state.model.version() + 1;
            state.model = AlacrittyScreen::starting_at(state.size, self.scrollback, next);
        }
        state.model.take_answers()
    }

    /// Adds lines of plain text, as a transcript.
    pub(super) fn print(&self, text: &str) {
        for line in text.lines() {
            self.feed(line.as_bytes());
            self.feed(b"\r\n");
        }
        self.publish();
    }

    /// Tells viewers when something has changed.
    pub(super) fn publish(&self) {
        let version = self.lock().model.version();
        self.published.send_if_modified(|seen| std::mem::replace(seen, version) != version);
    }

    pub(super) fn resize(&self, size: Size) {
        let mut state = self.lock();
        state.size = size;
        state.model.resize(size);
        drop(state);
        self.publish();
    }

    pub(super) fn bracketed_paste(&self) -> bool {
        self.lock().model.bracketed_paste()
    }

    pub(super) fn snapshot(&self) -> Arc<ScreenSnapshot> {
        self.lock().model.snapshot()
    }

    pub(super) fn transcript(&self, lines: usize) -> String {
        self.lock().model.transcript(lines)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }
}

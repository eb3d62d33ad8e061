//! The keys that the viewer knows, read by a thread of their own.

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// What the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Leave,
    Resized,
}

/// The keys as they come. The thread ends when this is dropped.
pub(super) struct Keys {
    receiver: mpsc::Receiver<Key>,
    stop: Arc<AtomicBool>,
}

/// How long the thread goes without looking whether it should end.
const TICK: Duration = Duration::from_millis(100);

impl Keys {
    pub(super) fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(8);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        std::thread::Builder::new()
            .name("attach-keys".to_owned())
            .spawn(move || while !flag.load(Ordering::SeqCst) && forward(&sender).is_some() {})?;
        Ok(Self { receiver, stop })
    }

    /// The next key; `None` when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Key> {
        self.receiver.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Forwards one key, if one comes soon; `None` when the terminal or the viewer is gone.
fn forward(sender: &mpsc::Sender<Key>) -> Option<()> {
    if !event::poll(TICK).ok()? {
        return Some(());
    }
    match meaning(&event::read().ok()?) {
        Some(key) => sender.blocking_send(key).ok(),
        None => Some(()),
    }
}

/// What an event means to the viewer.
pub(super) fn meaning(event: &Event) -> Option<Key> {
    match event {
        Event::Resize(..) => Some(Key::Resized),
        Event::Key(key) if key.kind != KeyEventKind::Release => leaves(key).then_some(Key::Leave),
        _ => None,
    }
}

fn leaves(key: &KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('c' | 'd') => key.modifiers.contains(KeyModifiers::CONTROL),
        KeyCode::Char('q') => key.modifiers.is_empty(),
        _ => false,
    }
}

//! Taking an agent over: the user's keys go to its terminal, or the user's lines to an agent that
//! has none.

use super::{
    AttachEnd, Options, SINK, ScreenFeed, ScreenUpdate,
    editor::{Edit, Editor},
    frame::taken_frame,
    write,
};
use crate::{SinkError, tty::FullScreen};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    io::stdout,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// The key that gives the agent back: Ctrl-].
pub const LEAVE: u8 = 0x1d;
/// How long the thread that reads keys goes without looking whether it should end, in milliseconds.
const TICK: u16 = 100;
/// Bytes that are handed on at once.
const AT_ONCE: usize = 4096;

/// What was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A terminal: it gets keys.
    Terminal,
    /// A program without one: it gets lines.
    Lines,
}

/// Where keys and lines go. An error is told to the user, in the words of whoever refuses.
#[async_trait::async_trait]
pub trait Hands: Send {
    /// Types into the agent's terminal.
    async fn keys(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Says something to the agent, as a prompt.
    async fn say(&mut self, line: String) -> Result<(), String>;
}

/// Shows a role's terminal and hands on what the user types, until Ctrl-] or until the feed ends.
/// The caller has seen to it that input and output are a terminal.
///
/// # Errors
/// [`SinkError`] when the terminal cannot be used or written any more.
pub async fn take(
    feed: &mut dyn ScreenFeed,
    hands: &mut dyn Hands,
    taken: Taken,
    options: Options,
) -> Result<AttachEnd, SinkError> {
    let _screen = FullScreen::enter().map_err(SinkError::terminal(SINK))?;
    let mut keys = RawKeys::listen().map_err(SinkError::terminal(SINK))?;
    let mut resized = signal(SignalKind::window_change()).map_err(SinkError::terminal(SINK))?;
    let mut view = View { newest: None, editor: Editor::default(), told: None, taken, options };
    loop {
        tokio::select! {
            update = feed.next() => match update {
                Some(update) => view.newest = Some(update),
                None => return Ok(AttachEnd::FeedEnded),
            },
            bytes = keys.0.recv() => {
                let Some(bytes) = bytes else { return Ok(AttachEnd::Detached) };
                if view.typed(hands, &bytes).await {
                    return Ok(AttachEnd::Detached);
                }
            },
            _ = resized.recv() => {}
        }
        view.show()?;
    }
}

struct View {
    newest: Option<ScreenUpdate>,
    editor: Editor,
    /// What was refused last.
    told: Option<String>,
    taken: Taken,
    options: Options,
}

impl View {
    /// Hands on what was typed; true when the user leaves.
    async fn typed(&mut self, hands: &mut dyn Hands, bytes: &[u8]) -> bool {
        match self.taken {
            Taken::Terminal => {
                let (keys, leaves) = until_leaving(bytes);
                if !keys.is_empty() {
                    self.told = hands.keys(keys).await.err();
                }
                leaves
            }
            Taken::Lines => {
                for edit in self.editor.typed(bytes) {
                    match edit {
                        Edit::Leave => return true,
                        Edit::Line(line) => self.told = hands.say(line).await.err(),
                    }
                }
                false
            }
        }
    }

    fn show(&self) -> Result<(), SinkError> {
        let Some(update) = &self.newest else { return Ok(()) };
        let size = crossterm::terminal::size().map_err(SinkError::terminal(SINK))?;
        let line = (self.taken == Taken::Lines).then(|| self.editor.line());
        let keys = match &self.told {
            Some(told) => format!(" {} · Ctrl-] gives it back ", foureyes_ports::text::clean_text(told, 60)),
            None => " Ctrl-] gives it back ".to_owned(),
        };
        let update = ScreenUpdate { taken: true, ..update.clone() };
        write(&mut stdout(), &taken_frame(&update, size, self.options, line.as_deref(), &keys))
    }
}

/// The keys before the one that leaves, and whether it was pressed.
fn until_leaving(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|byte| *byte == LEAVE) {
        Some(at) => (&bytes[..at], true),
        None => (bytes, false),
    }
}

/// The bytes of the keys as they come. The thread ends when this is dropped.
struct RawKeys(mpsc::Receiver<Vec<u8>>, Arc<AtomicBool>);

impl RawKeys {
    fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(8);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        std::thread::Builder::new()
            .name("take-keys".to_owned())
            .spawn(move || while !flag.load(Ordering::SeqCst) && forward(&sender).is_some() {})?;
        Ok(Self(receiver, stop))
    }
}

impl Drop for RawKeys {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

/// Forwards what was typed, if anything comes soon; `None` when the terminal or the viewer is gone.
fn forward(keys: &mpsc::Sender<Vec<u8>>) -> Option<()> {
    let stdin = std::io::stdin();
    let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, PollTimeout::from(TICK)).ok()? == 0 {
        return Some(());
    }
    let mut bytes = vec![0; AT_ONCE];
    let n = nix::unistd::read(stdin.as_fd(), &mut bytes).ok().filter(|n| *n > 0)?;
    bytes.truncate(n);
    keys.blocking_send(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Record(Vec<String>);

    #[async_trait::async_trait]
    impl Hands for Record {
        async fn keys(&mut self, bytes: &[u8]) -> Result<(), String> {
            self.0.push(format!("keys {}", bytes.escape_ascii()));
            Ok(())
        }

        async fn say(&mut self, line: String) -> Result<(), String> {
            self.0.push(format!("say {line}"));
            Err("it is frozen\x1b[2J".to_owned())
        }
    }

    fn view(taken: Taken) -> View {
        let options = Options { colour: false, hint: true };
        View { newest: None, editor: Editor::default(), told: None, taken, options }
    }

    #[tokio::test]
    async fn a_terminal_gets_keys_up_to_the_one_that_leaves() {
        let (mut view, mut hands) = (view(Taken::Terminal), Record::default());
        assert!(!view.typed(&mut hands, b"ls\x1b[A\x03\r").await);
        assert!(view.typed(&mut hands, b"x\x1drest").await);
        assert!(view.typed(&mut hands, b"\x1d").await);
        assert_eq!(hands.0, ["keys ls\\x1b[A\\x03\\r", "keys x"]);
    }

    #[tokio::test]
    async fn a_program_without_a_terminal_gets_lines() {
        let (mut view, mut hands) = (view(Taken::Lines), Record::default());
        assert!(!view.typed(&mut hands, b"one\rtw").await);
        assert_eq!(view.editor.line(), "tw");
        assert!(view.told.as_deref().is_some_and(|told| told.starts_with("it is frozen")));
        assert!(view.typed(&mut hands, b"o\r\x1d").await);
        assert_eq!(hands.0, ["say one", "say two"]);
    }
}

//! One running program.

use super::{AgentEvents, ExitCause, Size};
use crate::screen::ScreenSnapshot;
use async_trait::async_trait;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;
use uuid::Uuid;

/// Names one prompt. The same id is used again when a delivery is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptId(pub Uuid);

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text for the program to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its name.
    pub id: PromptId,
    /// The text. Controls and escape sequences in it are dropped, newlines are kept where the
    /// program can take them.
    pub text: String,
    /// Whether it should interrupt what the program does now, where it can.
    pub urgent: bool,
}

/// The bytes of a prompt are in the program's input. It says nothing about whether it read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which prompt.
    pub id: PromptId,
    /// How many bytes were written.
    pub bytes: usize,
}

/// Why a prompt was not written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeliverError {
    /// The program is gone; deliver to the next one.
    #[error("the program has ended")]
    Ended,
    /// The program did not read its input in time. Part of the text may have been written: the
    /// state of this prompt is unknown.
    #[error("the program did not read its input within {0:?}")]
    Stalled(Duration),
    /// The program's input cannot take so long a line.
    #[error("a line of {bytes} bytes does not fit the program's input of {max}; send a shorter text")]
    TooLong {
        /// Bytes of the line.
        bytes: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The program is not ready for a prompt, or a person is typing into it: try again later.
    #[error("the program cannot take a prompt now: {0}")]
    NotReady(&'static str),
    /// This back end cannot do it.
    #[error("this back end cannot {0}")]
    Unsupported(&'static str),
    /// The operating system refused to write.
    #[error("writing to the program failed: {0}")]
    Io(String),
}

/// How long each step of an orderly stop may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// After the polite request, before SIGTERM.
    pub quit: Duration,
    /// After SIGTERM, before SIGKILL of the launched process and its group; under a sandbox that
    /// is the end of the whole process namespace.
    pub term: Duration,
}

impl Default for Grace {
    /// 10 s, then 5 s.
    fn default() -> Self {
        Self { quit: Duration::from_secs(10), term: Duration::from_secs(5) }
    }
}

impl Grace {
    /// No patience: the process and its group are killed at once.
    pub const NONE: Self = Self { quit: Duration::ZERO, term: Duration::ZERO };
}

/// A running program. All methods may be called at any time and from any task, also after its end.
/// Dropping the session kills the program.
#[async_trait]
pub trait AgentSession: Send + Sync {
    /// The process id on the host (of the launcher, when the program runs in a sandbox).
    fn pid(&self) -> u32;

    /// The events. `Some` on the first call, `None` ever after.
    fn events(&self) -> Option<AgentEvents>;

    /// Whether the program tells when it is ready, when it has seen a prompt and when a turn ends.
    /// Such a program is given one prompt at a time; another one is given a prompt whenever there
    /// is something to say.
    fn reports_turns(&self) -> bool {
        false
    }

    /// Whether a person has taken the program over: the runtime delivers nothing meanwhile.
    fn taken_over(&self) -> bool {
        false
    }

    /// Asks the program for a sign of life, which comes as [`super::AgentEvent::Pong`].
    ///
    /// # Errors
    /// `Unsupported` where programs have no such question; else as for [`AgentSession::deliver`].
    async fn ping(&self) -> Result<(), DeliverError> {
        Err(DeliverError::Unsupported("be asked for a sign of life"))
    }

    /// Writes a prompt into the program's input. Prompts of one session are written whole and in
    /// the order of the calls.
    ///
    /// # Errors
    /// [`DeliverError`]; only after `Stalled` and `Io` may part of the text have been written.
    async fn deliver(&self, prompt: Prompt) -> Result<Written, DeliverError>;

    /// Answers an [`super::AgentEvent::Asked`] with one JSON text.
    ///
    /// # Errors
    /// `Unsupported` where programs cannot ask; else as for [`AgentSession::deliver`].
    async fn answer(&self, ask: &str, payload: &str) -> Result<(), DeliverError>;

    /// Asks the program to leave off what it does and to wait for the next prompt.
    ///
    /// # Errors
    /// As for [`AgentSession::deliver`].
    async fn interrupt(&self) -> Result<(), DeliverError>;

    /// Whether the program has a terminal that a person can type into ([`AgentSession::type_raw`]).
    fn has_terminal(&self) -> bool {
        false
    }

    /// A person takes the program, or gives it back ([`AgentSession::taken_over`]). While its
    /// terminal is held, [`AgentSession::deliver`] answers `NotReady`, and a line that is left half
    /// typed is dropped before the next prompt; without a terminal, what the person says is delivered
    /// as a prompt.
    fn hold(&self, held: bool) {
        let _ = held;
    }

    /// Writes what a person who took the terminal over has typed, as it is.
    ///
    /// # Errors
    /// `Unsupported` where there is no terminal; else as for [`AgentSession::deliver`].
    async fn type_raw(&self, bytes: &[u8]) -> Result<(), DeliverError>;

    /// Ends the program in good order: asks politely, then SIGTERM, then SIGKILL. Returns when it
    /// is gone, with why; at once when it was gone before. Its last event says the same.
    async fn stop(&self, grace: Grace) -> ExitCause;

    /// Ends the program at once and gives the reason that the last event shall name (such as
    /// [`ExitCause::Hung`]). Does not wait. Without effect after the end.
    fn kill(&self, cause: ExitCause);

    /// Changes the size of the terminal, or of the view on the transcript.
    fn resize(&self, size: Size);

    /// What is on the screen now. Cheap when nothing changed since the last call.
    fn screen(&self) -> Arc<ScreenSnapshot>;

    /// Follows the screen's version: wakes when the screen changed, any number of viewers.
    fn screen_changes(&self) -> watch::Receiver<u64>;

    /// The last `lines` lines of history and screen, as clean text.
    fn transcript(&self, lines: usize) -> String;
}

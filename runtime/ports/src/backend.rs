//! Programs that act for a role, and the one way in which the runtime starts, feeds, watches and
//! ends them. A program in a PTY and one that speaks JSON lines over pipes fit the same port; what
//! differs is how much each can tell about itself.
//!
//! **Delivery** has three steps that must not be confused. *Written*: the bytes went into the
//! program's input ([`AgentSession::deliver`] answers). *Seen*: the program took the prompt
//! ([`AgentEvent::Seen`] from back ends that acknowledge; else the runtime learns it from the
//! program's own call to the gateway). *Acted*: an effect arrived at the gateway. What a screen
//! shows is never evidence of any of them.

mod conformance;
mod event;
mod fake;
mod session;

pub use conformance::{Subject, conformance};
pub use event::{AgentEvent, AgentEvents, AgentState, Ask, ExitCause, TurnEnd, TurnReport};
pub use fake::{FakeBackend, FakeSession, Ping};
pub use session::{AgentSession, DeliverError, Grace, Prompt, PromptId, Written};

use crate::sandbox::Launch;
use async_trait::async_trait;
use foureyes_protocol::PrincipalId;
use uuid::Uuid;

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    rows: u16,
    cols: u16,
}

impl Size {
    /// The smallest and the largest number of rows or columns; outside of it terminal models fail.
    pub const RANGE: std::ops::RangeInclusive<u16> = 2..=500;

    /// The size, brought into [`Size::RANGE`].
    pub fn new(rows: u16, cols: u16) -> Self {
        let clamp = |n: u16| n.clamp(*Self::RANGE.start(), *Self::RANGE.end());
        Self { rows: clamp(rows), cols: clamp(cols) }
    }

    /// Rows.
    pub fn rows(self) -> u16 {
        self.rows
    }

    /// Columns.
    pub fn cols(self) -> u16 {
        self.cols
    }
}

impl Default for Size {
    /// 40 rows of 120 columns.
    fn default() -> Self {
        Self { rows: 40, cols: 120 }
    }
}

/// What the program's standard streams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A terminal of its own.
    Pty,
    /// Three pipes; a record is a line.
    Pipes,
}

/// The conversation that a program keeps for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRef {
    /// Its id; the runtime sees to it that no two live programs use the same one.
    pub id: Uuid,
    /// Whether it exists already and is to be continued.
    pub resume: bool,
}

/// What is started, for whom.
#[derive(Clone, Debug)]
pub struct AgentStart {
    /// For which role.
    pub role: PrincipalId,
    /// How many programs this role has had, this one included; names the session in logs.
    pub generation: u64,
    /// The process.
    pub launch: Launch,
    /// The size of its terminal, or of the view on its transcript.
    pub size: Size,
    /// Its conversation. The launch's arguments already carry it, where the program takes it so.
    pub session: SessionRef,
    /// Its streams.
    pub transport: Transport,
}

/// Why a program could not be started.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BackendError {
    /// This back end has no such streams.
    #[error("this back end does not run programs over {0:?}; choose another `backend` for the role")]
    Transport(Transport),
    /// The operating system gave no terminal, pipe or thread.
    #[error("no {what} for {role}: {why}")]
    Resource {
        /// What is missing.
        what: &'static str,
        /// For whom.
        role: PrincipalId,
        /// What the system said.
        why: String,
    },
    /// The program cannot be executed.
    #[error("cannot start {program}: {why}")]
    Spawn {
        /// Its path.
        program: String,
        /// What the system said.
        why: String,
    },
}

/// A way to run programs that act for roles. Cheap to share; one for each kind in the
/// configuration.
#[async_trait]
pub trait AgentBackend: Send + Sync {
    /// The kind's name in the configuration, such as `scripted`.
    fn name(&self) -> &'static str;

    /// Starts a program. It is alive, or has been, when this returns; its first event is
    /// [`AgentEvent::Started`].
    ///
    /// # Errors
    /// [`BackendError`] when nothing was started; nothing is left behind then.
    async fn start(&self, start: AgentStart) -> Result<Box<dyn AgentSession>, BackendError>;
}

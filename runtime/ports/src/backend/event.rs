//! What a session tells about itself, and in what order.

use super::PromptId;
use crate::{clock::UnixMillis, model::ModelTrouble};
use futures::Stream;
use tokio::sync::{mpsc, watch};

/// What a program is doing, as far as its back end knows it from a structured source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Started, and not ready for a prompt.
    Starting,
    /// Waits for a prompt.
    Idle,
    /// Works on a prompt.
    Busy,
    /// Waits for an answer to a question of its own ([`AgentEvent::Asked`]).
    WaitingPermission,
}

/// The end of one turn of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnReport {
    /// The prompt that began it, when the program tells.
    pub prompt: Option<PromptId>,
    /// Tokens read in this turn.
    pub input_tokens: u64,
    /// Tokens written in this turn.
    pub output_tokens: u64,
    /// Cost since the program started, in millionths of a US dollar, as the program reckons it.
    pub cost_microusd: u64,
    /// How it ended.
    pub end: TurnEnd,
}

/// How a turn of a model ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TurnEnd {
    /// The model had no more to say.
    #[default]
    Done,
    /// The runtime or a person interrupted it.
    Interrupted,
    /// The model could not be had, or refused the request.
    Failed(ModelTrouble),
    /// The program ended the turn for a reason of its own, in its words.
    GaveUp(String),
}

/// A question of the program that the runtime must answer by [`super::AgentSession::answer`]; the
/// program waits, and does not act, until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Names the question within its session.
    pub id: String,
    /// Which protocol message it is, such as `can_use_tool` or `hook_callback`.
    pub kind: String,
    /// The question as one JSON text; the agent's word, not to be trusted.
    pub payload: String,
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// The process lives. Always the first event.
    Started {
        /// Its process id on the host.
        pid: u32,
    },
    /// What the program does changed.
    State(AgentState),
    /// The screen changed since the last event of this kind; look at it when convenient.
    Screen,
    /// The program took a prompt. Only from back ends whose programs acknowledge in a structured
    /// way; never derived from what a terminal shows.
    Seen(PromptId),
    /// A turn of the model ended.
    TurnEnded(TurnReport),
    /// A tool of the program began, or ended.
    Tool {
        /// The program's own id of the call.
        call: String,
        /// The tool.
        name: String,
        /// Whether it runs now.
        running: bool,
    },
    /// The program answered an [`super::AgentSession::ping`].
    Pong,
    /// The program is not what was ordered (another model, missing tools, no connection to the
    /// runtime): it must not work. In words that say what mends it.
    Unfit(String),
    /// From now on the program's conversation can be taken up again under this id of the program's
    /// own. Only from programs that choose the id themselves.
    Conversation(String),
    /// The conversation that was to be taken up is lost, in the program's words: it knows nothing of
    /// what was, and begins a new one.
    Forgot(String),
    /// The program asks.
    Asked(Ask),
    /// The program's model could not be reached; the program itself lives.
    ApiTrouble {
        /// HTTP status, when there was one.
        status: Option<u16>,
        /// How long the program will wait, in milliseconds, when it tells.
        retry_in_ms: Option<u64>,
        /// Cleaned text of the program.
        what: String,
    },
    /// The program broke its protocol (a line that is too long or no record); it lives on.
    Protocol(String),
    /// The process is gone, and what it left in its process group as well. Always the last event.
    Exited(ExitCause),
}

/// Why a process is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitCause {
    /// The runtime asked it to stop.
    Requested,
    /// It ended with this code.
    Exit(i32),
    /// It was killed by this signal, not by us.
    Signal(i32),
    /// It could not be started.
    SpawnFailed(String),
    /// The runtime ended it because it made no progress.
    Hung,
    /// The kernel ended it for want of memory.
    OutOfMemory,
    /// It is not what was ordered ([`AgentEvent::Unfit`]); starting it again does not help.
    Unfit(String),
    /// Its account was refused; starting again does not help.
    Auth,
    /// The provider wants a pause.
    RateLimited {
        /// When the pause ends, where it is known.
        until: Option<UnixMillis>,
    },
}

impl ExitCause {
    /// Whether a supervisor should start the program again.
    pub fn wants_restart(&self) -> bool {
        !matches!(self, Self::Requested | Self::Auth | Self::Unfit(_))
    }

    /// Whether the restart counts against the role's restart intensity; a pause that the provider
    /// ordered does not.
    pub fn spends_intensity(&self) -> bool {
        self.wants_restart() && !matches!(self, Self::RateLimited { .. })
    }
}

impl std::fmt::Display for ExitCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requested => f.write_str("stopped on request"),
            Self::Exit(code) => write!(f, "ended with code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::SpawnFailed(why) => write!(f, "could not be started: {why}"),
            Self::Hung => f.write_str("hung and was ended"),
            Self::OutOfMemory => f.write_str("ended by the kernel for want of memory"),
            Self::Unfit(why) => write!(f, "is not what was ordered: {why}"),
            Self::Auth => f.write_str("its account was refused"),
            Self::RateLimited { .. } => f.write_str("paused by its provider's rate limit"),
        }
    }
}

/// The events of one session, in order. [`AgentEvent::Screen`] is coalesced: however much the
/// program writes, at most one waits. After [`AgentEvent::Exited`] the stream is at its end; the
/// last screen is then final.
#[derive(Debug)]
pub struct AgentEvents {
    facts: mpsc::Receiver<AgentEvent>,
    screen: Option<watch::Receiver<u64>>,
}

impl AgentEvents {
    /// The events from a queue of facts and the screen's version, for back ends.
    pub fn new(facts: mpsc::Receiver<AgentEvent>, screen: watch::Receiver<u64>) -> Self {
        Self { facts, screen: Some(screen) }
    }

    /// The next event; `None` after the last. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<AgentEvent> {
        let Some(screen) = self.screen.as_mut() else {
            return self.facts.recv().await;
        };
        tokio::select! {
            biased;
            fact = self.facts.recv() => fact,
            changed = screen.changed() => match changed {
                Ok(()) => Some(AgentEvent::Screen),
                Err(_) => {
                    self.screen = None;
                    self.facts.recv().await
                }
            },
        }
    }

    /// The same as a stream, for an actor that takes one.
    pub fn into_stream(self) -> impl Stream<Item = AgentEvent> + Send + Unpin {
        Box::pin(futures::stream::unfold(self, |mut events| async move {
            events.next().await.map(|event| (event, events))
        }))
    }
}

//! The model behind the agents: what the runtime's proxy sees of it, and what stands in for it
//! where there is no account.
//!
//! An agent's own word about tokens, money and errors of its model counts for nothing; what counts
//! is what the proxy saw pass.

pub use foureyes_protocol::{ModelTrouble, ModelUse};

use foureyes_protocol::{PrincipalId, Reason};
use serde_json::{Map, Value};
use std::time::Duration;

/// What the proxy tells while it serves a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelEvent {
    /// A request went out.
    Asked,
    /// A piece of an answer came in. Told at most once a second.
    Heard,
    /// What a request used, whether it was answered to its end or broke off.
    Used(ModelUse),
    /// A request failed, or was refused before it went out.
    Trouble(ModelTrouble),
    /// A request that went out is over: answered, failed, or given up by the agent. Told once for each
    /// `Asked`, after all else of it.
    Ended,
}

/// Whoever watches what agents use of their models. Must not block.
pub trait ModelWatch: Send + Sync {
    /// Whether this role may ask its model now.
    ///
    /// # Errors
    /// Why not (a budget is spent, the account is paused); the agent is told.
    fn admit(&self, role: &PrincipalId) -> Result<(), Reason>;

    /// Something happened.
    fn tell(&self, role: &PrincipalId, event: ModelEvent);
}

/// A stand-in for a model: a pure function of the request, so that a retried or resumed request
/// gets the same answer.
pub trait StandIn: Send + Sync {
    /// The answer to a request of the Messages API (its JSON body) by the agent of this name.
    fn reply(&self, agent: &str, request: &Value) -> Reply;
}

/// What a stand-in answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// How long it thinks first.
    pub think: Duration,
    /// How it ends.
    pub outcome: ReplyOutcome,
}

/// How an answer of a stand-in ends.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyOutcome {
    /// A message of these blocks.
    Message(Vec<Block>),
    /// An error.
    Error {
        /// HTTP status, such as 429.
        status: u16,
        /// The API's name of it, such as `rate_limit_error`.
        kind: String,
        /// In words.
        message: String,
        /// More headers, such as `retry-after`.
        headers: Vec<(String, String)>,
    },
    /// A message whose stream breaks off in the middle of its last block.
    Cut(Vec<Block>),
    /// A stream that begins and then says nothing more.
    Silence,
}

impl Default for ReplyOutcome {
    fn default() -> Self {
        Self::Message(Vec::new())
    }
}

/// A block of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text.
    Text(String),
    /// A call of a tool.
    ToolUse {
        /// The tool, as the request offers it.
        name: String,
        /// Its arguments.
        input: Map<String, Value>,
    },
}

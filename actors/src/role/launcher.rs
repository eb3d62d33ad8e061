//! What a role needs of the composer: its program, answers to that program's questions, and a look at
//! what the program itself remembers.

use async_trait::async_trait;
use foureyes_ports::backend::{AgentSession, Ask, PromptId};
use foureyes_protocol::{PrincipalId, Reason};

/// Which program is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// How many programs this role has had in this epoch, this one included.
    pub generation: u64,
    /// Whether the conversation is begun anew; else an earlier one goes on where there is one.
    pub new_conversation: bool,
}

/// A program that was started.
pub struct Started {
    /// It.
    pub session: Box<dyn AgentSession>,
    /// Whether it goes on with a conversation that began in an earlier program.
    pub resumed: bool,
}

/// The answer to a question of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// One JSON text.
    pub payload: String,
    /// What was refused, in one line, and why.
    pub refused: Option<(String, Reason)>,
}

impl Answered {
    /// An answer that refuses nothing.
    pub fn new(payload: impl Into<String>) -> Self {
        Self { payload: payload.into(), refused: None }
    }
}

/// Starts agent processes: sandbox, clone, socket and back end are the composer's.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts the agent of a role.
    ///
    /// # Errors
    /// What is wrong and what mends it, in one line.
    async fn launch(&self, role: &PrincipalId, order: Order) -> Result<Started, String>;

    /// Whether the process is only started when something waits for it.
    fn lazy(&self, role: &PrincipalId) -> bool;

    /// Returns when the sandbox of this process has passed a ceiling, with what it used; never
    /// otherwise.
    async fn excess(&self, role: &PrincipalId, pid: u32) -> String;

    /// Whether a model stands behind the role's program, so that every turn costs.
    fn has_model(&self, role: &PrincipalId) -> bool;

    /// Brings what a role may only read to the present state of the target branch; before each turn.
    async fn refresh(&self, role: &PrincipalId);

    /// The answer to a question of a role's program. Whatever is not understood is refused.
    async fn answer(&self, role: &PrincipalId, ask: &Ask) -> Answered;

    /// Whether the program's own transcript shows that it took this prompt; `None` where it keeps
    /// none.
    async fn was_seen(&self, role: &PrincipalId, prompt: PromptId) -> Option<bool>;

    /// The program's conversation can be taken up again under this id of the program's own.
    fn conversed(&self, role: &PrincipalId, id: &str);

    /// How long the program's own transcript is, in bytes; `None` where it keeps none.
    fn transcript_bytes(&self, role: &PrincipalId) -> Option<u64>;
}

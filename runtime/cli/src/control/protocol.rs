//! What goes over the control socket: one line of JSON asks, one or more lines answer.

use super::screen::WireUpdate;
use foureyes_ports::view::{QuestionView, View};
use foureyes_protocol::{Address, Digest, FeatureId, PrincipalId, Reason, body::FeatureAction};
use serde::{Deserialize, Serialize};

/// Version of this protocol; client and runtime of one machine may differ after an update.
pub const VERSION: u32 = 1;

/// The largest request, in bytes (1 MiB).
pub const MAX_REQUEST: u64 = 1 << 20;

/// What the user typed for the second factor.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// The short digest of the decision, as it was shown.
    pub digest: String,
    /// The one-time code, or `FRAUD`.
    pub code: String,
}

/// Never shows the code.
impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typed").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What the user does to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleAction {
    /// Ends its process; it comes back with its inbox.
    Restart,
    /// Ends its process and keeps it down.
    Pause,
}

/// A request with the version of its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// What is asked for.
    pub request: Request,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The picture: one [`Response::View`].
    View,
    /// The picture now and whenever it changes: [`Response::View`]s without end.
    Watch,
    /// A role's terminal, now and whenever it changes: [`Response::Screen`]s without end.
    Screen(PrincipalId),
    /// Takes a role's agent over for as long as the connection stands: [`Response::Taken`], then an
    /// answer to each [`Hand`] that follows, one a line.
    Take(PrincipalId),
    /// A new feature.
    Feature {
        /// Its name.
        id: FeatureId,
        /// One line.
        title: String,
        /// The whole request.
        text: String,
    },
    /// Steers a feature.
    Steer {
        /// Its name.
        id: FeatureId,
        /// What to do.
        action: FeatureAction,
        /// Why.
        reason: String,
    },
    /// A message.
    Send {
        /// To whom.
        to: Address,
        /// The text.
        text: String,
        /// The feature that it is about.
        feature: Option<FeatureId>,
    },
    /// What waits under this number or id: one [`Response::Question`].
    Question(String),
    /// Answers a question.
    Answer {
        /// Its number or id.
        which: String,
        /// The answer.
        text: String,
    },
    /// Approves what waits.
    Approve {
        /// Its number or id.
        which: String,
        /// The second factor, where one is asked for.
        typed: Option<Typed>,
    },
    /// Rejects what waits.
    Reject {
        /// Its number or id.
        which: String,
        /// What has to change.
        findings: Vec<String>,
    },
    /// Stops everything that changes something.
    Freeze {
        /// Why.
        reason: String,
    },
    /// The digest that lifting the freeze is bound to: one [`Response::Decision`].
    UnfreezeDecision,
    /// Lifts the freeze.
    Unfreeze {
        /// What was found.
        report: String,
        /// The second factor.
        typed: Typed,
    },
    /// Does something to a role.
    Role {
        /// Which.
        role: PrincipalId,
        /// What.
        action: RoleAction,
    },
    /// Makes a supervised actor panic.
    Crash(String),
    /// Ends the runtime in good order.
    Down,
}

/// What whoever has taken an agent over does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// Keys for its terminal, as bytes.
    Keys(Vec<u8>),
    /// A line for a program without one.
    Say(String),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The picture.
    View(Box<View>),
    /// A role's terminal.
    Screen(Box<WireUpdate>),
    /// An agent was taken over; whether it has a terminal that takes keys.
    Taken {
        /// Else it takes lines.
        terminal: bool,
    },
    /// What waits.
    Question(Box<QuestionView>),
    /// The digest that a code is bound to.
    Decision(Digest),
    /// Done, in words.
    Done(String),
    /// A rule refuses it.
    Refused(Reason),
    /// The request cannot be served.
    Failed(String),
}

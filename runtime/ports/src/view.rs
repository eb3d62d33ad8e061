//! What displays, `status` and the agents' tools show: one plain picture of the whole, made by the
//! projector from the ledger and from live signals. All text in it is fit for people already
//! ([`crate::text`]); a sink only lays it out.

use foureyes_protocol::{CommitId, Digest, Family, FeatureId, Gate, MessageId, Outcome, PrincipalId, Risk};
use serde::{Deserialize, Serialize};

/// The picture. Cheap to share: sinks get it in an `Arc`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Rises with every change, so that a sink redraws only what is new.
    pub version: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// When this epoch began.
    pub started_ms: u64,
    /// Name of the repository, for titles.
    pub repository: String,
    /// The runtime's epoch.
    pub epoch: u64,
    /// The tier of the sandbox in force, such as `SEPARATE-UID`.
    pub tier: String,
    /// Records in the ledger.
    pub records: u64,
    /// Hash of the newest record.
    pub head: Digest,
    /// Name of the target branch.
    pub target: String,
    /// The target branch as last imported or merged.
    pub main: Option<CommitId>,
    /// Why everything is frozen.
    pub frozen: Option<String>,
    /// Roles set aside, with why.
    pub quarantined: Vec<(PrincipalId, String)>,
    /// The roles, in the order of the configuration.
    pub roles: Vec<RoleView>,
    /// The services of the runtime.
    pub services: Vec<ServiceView>,
    /// The features, oldest first.
    pub features: Vec<FeatureView>,
    /// Write locks held now.
    pub locks: Vec<LockView>,
    /// The newest messages, oldest first, at most 200.
    pub messages: Vec<MessageLine>,
    /// What waits for the user.
    pub questions: Vec<QuestionView>,
    /// Alerts of this epoch, newest last, at most 50.
    pub alerts: Vec<String>,
    /// Refusals of this epoch.
    pub refusals: u64,
    /// Model turns that began while nothing waited for the agent. Always 0.
    pub idle_turns: u64,
    /// What models were used for, in all epochs.
    #[serde(default)]
    pub spent: SpentView,
}

/// Where a role stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleState {
    /// Its process was not started yet.
    #[default]
    Asleep,
    /// Its process is starting.
    Starting,
    /// It waits.
    Idle,
    /// It works.
    Busy,
    /// It asked for a permission and waits.
    Waiting,
    /// It died and comes back.
    Restarting,
    /// It died too often; its work goes to others.
    Degraded,
    /// It was stopped.
    Stopped,
}

impl std::fmt::Display for RoleState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Asleep => "asleep",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Waiting => "waiting",
            Self::Restarting => "restarting",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
        })
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleView {
    /// Its id.
    pub id: PrincipalId,
    /// Its family.
    pub family: Family,
    /// Its back end, such as `scripted`.
    pub backend: String,
    /// Where it stands.
    pub state: RoleState,
    /// Host pid of its sandbox.
    pub pid: Option<u32>,
    /// How often its process was started in this epoch.
    pub generation: u64,
    /// How often it was restarted after a death.
    pub restarts: u32,
    /// What it works on, one line.
    pub work: String,
    /// Envelopes that it has not acknowledged.
    pub unread: u64,
    /// Age of the oldest of these, in milliseconds.
    pub oldest_unread_ms: u64,
    /// Milliseconds since its last sign of life.
    pub quiet_ms: u64,
    /// Resident memory of its sandbox, in bytes; 0 when unknown.
    pub memory: u64,
    /// Turns of its model so far, where its program tells of them.
    #[serde(default)]
    pub turns: u64,
    /// How far the newest prompt came.
    #[serde(default)]
    pub delivery: DeliveryView,
    /// Why no turn begins now.
    #[serde(default)]
    pub held: Option<String>,
    /// What its model was used for, in all epochs.
    #[serde(default)]
    pub spent: SpentView,
}

/// How far a prompt came; milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// When the turn was ordered.
    pub prompted_ms: Option<u64>,
    /// When it stood in the program's input.
    pub written_ms: Option<u64>,
    /// When the program took it.
    pub seen_ms: Option<u64>,
    /// When the first effect of it arrived.
    pub acted_ms: Option<u64>,
}

/// What was used of a model, as the runtime's proxy counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentView {
    /// Requests that were answered.
    pub requests: u64,
    /// Tokens, read and written, cached or not.
    pub tokens: u64,
    /// Millionths of a US dollar, of what has a price.
    pub microusd: u64,
    /// Requests to models without a price.
    pub unpriced: u64,
}

/// A service of the runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Whether it answered its last heartbeat in time.
    pub responsive: bool,
    /// How often it was restarted in this epoch.
    pub restarts: u32,
}

/// A feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureView {
    /// Its name.
    pub id: FeatureId,
    /// One line.
    pub title: String,
    /// `feature`, `fix`…; empty before the spec.
    pub kind: String,
    /// Its risk.
    pub risk: Risk,
    /// The first gate that it has not passed.
    pub gate: Gate,
    /// `active`, `paused`, `waiting: …`, `cancelled`, `done`.
    pub status: String,
    /// Whether it is above the 4-eyes threshold; absent before the first push.
    pub above_threshold: Option<bool>,
    /// The dev who answers for it.
    pub author: Option<PrincipalId>,
    /// Changed lines and files.
    pub size: (u64, u64),
    /// The tip of its branch.
    pub head: Option<CommitId>,
    /// The content that approvals name.
    pub content: Option<Digest>,
    /// The merge on the target branch.
    pub merged: Option<CommitId>,
    /// When it was requested and when it ended (milliseconds since the Unix epoch).
    pub requested_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Verdicts, oldest first.
    pub verdicts: Vec<VerdictLine>,
    /// What it waits for, in words.
    pub waiting_for: Vec<String>,
    /// Progress of a gate run under way, such as `RED: 12/40 tests`.
    pub progress: Option<String>,
    /// Counted returns.
    pub returns: u32,
    /// What models were used for it.
    #[serde(default)]
    pub spent: SpentView,
}

/// A verdict, for tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictLine {
    /// Where it stands in the ledger.
    pub record: u64,
    /// When.
    pub at_ms: u64,
    /// The gate.
    pub gate: Gate,
    /// How it ended.
    pub outcome: Outcome,
    /// One line.
    pub summary: String,
    /// Codes of its reasons.
    pub codes: Vec<String>,
    /// Who signed.
    pub signers: Vec<PrincipalId>,
    /// How long the check took, in milliseconds.
    pub millis: u64,
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockView {
    /// The scope.
    pub scope: String,
    /// Who holds it.
    pub holder: PrincipalId,
    /// The fencing token.
    pub token: u64,
    /// When its lease ends.
    pub until_ms: u64,
}

/// How much a line of the message flow matters to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Ordinary.
    Plain,
    /// A gate passed, something landed.
    Good,
    /// A gate returned, a request waits.
    Warn,
    /// A refusal, an incident, a freeze.
    Bad,
}

/// One line of the message flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageLine {
    /// Where it stands in the ledger.
    pub record: u64,
    /// When.
    pub at_ms: u64,
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Kind.
    pub kind: String,
    /// The feature.
    pub feature: Option<FeatureId>,
    /// The gist, one line.
    pub text: String,
    /// How much it matters.
    pub tone: Tone,
}

/// Something that waits for the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuestionView {
    /// Its message.
    pub id: MessageId,
    /// A short number of this run, for typing (`agents answer 3 yes`).
    pub number: u64,
    /// Who asks.
    pub from: PrincipalId,
    /// The feature.
    pub feature: Option<FeatureId>,
    /// `question`, `sign-off`, `decision`, `co-sign`, `task`, `alert`.
    pub what: String,
    /// The text.
    pub text: String,
    /// Answers to choose from.
    pub options: Vec<String>,
    /// The digest that a one-time code is bound to, where the second factor is asked for.
    pub decision: Option<Digest>,
    /// When it was asked.
    pub at_ms: u64,
}

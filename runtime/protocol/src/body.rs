//! What envelopes say: one structure a kind, with fixed field order.
//!
//! Agents write the kinds of the first group through typed tools; the runtime alone writes those of
//! the second. Texts are data of their sender, never orders to the receiver.

use crate::{
    artifact::{AdmittedFile, EvidenceRef},
    change::{ChangeFacts, ChangeKind, ChangeSummary, Risk},
    code::Reason,
    digest::Digest,
    gate::{Gate, Outcome},
    ids::{CommitId, FeatureId, MessageId, PrincipalId},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A planner writes the spec of a feature.
    WriteSpec,
    /// The orchestrator names the devs of a feature.
    AssignWork,
    /// A dev writes tests, then code.
    Implement,
    /// Docs write documentation on the feature's branch.
    WriteDocs,
    /// The orchestrator proposes DEPLOY.
    ProposeDeploy,
    /// The author mends what a gate sent back.
    Mend,
}

/// What a sign-off is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The specification.
    Spec,
    /// The tests admitted at RED.
    Tests,
    /// The whole change at PEER.
    Change,
    /// The verification at QA.
    Verification,
    /// The user-facing documentation.
    Docs,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Subject::Spec => "spec",
            Subject::Tests => "tests",
            Subject::Change => "change",
            Subject::Verification => "verification",
            Subject::Docs => "docs",
        })
    }
}

/// A blocking finding of a reviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub severity: Risk,
    /// `file:line`.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What has to be done.
    pub fix: String,
}

/// Asks a role to do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAssignment {
    /// What.
    pub task: Task,
    /// One line.
    pub title: String,
    /// The whole request.
    pub text: String,
    /// Branch to push to.
    pub branch: Option<String>,
    /// Commit to start from.
    pub base: Option<CommitId>,
    /// Files that the work is meant to touch (globs); the claim.
    pub paths: Vec<String>,
    /// Who may be named, for `AssignWork`.
    pub candidates: Vec<PrincipalId>,
}

/// A task is done, says its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskComplete {
    /// What was done.
    pub summary: String,
    /// What the sender claims of the tests: checked by the runtime, never believed.
    pub tests_pass: Option<bool>,
}

/// A specification, written by a planner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecSubmitted {
    /// One line.
    pub title: String,
    /// The kind of change that it asks for.
    pub kind: ChangeKind,
    /// The risk as the planner sees it; the runtime only ever raises it.
    pub risk: Risk,
    /// Behaviour, interfaces, cases: Markdown.
    pub text: String,
    /// Files that the change is meant to touch (globs).
    pub paths: Vec<String>,
    /// Tests that are declared to pass from the start (characterisation), by id.
    pub characterisation: Vec<String>,
    /// Tests that the change removes, by id (kind `remove`).
    pub removes: Vec<String>,
    /// The merged commit that a `revert` undoes.
    pub reverts: Option<CommitId>,
}

/// A question; to the user it waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// Answers to choose from; empty for free text.
    pub options: Vec<String>,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The answer.
    pub text: String,
}

/// Free text, or the state of one's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The text.
    pub text: String,
}

/// Asks for comments, not for a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRequest {
    /// What to look at: a range or files.
    pub range: String,
    /// What to look for.
    pub focus: String,
    /// How to test it.
    pub how_to_test: String,
    /// Open questions.
    pub questions: Vec<String>,
}

/// Comments on a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFeedback {
    /// The comments.
    pub findings: Vec<Finding>,
    /// Overall.
    pub text: String,
}

/// Asks a drawn signer for a sign-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOffRequest {
    /// What is to be signed.
    pub subject: Subject,
    /// The content that the signature will name.
    pub content: Digest,
    /// The tip of the branch.
    pub head: Option<CommitId>,
    /// Added plus deleted lines.
    pub lines: u64,
    /// Files.
    pub files: u64,
    /// What the runtime checked itself.
    pub checks: Vec<String>,
    /// Evidence to look at.
    pub evidence: Vec<EvidenceRef>,
    /// The text to read: for a spec the spec, else what to look for.
    pub text: String,
}

/// A sign-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOffApproval {
    /// What is signed.
    pub subject: Subject,
    /// The content that is approved, and no other.
    pub content: Digest,
    /// The digest of the policy under which it was given (set by the gateway).
    pub policy: Digest,
    /// What the signer checked.
    pub checked: Vec<String>,
    /// What the signer ran.
    pub ran: Vec<String>,
    /// Concerns that do not block.
    pub concerns: Vec<String>,
}

/// A refusal to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOffRejection {
    /// What is refused.
    pub subject: Subject,
    /// The content that is refused.
    pub content: Digest,
    /// Why.
    pub findings: Vec<Finding>,
}

/// Asks the librarian to co-sign an act of the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoSignRequest {
    /// The act, such as `DEPLOY greet`.
    pub act: String,
    /// The content that it concerns.
    pub content: Digest,
    /// Evidence.
    pub evidence: Vec<EvidenceRef>,
    /// Points to verify.
    pub points: Vec<String>,
}

/// One point of a co-sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointAnswer {
    /// The point.
    pub point: String,
    /// Confirmed or refused.
    pub confirmed: bool,
    /// The librarian's own evidence.
    pub evidence: String,
}

/// The librarian's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoSign {
    /// The content that it concerns.
    pub content: Digest,
    /// Whether the act is co-signed.
    pub granted: bool,
    /// Whether it was granted by rule and not by a reader.
    pub by_rule: bool,
    /// Point by point.
    pub points: Vec<PointAnswer>,
}

/// A vote of the council.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The proposal.
    pub proposal: MessageId,
    /// The choice.
    pub choice: String,
    /// Why.
    pub reasons: String,
    /// Risks seen.
    pub risks: String,
}

/// A dispute that needs a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The dispute.
    pub dispute: String,
    /// Each position with its evidence.
    pub positions: Vec<String>,
    /// The exact question.
    pub question: String,
}

/// A decision that the user takes, where the rules ask for it with the second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalDecisionRequest {
    /// The category, such as `deploy-critical`.
    pub category: String,
    /// The exact act.
    pub act: String,
    /// The digest that the user's code is bound to.
    pub decision: Digest,
    /// Positions and consequences.
    pub options: Vec<String>,
    /// What is recommended.
    pub recommendation: String,
    /// Whether a one-time code is asked for.
    pub second_factor: bool,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionAnnouncement {
    /// The decision that is answered.
    pub decision: Digest,
    /// Whether it was approved.
    pub approved: bool,
    /// Whether a one-time code was given and accepted.
    pub second_factor: bool,
    /// Why.
    pub reason: String,
}

/// Asks for a third, random review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TertiaryReviewRequest {
    /// The content.
    pub content: Digest,
    /// The tip.
    pub head: CommitId,
    /// What to look for.
    pub look_for: String,
}

/// The verdict of a third review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TertiaryVerdict {
    /// The content.
    pub content: Digest,
    /// Whether it may go on.
    pub approved: bool,
    /// Findings.
    pub findings: Vec<Finding>,
}

/// Asks for the write lock, or widens a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRequest {
    /// The scope: a ref.
    pub scope: String,
    /// Files to claim besides those claimed already (globs); empty for a mere lock.
    pub widen: Vec<String>,
}

/// A grant of the write lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockGrant {
    /// The scope: a ref.
    pub scope: String,
    /// Who holds it.
    pub holder: PrincipalId,
    /// The fencing token: larger than that of every earlier grant.
    pub token: u64,
    /// When it runs out, milliseconds since the Unix epoch.
    pub until_ms: u64,
}

/// The end of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRelease {
    /// The scope.
    pub scope: String,
    /// Who held it.
    pub holder: PrincipalId,
    /// The token that is dead now.
    pub token: u64,
    /// Why: `done`, `expired`, `holder died`.
    pub why: String,
}

/// Asks for a gate; only DEPLOY is proposed, the others are asked for by pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRequest {
    /// The gate.
    pub gate: Gate,
    /// The content that it is asked for.
    pub content: Digest,
    /// Why now.
    pub text: String,
}

/// What a gate's check said, by the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// The gate.
    pub gate: Gate,
    /// How it ended.
    pub outcome: Outcome,
    /// The content that was judged.
    pub content: Digest,
    /// The tip of the branch.
    pub head: Option<CommitId>,
    /// The target branch as it was (QA, DEPLOY).
    pub main: Option<CommitId>,
    /// The tree that was run: composed, head or merge result.
    pub tree: Option<CommitId>,
    /// One line for people.
    pub summary: String,
    /// Why it was returned, or why it does not apply.
    pub reasons: Vec<Reason>,
    /// Evidence.
    pub evidence: Vec<EvidenceRef>,
    /// Test files fixed from here on (RED).
    pub admitted: Vec<AdmittedFile>,
    /// New tests that fail as they should (RED).
    pub failing: Vec<String>,
    /// Tests that failed before the change already: listed, may only shrink.
    pub known_failures: Vec<String>,
    /// Who signed.
    pub signers: Vec<PrincipalId>,
    /// The digest of the policy that judged.
    pub policy: Digest,
    /// Whether a return counts against the author (one by a moved target branch does not).
    pub counts: bool,
    /// How long the check took, in milliseconds.
    pub millis: u64,
}

/// Stops everything that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Why.
    pub reason: String,
    /// Evidence.
    pub evidence: Vec<String>,
    /// Roles concerned.
    pub roles: Vec<PrincipalId>,
    /// What has to happen before it is lifted.
    pub remedy: String,
}

/// The user lifts a freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfreeze {
    /// What was found in the audit report.
    pub report: String,
    /// Whether a one-time code was given and accepted.
    pub second_factor: bool,
}

/// A role is set aside: no locks, signatures, gate moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The role.
    pub role: PrincipalId,
    /// Why.
    pub reason: String,
    /// Whether this ends an earlier quarantine (the user's act).
    pub lifted: bool,
}

/// A person must look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// How bad.
    pub severity: Risk,
    /// A stable name of the event.
    pub event: String,
    /// The text.
    pub text: String,
}

/// The target branch was taken over from the user's repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The ref in the user's repository.
    pub source: String,
    /// The target branch before; absent at the first import.
    pub old: Option<CommitId>,
    /// The target branch now.
    pub new: CommitId,
    /// Paths that it touched, at most [`MAX_PATHS`]; more set `all_paths`.
    pub paths: Vec<String>,
    /// Whether it must count as touching every path.
    pub all_paths: bool,
}

/// The most paths that a record lists.
pub const MAX_PATHS: usize = 2_000;

/// A merge reached the user's repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The commit.
    pub commit: CommitId,
    /// Where it went, such as `branch foureyes/main`.
    pub to: String,
}

/// A new epoch: the runtime started. The first record of each epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochStarted {
    /// Version of the runtime.
    pub version: String,
    /// Digest of the accepted configuration.
    pub policy: Digest,
    /// The tier of the sandbox in force.
    pub tier: String,
    /// The roles.
    pub roster: Vec<PrincipalId>,
}

/// The user accepted a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigAccepted {
    /// Its digest.
    pub policy: Digest,
    /// Where it came from.
    pub source: String,
}

/// The user asks for a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureRequested {
    /// One line.
    pub title: String,
    /// The whole request.
    pub text: String,
}

/// The user steers a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureControl {
    /// What to do.
    pub action: FeatureAction,
    /// Why.
    pub reason: String,
}

/// What the user can do to a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureAction {
    /// Ends it; its branch stays.
    Cancel,
    /// Holds it.
    Pause,
    /// Goes on after a pause, a broken environment or too many returns.
    Retry,
    /// Takes it up again after a cancel.
    Reopen,
}

/// A push landed on a feature's branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Who pushed.
    pub by: PrincipalId,
    /// The tip before; absent at the first push.
    pub old: Option<CommitId>,
    /// The token of the lock under which it landed.
    pub token: u64,
    /// How many commits.
    pub commits: u64,
    /// The whole change against its merge base.
    pub change: ChangeSummary,
    /// What the rules made of it.
    pub facts: ChangeFacts,
}

/// The runtime ran a suite and keeps the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestEvidence {
    /// What it was run for: `baseline`, `red`, `green`, `qa`…
    pub purpose: String,
    /// The tree.
    pub tree: CommitId,
    /// Digest of command and limits.
    pub command: Digest,
    /// Digest of the environment.
    pub environment: Digest,
    /// The report in the artefact store (MessagePack of `TestReport`).
    pub report: Digest,
    /// The log in the artefact store.
    pub log: Option<Digest>,
    /// One line for people.
    pub summary: String,
}

/// The decision to land is taken: the merge commit exists and is signed, the ref moves next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// The target branch before.
    pub main: CommitId,
    /// The signed merge commit.
    pub commit: CommitId,
    /// Its tree, which is the tree that QA ran.
    pub tree: CommitId,
    /// The content that was approved.
    pub content: Digest,
}

/// The target branch moved to a merge of the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The target branch before.
    pub main: CommitId,
    /// The merge commit, now the tip of the target branch.
    pub commit: CommitId,
    /// The content.
    pub content: Digest,
    /// Paths that the merge touched.
    pub paths: Vec<String>,
    /// Everybody who signed something of it.
    pub signers: Vec<PrincipalId>,
}

/// The health of a role or service changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whose.
    pub who: String,
    /// The new state: `up`, `down`, `restarting`, `degraded`, `hung`.
    pub state: String,
    /// Why.
    pub cause: String,
}

/// The runtime refused something an agent tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Who tried.
    pub who: PrincipalId,
    /// What, in one line.
    pub what: String,
    /// Why.
    pub reason: Reason,
    /// Whether this is an incident (forgery, self-approval) and not a mere mistake.
    pub incident: bool,
}

/// A message that its receiver cannot take was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The message.
    pub message: MessageId,
    /// Its receiver.
    pub receiver: PrincipalId,
    /// Why.
    pub why: String,
}

/// A key of the signer: made, renewed, retired, revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEvent {
    /// Whose key (`gate` for the gate key).
    pub owner: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// What happened.
    pub event: String,
}

/// The signer signed a commit for a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// For whom.
    pub role: PrincipalId,
    /// Digest of what was signed.
    pub payload: Digest,
    /// Feature whose assignment allowed it.
    pub feature: Option<FeatureId>,
}

/// What a role used of its model, as the runtime's proxy counted it: one record for each turn and
/// model. The feature that it worked on is the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Who.
    pub role: PrincipalId,
    /// The gate at which the feature stood.
    pub gate: Option<Gate>,
    /// The model, as the provider names it.
    pub model: String,
    /// Requests that were answered.
    pub requests: u64,
    /// Tokens read that were in no cache.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written into the provider's cache.
    pub cache_write_tokens: u64,
    /// Price in millionths of a US dollar by the configured prices; absent where the model has none.
    pub microusd: Option<u64>,
}

/// The user took over a role's agent, or gave it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    /// Whose agent.
    pub role: PrincipalId,
    /// Whether it was taken; else it was given back.
    pub taken: bool,
}

/// The runtime fetched something from the web for a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// For whom.
    pub role: PrincipalId,
    /// The exact address.
    pub url: String,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Digest of what the role was given.
    pub content: Digest,
}

macro_rules! bodies {
    ($($variant:ident),* $(,)?) => {
        /// The body of an envelope: its kind and what that kind says.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Body { $(#[doc = concat!("See [`struct@", stringify!($variant), "`].")] $variant($variant),)* }

        /// The kind of an envelope.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $(#[doc = concat!("See [`struct@", stringify!($variant), "`].")] $variant,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];
            /// The name, as on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => stringify!($variant),)* }
            }
        }

        impl Body {
            /// The kind.
            pub fn kind(&self) -> Kind {
                match self { $(Body::$variant(_) => Kind::$variant,)* }
            }
        }

        $(impl From<$variant> for Body {
            fn from(body: $variant) -> Body { Body::$variant(body) }
        })*
    };
}

bodies! {
    TaskAssignment, TaskComplete, SpecSubmitted, Question, Answer, StatusReport, ReviewRequest,
    ReviewFeedback, SignOffRequest, SignOffApproval, SignOffRejection, CoSignRequest, CoSign, Vote,
    Escalation, CriticalDecisionRequest, DecisionAnnouncement, TertiaryReviewRequest,
    TertiaryVerdict, LockRequest, LockGrant, LockRelease, GateRequest, GateVerdict, Freeze,
    Unfreeze, Quarantine, Alert, Imported, Delivered, EpochStarted, ConfigAccepted,
    FeatureRequested, FeatureControl, Pushed, TestEvidence, Landing, Merged, Health, Refused,
    DeadLetter, KeyEvent, Signed, ModelUsed, TakenOver, Fetched,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

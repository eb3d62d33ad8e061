//! The format of a play: what `config/plays/README.md` describes, as types.

pub use super::parse::PlayError;
use foureyes_config::Millis;
use foureyes_protocol::{
    ChangeKind, Code, Gate, Kind, Outcome, Risk,
    body::{Subject, Task},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A play: what a scripted agent does about what it receives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// The family or role that it is written for; shown to people, decides nothing.
    #[serde(default)]
    pub role: Option<String>,
    /// A built-in play whose rules, files and specs come after this one's.
    #[serde(default)]
    pub extends: Option<String>,
    /// How long it waits before it deals with an envelope.
    #[serde(default)]
    pub pace: Option<Millis>,
    /// Texts that `copy` puts into files, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Specifications that `submit_spec` submits, by feature.
    #[serde(default)]
    pub specs: BTreeMap<String, Spec>,
    /// The rules; the first one that matches an envelope holds.
    #[serde(default)]
    pub on: Vec<Rule>,
    /// How the model fails that plays this. Scripted agents have none.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Whether the model that plays this obeys every order that it reads. Not for scripted agents.
    #[serde(default)]
    pub obeys: bool,
    /// Whether the model that plays this calls the same tool for ever. Not for scripted agents.
    #[serde(default)]
    pub loops: bool,
}

/// A failure of a model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FaultText")]
pub struct Fault {
    /// The first request that fails, counted from 1.
    pub request: u32,
    /// How many requests fail from there on.
    pub times: u32,
    /// How.
    pub kind: FaultKind,
    /// When it may be tried again, of a status.
    pub retry_after: Option<Millis>,
    /// After how long the limit ends that a status tells of.
    pub reset_in: Option<Millis>,
}

/// How a model fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// With an error of this HTTP status.
    Status(u16),
    /// The stream breaks off.
    Cut,
    /// The stream begins and nothing more comes.
    Silence,
}

/// A fault as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultText {
    request: u32,
    #[serde(default = "one")]
    times: u32,
    status: Option<u16>,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    silence: bool,
    retry_after: Option<Millis>,
    reset_in: Option<Millis>,
}

fn one() -> u32 {
    1
}

impl TryFrom<FaultText> for Fault {
    type Error = &'static str;

    fn try_from(text: FaultText) -> Result<Self, Self::Error> {
        let FaultText { request, times, status, cut, silence, retry_after, reset_in } = text;
        let kind = match (status, cut, silence) {
            (Some(status @ 400..=599), false, false) => FaultKind::Status(status),
            (Some(_), false, false) => return Err("the `status` of a fault is from 400 to 599"),
            (None, true, false) => FaultKind::Cut,
            (None, false, true) => FaultKind::Silence,
            _ => return Err("a fault is one of `status`, `cut: true` and `silence: true`"),
        };
        if request == 0 || times == 0 {
            return Err("`request` and `times` of a fault count from 1");
        }
        if status.is_none() && (retry_after.is_some() || reset_in.is_some()) {
            return Err("`retry_after` and `reset_in` of a fault go with a `status`");
        }
        Ok(Self { request, times, kind, retry_after, reset_in })
    }
}

/// What is done about which envelopes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which envelopes.
    pub when: When,
    /// What is done, in order. Nothing: the envelope is acknowledged.
    #[serde(rename = "do")]
    pub steps: Vec<Step>,
}

/// Conditions on an envelope; what is absent matches everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The kind of the envelope.
    pub kind: Option<Kind>,
    /// The task, of a `TaskAssignment`.
    pub task: Option<Task>,
    /// The feature, as a glob.
    pub feature: Option<String>,
    /// The gate, of a `GateVerdict`.
    pub gate: Option<Gate>,
    /// How the gate ended, of a `GateVerdict`.
    pub outcome: Option<Outcome>,
    /// A reason code that a `GateVerdict` names among its reasons.
    pub code: Option<Code>,
    /// The subject, of a `SignOffRequest`.
    pub subject: Option<Subject>,
    /// The sender, as a glob.
    pub from: Option<String>,
    /// Features whose envelopes are dealt with together: the first ones wait in the inbox until each
    /// of these features has one.
    pub together: Vec<String>,
}

/// A specification as a planner's play holds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// One line; the assignment's where absent.
    #[serde(default)]
    pub title: Option<String>,
    /// The kind of change.
    #[serde(default = "feature_kind")]
    pub kind: ChangeKind,
    /// The risk.
    #[serde(default = "medium")]
    pub risk: Risk,
    /// The text; the assignment's where absent.
    #[serde(default)]
    pub text: Option<String>,
    /// Files that the change is meant to touch (globs).
    #[serde(default = "everywhere")]
    pub paths: Vec<String>,
    /// Tests that pass from the start.
    #[serde(default)]
    pub characterisation: Vec<String>,
    /// Tests that the change removes.
    #[serde(default)]
    pub removes: Vec<String>,
    /// The merged commit that a revert undoes.
    #[serde(default)]
    pub reverts: Option<String>,
}

fn feature_kind() -> ChangeKind {
    ChangeKind::Feature
}

fn medium() -> Risk {
    Risk::Medium
}

fn everywhere() -> Vec<String> {
    vec!["**".to_owned()]
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            title: None,
            kind: feature_kind(),
            risk: medium(),
            text: None,
            paths: everywhere(),
            characterisation: Vec::new(),
            removes: Vec::new(),
            reverts: None,
        }
    }
}

/// A step without settings, written `{}`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// One step. Each can be done again after a crash without harm.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Fetch, and be on the feature's branch; made from the base where it does not exist.
    Branch(Plain),
    /// git with these arguments.
    Git(Vec<String>),
    /// A program with these arguments.
    Run(Vec<String>),
    /// Write files: path to text.
    Write(BTreeMap<String, String>),
    /// Write files: path to the name of a text in `files`.
    Copy(BTreeMap<String, String>),
    /// Commit everything that changed, if anything did.
    Commit(String),
    /// Push to the feature's branch.
    Push(Plain),
    /// Merge the target branch into the feature's.
    MergeMain(Plain),
    /// Call a tool.
    Call(Call),
    /// Read what is asked to be signed.
    Review(Plain),
    /// Sign what is asked to be signed.
    SignOff(SignOff),
    /// Refuse to sign.
    Reject(Reject),
    /// Confirm every point of a co-sign.
    Cosign(Plain),
    /// Name the dev of a feature: feature (glob) to role; else one of the candidates.
    Assign(BTreeMap<String, String>),
    /// Submit the spec of `specs`, else one made of the assignment.
    SubmitSpec(Plain),
    /// Ask a question; its answer comes as an envelope of kind `Answer`.
    Ask(Ask),
    /// Answer a question.
    Answer(String),
    /// A line on the screen.
    Say(String),
    /// Wait.
    Pause(Millis),
    /// Do what an agent must not do.
    Misbehave(Misbehave),
    /// The step inside must be refused.
    Expect(Expect),
    /// The steps inside are begun once for a feature, whatever happens.
    Once(Once),
}

/// A call of a tool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
}

/// What a signature says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignOff {
    /// What was checked.
    pub checked: Vec<String>,
    /// What was run.
    pub ran: Vec<String>,
    /// Concerns that do not block.
    pub concerns: Vec<String>,
}

/// What a refusal to sign says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// Blocking findings, at least one.
    pub findings: Vec<Finding>,
}

/// A blocking finding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How bad.
    #[serde(default = "medium")]
    pub severity: Risk,
    /// `file:line`.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What has to be done.
    pub fix: String,
}

/// A question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Whom.
    #[serde(default = "user")]
    pub to: String,
    /// What.
    pub text: String,
    /// Answers to choose from.
    #[serde(default)]
    pub options: Vec<String>,
}

fn user() -> String {
    "user".to_owned()
}

/// What an agent must not do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misbehave {
    /// Push the present commit to the target branch.
    PushMain,
    /// Push the present commit to this ref.
    PushOther(String),
    /// Push to the target branch with `--no-verify`.
    NoVerify,
    /// Push a commit without a signature to the feature's branch.
    Unsigned,
    /// Change this test file after RED: the change is committed, not pushed.
    EditAdmitted(String),
    /// Sign the change that this role wrote.
    ApproveOwn,
    /// Say that the tests pass, whatever they do.
    ClaimTestsPass,
    /// Send a message in the name of this role.
    ForgeFrom(String),
    /// Send so many messages at once.
    Flood(u32),
    /// Be killed (SIGKILL).
    Crash,
    /// Never react again.
    Hang,
}

/// A step that must be refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// With this code.
    pub refused: String,
    /// The step.
    pub of: Box<Step>,
}

/// Steps that are begun once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Once {
    /// Names the mark that is left; letters, digits and `-`.
    pub name: String,
    /// The steps.
    #[serde(rename = "do")]
    pub steps: Vec<Step>,
}

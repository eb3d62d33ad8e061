//! The work itself: specs, assignments, claims, completion, the proposal to land.

use super::{Answer, Call, EVERYBODY, Refusal, Tool, WRITERS, picture, talk, tool};
use foureyes_ports::governance::{Draft, InboxItem};
use foureyes_protocol::{
    Address, Body, ChangeKind, Code, CommitId, Family, FeatureId, Gate, MessageId, PrincipalId, Risk,
    body::{GateRequest, LockRequest, SpecSubmitted, Task, TaskAssignment, TaskComplete},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// How far back an assignment that is answered is looked for in the inbox.
const LOOK_BACK: usize = 200;

pub(super) const TOOLS: &[Tool] = &[
    tool!(says submit_spec(SubmitSpec) for &[Family::Planner, Family::Architect, Family::Orchestrator, Family::Dev],
        "Submit the specification of a feature whose spec was asked of you. Others sign it; then a dev starts with the tests."),
    tool!(says assign(Assign) for &[Family::Orchestrator],
        "Give a feature to the dev who implements it. Use it when the runtime asked you to assign work, naming one of its candidates."),
    tool!(says task_complete(Complete) for EVERYBODY,
        "Say that a task is done. The runtime checks every claim itself, so claim only what you saw."),
    tool!(says widen_claim(WidenClaim) for WRITERS,
        "Claim more files of a feature that is assigned to you. Use it before a push, or after one was refused with P-CLAIM."),
    tool!(says propose_deploy(ProposeDeploy) for &[Family::Orchestrator],
        "Propose that a feature lands. Use it when the runtime asked for it: all gates before DEPLOY are passed."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubmitSpec {
    /// The feature.
    #[schemars(with = "String")]
    feature: FeatureId,
    /// One line.
    title: String,
    /// The kind of change; the runtime checks it from the diff.
    #[schemars(with = "String", extend("enum" = ["feature", "fix", "refactor", "docs", "tests", "deps", "remove", "revert", "format", "chore"]))]
    kind: ChangeKind,
    /// The risk as you see it; the runtime only ever raises it.
    #[schemars(with = "String", extend("enum" = ["LOW", "MEDIUM", "HIGH", "CRITICAL"]))]
    risk: Risk,
    /// Behaviour, interfaces and cases, in Markdown.
    text: String,
    /// Files that the change is meant to touch (globs).
    paths: Vec<String>,
    /// Ids of tests that pass from the start (characterisation).
    #[serde(default)]
    characterisation: Vec<String>,
    /// Ids of tests that the change removes (kind `remove`).
    #[serde(default)]
    removes: Vec<String>,
    /// The merged commit that a `revert` undoes.
    #[schemars(with = "Option<String>")]
    reverts: Option<CommitId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Assign {
    /// The feature.
    #[schemars(with = "String")]
    feature: FeatureId,
    /// Who implements it.
    #[schemars(with = "String")]
    role: PrincipalId,
    /// What they should know besides the spec.
    text: Option<String>,
    /// Id of the message that asked for the assignment, when it is acknowledged already.
    #[schemars(with = "Option<String>")]
    task: Option<MessageId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Complete {
    /// The feature.
    #[schemars(with = "String")]
    feature: FeatureId,
    /// What was done.
    summary: String,
    /// Whether the tests pass, as you saw it.
    tests_pass: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WidenClaim {
    /// The feature.
    #[schemars(with = "String")]
    feature: FeatureId,
    /// Files to claim besides (globs).
    #[schemars(length(min = 1))]
    paths: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProposeDeploy {
    /// The feature.
    #[schemars(with = "String")]
    feature: FeatureId,
    /// Why now.
    #[serde(default)]
    text: String,
}

async fn submit_spec(call: Call, args: SubmitSpec) -> Answer {
    let spec = SpecSubmitted {
        title: args.title,
        kind: args.kind,
        risk: args.risk,
        text: args.text,
        paths: args.paths,
        characterisation: args.characterisation,
        removes: args.removes,
        reverts: args.reverts,
    };
    call.submit(Draft::new(Address::system(), spec).about(args.feature)).await
}

async fn assign(call: Call, args: Assign) -> Answer {
    let feature = picture::feature(&call, &args.feature).await?;
    let asked = match args.task {
        Some(id) => Some(talk::received(&call, id).await?),
        None => assignment_asked(&call, &args.feature).await,
    };
    let order = asked.as_ref().and_then(order).filter(|_| asked_about(asked.as_ref(), &args.feature));
    let base = match order.and_then(|o| o.base.clone()) {
        Some(base) => Some(base),
        None => call.core().view().await.main.clone(),
    };
    let plain = || format!("implement \"{}\": tests first, then the code", feature.title);
    let default = || order.map_or_else(plain, |o| o.text.clone());
    let task = TaskAssignment {
        task: Task::Implement,
        title: feature.title.clone(),
        // What the orchestrator adds stands behind request and spec: a dev never goes without them.
        text: std::iter::once(default()).chain(args.text).collect::<Vec<_>>().join("\n\n"),
        branch: Some(args.feature.branch()),
        base,
        paths: order.map_or_else(Vec::new, |o| o.paths.clone()),
        candidates: Vec::new(),
    };
    let mut draft = Draft::new(args.role, task).about(args.feature.clone());
    if let (Some(asked), Some(_)) = (&asked, order) {
        draft = talk::answering(draft, asked);
    }
    call.submit(draft).await
}

/// The unacknowledged request to assign this feature.
async fn assignment_asked(call: &Call, feature: &FeatureId) -> Option<InboxItem> {
    let waiting = call.core().inbox(call.role(), LOOK_BACK).await;
    waiting.into_iter().find(|i| i.feature.as_ref() == Some(feature) && order(i).is_some())
}

fn asked_about(asked: Option<&InboxItem>, feature: &FeatureId) -> bool {
    asked.and_then(|i| i.feature.as_ref()) == Some(feature)
}

fn order(item: &InboxItem) -> Option<&TaskAssignment> {
    match &item.body {
        Body::TaskAssignment(t) if t.task == Task::AssignWork => Some(t),
        _ => None,
    }
}

async fn task_complete(call: Call, args: Complete) -> Answer {
    let body = TaskComplete { summary: args.summary, tests_pass: args.tests_pass };
    call.submit(Draft::new(Address::system(), body).about(args.feature)).await
}

async fn widen_claim(call: Call, args: WidenClaim) -> Answer {
    if args.paths.is_empty() {
        return Err(Refusal::bad_call("widen_claim", "`paths` names no file"));
    }
    let body = LockRequest { scope: args.feature.branch(), widen: args.paths };
    call.submit(Draft::new(Address::system(), body).about(args.feature)).await
}

async fn propose_deploy(call: Call, args: ProposeDeploy) -> Answer {
    let feature = picture::feature(&call, &args.feature).await?;
    let nothing = || Refusal::new(Code::GateState, format!("{} has no push yet", args.feature));
    let content = feature.content.ok_or_else(nothing)?;
    let body = GateRequest { gate: Gate::Deploy, content, text: args.text };
    call.submit(Draft::new(Address::system(), body).about(args.feature)).await
}

//! Signatures. What is signed is copied from the request as the runtime keeps it, never taken from
//! an argument: an agent can approve or refuse what it was asked, and nothing else.

use super::{Answer, Call, Refusal, Tool, picture, talk, tool};
use foureyes_ports::governance::{Draft, InboxItem};
use foureyes_protocol::{
    Address, Body, Code, Digest, Family, FeatureId, Label, MessageId, Risk,
    body::{CoSign, Finding, PointAnswer, SignOffApproval, SignOffRejection, Subject},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Those who can be drawn as signers.
const SIGNERS: &[Family] =
    &[Family::Librarian, Family::Planner, Family::Architect, Family::Dev, Family::Qa, Family::Docs];

pub(super) const TOOLS: &[Tool] = &[
    tool!(says sign_off(SignOff) for SIGNERS,
        "Approve exactly what a SignOffRequest of your inbox names. Use it only after you looked at the diff or spec yourself; say what you checked and ran."),
    tool!(says reject(Reject) for SIGNERS,
        "Refuse what a SignOffRequest of your inbox names, with at least one blocking finding that the author can act on."),
    tool!(says cosign(CoSignArgs) for &[Family::Librarian],
        "Answer a CoSignRequest point by point, each with your own evidence."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignOff {
    /// Id of the request.
    #[schemars(with = "String")]
    request: MessageId,
    /// What you checked.
    #[serde(default)]
    checked: Vec<String>,
    /// What you ran.
    #[serde(default)]
    ran: Vec<String>,
    /// Concerns that do not block.
    #[serde(default)]
    concerns: Vec<String>,
    /// The feature, when you no longer know the request; the rules decide whether you were asked.
    #[schemars(with = "Option<String>")]
    feature: Option<FeatureId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reject {
    /// Id of the request.
    #[schemars(with = "String")]
    request: MessageId,
    /// Blocking findings.
    #[schemars(length(min = 1))]
    findings: Vec<FindingArgs>,
}

/// A finding as an argument.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingArgs {
    /// How bad.
    #[schemars(with = "String", extend("enum" = ["LOW", "MEDIUM", "HIGH", "CRITICAL"]))]
    severity: Risk,
    /// `file:line`.
    place: String,
    /// What is wrong.
    problem: String,
    /// What has to be done.
    fix: String,
}

impl From<FindingArgs> for Finding {
    fn from(f: FindingArgs) -> Self {
        Self { severity: f.severity, place: f.place, problem: f.problem, fix: f.fix }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CoSignArgs {
    /// Id of the request.
    #[schemars(with = "String")]
    request: MessageId,
    /// Whether you co-sign.
    granted: bool,
    /// Point by point.
    points: Vec<PointArgs>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PointArgs {
    /// The point.
    point: String,
    /// Confirmed or refused.
    confirmed: bool,
    /// Your own evidence.
    evidence: String,
}

impl From<PointArgs> for PointAnswer {
    fn from(p: PointArgs) -> Self {
        Self { point: p.point, confirmed: p.confirmed, evidence: p.evidence }
    }
}

async fn sign_off(call: Call, args: SignOff) -> Answer {
    let policy = call.channel.policy;
    let approval = |subject, content| SignOffApproval {
        subject,
        content,
        policy,
        checked: args.checked,
        ran: args.ran,
        concerns: args.concerns,
    };
    match (call.core().received(call.role(), args.request).await, args.feature) {
        (Some(request), _) => {
            let (subject, content) = asked(&request)?;
            reply(&call, &request, approval(subject, content).into()).await
        }
        (None, Some(feature)) => {
            let content = current(&call, &feature).await?;
            let draft = Draft::new(Address::system(), approval(Subject::Change, content));
            call.submit(draft.about(feature)).await
        }
        (None, None) => Err(never_asked(args.request)),
    }
}

async fn reject(call: Call, args: Reject) -> Answer {
    let request = talk::received(&call, args.request).await?;
    let (subject, content) = asked(&request)?;
    let findings: Vec<Finding> = args.findings.into_iter().map(Finding::from).collect();
    if findings.is_empty() {
        return Err(Refusal::bad_call("reject", "`findings` is empty: say at least one thing to mend"));
    }
    reply(&call, &request, SignOffRejection { subject, content, findings }.into()).await
}

async fn cosign(call: Call, args: CoSignArgs) -> Answer {
    let request = talk::received(&call, args.request).await?;
    let Body::CoSignRequest(wanted) = &request.body else {
        return Err(other_kind(&request, "CoSignRequest"));
    };
    let points = args.points.into_iter().map(PointAnswer::from).collect();
    let body = CoSign { content: wanted.content, granted: args.granted, by_rule: false, points };
    reply(&call, &request, body.into()).await
}

/// What a request asks to be signed.
fn asked(request: &InboxItem) -> Result<(Subject, Digest), Refusal> {
    match &request.body {
        Body::SignOffRequest(r) => Ok((r.subject, r.content)),
        _ => Err(other_kind(request, "SignOffRequest")),
    }
}

/// The content of the feature as it is now.
async fn current(call: &Call, feature: &FeatureId) -> Result<Digest, Refusal> {
    let nothing = || Refusal::new(Code::NotAsked, format!("{feature} has no change to sign yet"));
    picture::feature(call, feature).await?.content.ok_or_else(nothing)
}

/// A judgement of repository content, so never more trusted than that.
async fn reply(call: &Call, request: &InboxItem, body: Body) -> Answer {
    let mut draft = talk::answering(Draft::new(request.from.clone(), body), request);
    draft.labels.insert(Label::RepoFile);
    call.submit(draft).await
}

fn never_asked(id: MessageId) -> Refusal {
    Refusal::new(Code::NotAsked, format!("you were sent no request {id}"))
}

fn other_kind(request: &InboxItem, wanted: &str) -> Refusal {
    let what = format!("{} is a {} and no {wanted}", request.id, request.body.kind());
    Refusal::new(Code::NotAsked, what)
}

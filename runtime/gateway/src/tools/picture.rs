//! Where things stand: the team, the features, one gate.

use super::{Answer, Call, EVERYBODY, Refusal, Tool, tool};
use foureyes_ports::view::{FeatureView, View};
use foureyes_protocol::{Code, FeatureId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) const TOOLS: &[Tool] = &[
    tool!(asks team(Team) for EVERYBODY,
        "List the roles of the team with their families. Use it before you address somebody."),
    tool!(asks status(Status) for EVERYBODY,
        "See where the features stand: gates, what waits for whom, whether everything is frozen. Use it to find out why nothing moves; with `feature` for that one alone."),
    tool!(asks gate_status(GateStatus) for EVERYBODY,
        "See a feature's present gate: what it still waits for and the verdicts so far with their reason codes. Use it after a push or a refusal."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Team {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Status {
    /// Only this feature, with everything that is known of it.
    #[schemars(with = "Option<String>")]
    feature: Option<FeatureId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GateStatus {
    /// The feature.
    #[schemars(with = "String")]
    feature: FeatureId,
}

async fn team(call: Call, _: Team) -> Answer {
    let roles = call.core().team();
    let roles: Vec<_> = roles.iter().map(|(id, family)| json!({"id": id, "family": family})).collect();
    Ok(json!({"you": call.role(), "family": call.channel.family, "roles": roles}))
}

async fn status(call: Call, args: Status) -> Answer {
    if let Some(id) = args.feature {
        return Ok(json!({"feature": feature(&call, &id).await?}));
    }
    let view = call.core().view().await;
    let features: Vec<_> = view.features.iter().map(brief).collect();
    Ok(json!({
        "frozen": view.frozen, "quarantined": view.quarantined, "target": view.target,
        "main": view.main, "features": features, "waiting": waiting(&view),
    }))
}

async fn gate_status(call: Call, args: GateStatus) -> Answer {
    let f = feature(&call, &args.feature).await?;
    Ok(json!({
        "feature": f.id, "gate": f.gate, "status": f.status, "waiting_for": f.waiting_for,
        "progress": f.progress, "head": f.head, "content": f.content,
        "above_threshold": f.above_threshold, "returns": f.returns, "verdicts": f.verdicts,
    }))
}

/// A feature of the picture, or the refusal that it does not exist.
pub(super) async fn feature(call: &Call, id: &FeatureId) -> Result<FeatureView, Refusal> {
    let unknown = || {
        Refusal::new(Code::NotAsked, format!("there is no feature {id}"))
            .next("see the tool `status` for the features that exist")
    };
    call.core().feature(id).await.ok_or_else(unknown)
}

fn brief(f: &FeatureView) -> Value {
    json!({
        "id": f.id, "title": f.title, "kind": f.kind, "risk": f.risk, "gate": f.gate,
        "status": f.status, "author": f.author, "waiting_for": f.waiting_for,
    })
}

/// Roles with something unread, and what waits for the user.
fn waiting(view: &View) -> Value {
    let roles = view.roles.iter().filter(|r| r.unread > 0);
    let roles: Vec<_> = roles.map(|r| json!({"role": r.id, "state": r.state, "unread": r.unread})).collect();
    let user = view.questions.iter();
    let user: Vec<_> = user.map(|q| json!({"id": q.id, "what": q.what, "feature": q.feature})).collect();
    json!({"roles": roles, "user": user})
}

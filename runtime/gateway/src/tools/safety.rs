//! The emergency brake.

use super::{Answer, Call, Tool, tool};
use foureyes_ports::governance::Draft;
use foureyes_protocol::{Address, Family, PrincipalId, body::Freeze};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) const TOOLS: &[Tool] = &[tool!(says freeze(FreezeArgs) for &[Family::Librarian],
    "Stop everything that changes something, until the user lifts it. Use it when you have evidence of tampering, collusion or forgery.")];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FreezeArgs {
    /// Why.
    reason: String,
    /// Evidence: records, digests, commits.
    evidence: Vec<String>,
    /// Roles concerned.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    roles: Vec<PrincipalId>,
    /// What has to happen before it is lifted.
    remedy: String,
}

async fn freeze(call: Call, args: FreezeArgs) -> Answer {
    let body =
        Freeze { reason: args.reason, evidence: args.evidence, roles: args.roles, remedy: args.remedy };
    call.submit(Draft::new(Address::system(), body)).await
}

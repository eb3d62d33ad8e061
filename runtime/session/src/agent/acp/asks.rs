//! The agent's permission questions: which are open, and what counts as an answer.

use super::wire;
use agent_client_protocol_schema::{
    PermissionOption, PermissionOptionId, PermissionOptionKind, RequestPermissionOutcome,
    RequestPermissionResponse, SelectedPermissionOutcome,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Kind of an ask: may this tool be used. Payload: the request's parameters, and `tool`. Answer:
/// `{"allow": true}` or `{"allow": false}`.
pub const REQUEST_PERMISSION: &str = "request_permission";

/// Questions that may be open at once; more are refused.
pub(super) const MAX_ASKS: usize = 64;
/// The longest id of a question, as JSON text.
pub(super) const MAX_ID: usize = 128;

/// What must be known of an open question to answer it.
#[derive(Debug)]
struct Open {
    id: Value,
    allow: Option<PermissionOptionId>,
    reject: Option<PermissionOptionId>,
}

/// The questions that are open, by the JSON text of their ids.
#[derive(Debug, Default)]
pub(super) struct Asks(BTreeMap<String, Open>);

impl Asks {
    /// Opens a question and names it; the id back when there is no room for it. Only what holds for
    /// this once can be chosen later.
    pub(super) fn open(&mut self, id: Value, options: &[PermissionOption]) -> Result<String, Value> {
        let name = id.to_string();
        if self.0.len() >= MAX_ASKS || name.len() > MAX_ID || self.0.contains_key(&name) {
            return Err(id);
        }
        let first = |kind: PermissionOptionKind| {
            options.iter().find(|option| option.kind == kind).map(|option| option.option_id.clone())
        };
        let (allow, reject) =
            (first(PermissionOptionKind::AllowOnce), first(PermissionOptionKind::RejectOnce));
        self.0.insert(name.clone(), Open { id, allow, reject });
        Ok(name)
    }

    /// Closes a question, and gives the line that answers it.
    pub(super) fn answer(&mut self, name: &str, payload: &str) -> Option<String> {
        let open = self.0.remove(name)?;
        let chosen = if allows(payload) { open.allow } else { open.reject };
        Some(line(&open.id, chosen))
    }

    /// Closes all questions, and gives the lines that say so.
    pub(super) fn cancel_all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0).into_values().map(|open| line(&open.id, None)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a payload allows: only exactly what is documented does.
fn allows(payload: &str) -> bool {
    serde_json::from_str::<Value>(payload).is_ok_and(|answer| answer["allow"] == true)
}

/// The line that refuses a question that was never opened.
pub(super) fn refused(id: &Value) -> String {
    line(id, None)
}

/// A question without a fitting option is answered as if its turn had been cancelled.
fn line(id: &Value, chosen: Option<PermissionOptionId>) -> String {
    let outcome = match chosen {
        Some(option) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option)),
        None => RequestPermissionOutcome::Cancelled,
    };
    wire::result(id, &RequestPermissionResponse::new(outcome))
}

//! The program's own file: the answers to what it would ask.

use super::TerminalPlan;
use serde_json::{Map, Value, json};

/// Characters at the end of a key by which the program knows one that was approved.
const KEY_END: usize = 20;
/// What an agent could write there to steer its next life.
const DROPPED: [&str; 3] = ["env", "mcpServers", "apiKeyHelper"];

/// The file: what was kept, with our answers on top. What is no JSON object is not kept.
pub(super) fn merged(kept: Option<&[u8]>, plan: &TerminalPlan) -> Vec<u8> {
    let mut global: Map<String, Value> =
        kept.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    global.retain(|name, _| !DROPPED.contains(&name.as_str()));
    if !global.get("theme").is_some_and(Value::is_string) {
        global.insert("theme".to_owned(), "dark".into());
    }
    // Without it the program wants to reach its maker before anything else.
    global.insert("hasCompletedOnboarding".to_owned(), true.into());
    // A long conversation is continued as it is, without asking.
    global.insert("resumeReturnDismissed".to_owned(), true.into());
    let key: String = plan.token.chars().skip(plan.token.chars().count().saturating_sub(KEY_END)).collect();
    global.insert("customApiKeyResponses".to_owned(), json!({"approved": [key], "rejected": []}));
    let projects = object(global.entry("projects").or_insert_with(|| json!({})));
    let project = object(projects.entry(plan.work.to_string_lossy()).or_insert_with(|| json!({})));
    project.retain(|name, _| !DROPPED.contains(&name.as_str()));
    project.insert("hasTrustDialogAccepted".to_owned(), true.into());
    Value::Object(global).to_string().into_bytes()
}

/// The object in this place; anything else there is replaced by an empty one.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("it was just made one"),
    }
}

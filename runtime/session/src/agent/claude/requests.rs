//! Lines to the CLI. A line that is no JSON ends it, so all of them are made by the serialiser.

use super::command::SERVER;
use foureyes_ports::{backend::Prompt, text::clean_lines};
use serde_json::{Map, Value, json};

/// Seconds that the CLI waits for an answer before it refuses the tool.
const PATIENCE: u32 = 600;
/// Seconds that it waits where an answer can forbid nothing any more.
const SHORT_PATIENCE: u32 = 60;

/// Hooks that the runtime is asked at, and how long the CLI waits.
const HOOKS: [(&str, u32); 6] = [
    ("PreToolUse", PATIENCE),
    ("PostToolUse", SHORT_PATIENCE),
    ("PostToolUseFailure", SHORT_PATIENCE),
    ("PreCompact", SHORT_PATIENCE),
    ("Stop", SHORT_PATIENCE),
    ("SubagentStart", SHORT_PATIENCE),
];

/// The first line: announces the server on the pipe and the hooks.
pub(super) fn initialize(id: &str) -> String {
    let hooks: Map<String, Value> = HOOKS
        .iter()
        .map(|(event, timeout)| {
            let entry = json!({ "matcher": "*", "hookCallbackIds": [event], "timeout": timeout });
            ((*event).to_owned(), Value::Array(vec![entry]))
        })
        .collect();
    let request = json!({ "subtype": "initialize", "sdkMcpServers": [SERVER], "hooks": hooks });
    control(id, &request)
}

/// A question or an order of ours that needs no more than its name.
pub(super) fn order(id: &str, subtype: &str) -> String {
    control(id, &json!({ "subtype": subtype }))
}

fn control(id: &str, request: &Value) -> String {
    json!({ "type": "control_request", "request_id": id, "request": request }).to_string()
}

/// A prompt. An urgent one goes before all that wait; others wait for the end of the turn in flight.
/// Each has its own turn: without a priority it would be put into the turn in flight, unacknowledged.
/// A leading `/` would be taken for a command of the CLI and not reach the model.
pub(super) fn prompt(prompt: &Prompt) -> String {
    let text = clean_lines(&prompt.text, usize::MAX, usize::MAX);
    let text = if text.starts_with('/') { format!(" {text}") } else { text };
    json!({
        "type": "user",
        "message": { "role": "user", "content": [{ "type": "text", "text": text }] },
        "uuid": prompt.id.to_string(),
        "priority": if prompt.urgent { "now" } else { "later" },
    })
    .to_string()
}

/// The answer to a question of the CLI.
pub(super) fn success(id: &str, response: &Value) -> String {
    let response = json!({ "subtype": "success", "request_id": id, "response": response });
    json!({ "type": "control_response", "response": response }).to_string()
}

/// The answer to a question that the runtime does not know.
pub(super) fn unknown(id: &str, what: &str) -> String {
    let error = format!("this runtime does not answer {what}");
    let response = json!({ "subtype": "error", "request_id": id, "error": error });
    json!({ "type": "control_response", "response": response }).to_string()
}

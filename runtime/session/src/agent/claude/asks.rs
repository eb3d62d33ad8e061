//! The CLI's questions: which are open, and what counts as an answer.

use super::value::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Kind of an ask: a hook wants an answer. Payload: the request with `callback_id` (the event's
/// name), `input` and `tool_use_id`. Answer: the hook's output, an object; `{}` lets it pass.
pub const HOOK_CALLBACK: &str = "hook_callback";
/// Kind of an ask: may this tool be used. Answer: an object with `behavior` `allow` or `deny`.
pub const CAN_USE_TOOL: &str = "can_use_tool";
/// Kind of an ask: a JSON-RPC message for the server on the pipe, under `message`. Answer: the
/// response, or `null` to a notification.
pub const MCP_MESSAGE: &str = "mcp_message";

/// Questions that may be open at once; more are refused.
pub(super) const MAX_ASKS: usize = 64;
/// The longest id of a question.
pub(super) const MAX_ID: usize = 128;

/// Code of JSON-RPC for "it went wrong here".
const INTERNAL: i32 = -32603;

/// What must be known of an open question to answer it.
#[derive(Debug)]
pub(super) enum Question {
    Hook { event: String },
    Permission { input: Value },
    Mcp { id: Option<Value>, method: String },
}

impl Question {
    /// The question in a control request; `None` for what the runtime does not answer.
    pub(super) fn of(request: &Value) -> Option<Self> {
        match text(request, "subtype") {
            HOOK_CALLBACK => {
                let event = text(&request["input"], "hook_event_name").to_owned();
                Some(Self::Hook { event })
            }
            CAN_USE_TOOL => Some(Self::Permission { input: request["input"].clone() }),
            MCP_MESSAGE => {
                let message = &request["message"];
                let id = message.get("id").filter(|id| !id.is_null()).cloned();
                Some(Self::Mcp { id, method: text(message, "method").to_owned() })
            }
            _ => None,
        }
    }

    /// Whether it belongs to getting acquainted, and may be answered before the program has shown
    /// what it is.
    pub(super) fn is_handshake(&self) -> bool {
        matches!(self, Self::Mcp { method, .. }
            if matches!(method.as_str(), "initialize" | "ping" | "tools/list")
                || method.starts_with("notifications/"))
    }

    /// The response for a payload of the runtime, or the refusal where it is no answer.
    fn response(&self, payload: &str) -> Value {
        let answer = serde_json::from_str::<Value>(payload).ok();
        let answer = answer.and_then(|answer| self.accept(answer));
        answer.unwrap_or_else(|| self.refusal("the runtime gave no valid answer; do not repeat the call"))
    }

    fn accept(&self, mut answer: Value) -> Option<Value> {
        match self {
            Self::Hook { .. } => answer.is_object().then_some(answer),
            Self::Permission { input } => match text(&answer, "behavior") {
                "deny" if answer["message"].is_string() => Some(answer),
                "allow" => {
                    let fields = answer.as_object_mut()?;
                    fields.entry("updatedInput").or_insert_with(|| input.clone());
                    Some(answer)
                }
                _ => None,
            },
            Self::Mcp { id: None, .. } => Some(acknowledged()),
            Self::Mcp { id: Some(id), .. } => {
                let fields = answer.as_object_mut()?;
                let one = fields.contains_key("result") != fields.contains_key("error");
                fields.insert("jsonrpc".to_owned(), "2.0".into());
                fields.insert("id".to_owned(), id.clone());
                one.then(|| json!({ "mcp_response": answer }))
            }
        }
    }

    /// The response that forbids.
    pub(super) fn refusal(&self, why: &str) -> Value {
        match self {
            Self::Hook { event } if event == "PreToolUse" => json!({ "hookSpecificOutput": {
                "hookEventName": event,
                "permissionDecision": "deny",
                "permissionDecisionReason": why,
            }}),
            Self::Hook { .. } => json!({}),
            Self::Permission { .. } => json!({ "behavior": "deny", "message": why }),
            Self::Mcp { id: None, .. } => acknowledged(),
            Self::Mcp { id: Some(id), .. } => {
                let error = json!({ "code": INTERNAL, "message": why });
                json!({ "mcp_response": { "jsonrpc": "2.0", "id": id, "error": error } })
            }
        }
    }
}

/// The CLI waits for an answer also to what needs none.
fn acknowledged() -> Value {
    json!({ "mcp_response": { "jsonrpc": "2.0", "id": 0, "result": {} } })
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Asks(BTreeMap<String, Question>);

impl Asks {
    /// Opens a question; gives it back when too many are open.
    pub(super) fn open(&mut self, id: &str, question: Question) -> Result<(), Question> {
        if self.0.len() >= MAX_ASKS {
            return Err(question);
        }
        self.0.insert(id.to_owned(), question);
        Ok(())
    }

    /// Closes a question, and gives it with the response to it.
    pub(super) fn answer(&mut self, id: &str, payload: &str) -> Option<(Question, Value)> {
        let question = self.0.remove(id)?;
        let response = question.response(payload);
        Some((question, response))
    }

    /// The CLI does not want to know any more.
    pub(super) fn cancel(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Whether a message to the server on the pipe waits for its answer.
    pub(super) fn server_is_asked(&self) -> bool {
        self.0.values().any(|question| matches!(question, Question::Mcp { .. }))
    }
}

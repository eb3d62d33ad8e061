//! Single messages of MCP for programs that carry them on their own pipe instead of a connection to
//! the socket: the same tools, the same answers, without any session of the library.

use super::INSTRUCTIONS;
use crate::tools::{self, Channel, Refusal};
use foureyes_protocol::Code;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The protocol version that is offered when the client names none that is known.
const VERSION: &str = "2025-06-18";
/// Versions whose `initialize` this serves.
const KNOWN: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// JSON-RPC: no such method.
const NO_METHOD: i64 = -32_601;
/// Whoever is woken by a prompt has nothing to wait for.
const WAIT: &str = "wait";
/// The longest message, in bytes.
const MAX: usize = 1 << 20;

/// Answers one message of a role; `None` for a notification, which has no answer.
pub(crate) async fn answer(channel: Arc<Channel>, message: &Value) -> Option<Value> {
    let id = message.get("id").filter(|id| !id.is_null())?.clone();
    let length = message.to_string().len();
    let done = match channel.governance.count_bytes(&channel.role, length) {
        Err(reason) => Err(Refusal::from(reason)),
        Ok(()) if length > MAX => {
            Err(Refusal::new(Code::TooLarge, format!("a message has more than {MAX} bytes")))
        }
        Ok(()) => Ok(()),
    };
    let method = message["method"].as_str().unwrap_or_default();
    let result = match (done, method) {
        (Err(refusal), _) => refused(&refusal),
        (Ok(()), "initialize") => initialize(&message["params"]),
        (Ok(()), "ping") => json!({}),
        (Ok(()), "tools/list") => list(&channel),
        (Ok(()), "tools/call") => call(channel, &message["params"]).await,
        (Ok(()), other) => {
            let text = format!("there is no method {other:?}");
            return Some(json!({"jsonrpc": "2.0", "id": id, "error": {"code": NO_METHOD, "message": text}}));
        }
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn initialize(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().filter(|v| KNOWN.contains(v));
    json!({
        "protocolVersion": asked.unwrap_or(VERSION),
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "foureyes", "version": env!("CARGO_PKG_VERSION")},
        "instructions": INSTRUCTIONS,
    })
}

fn list(channel: &Channel) -> Value {
    let tools: Vec<Value> = tools::shown_to(channel.family)
        .filter(|t| t.name != WAIT)
        .map(|t| json!({"name": t.name, "description": t.description, "inputSchema": t.schema()}))
        .collect();
    json!({ "tools": tools })
}

async fn call(channel: Arc<Channel>, params: &Value) -> Value {
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let arguments = match &params["arguments"] {
        Value::Object(arguments) => arguments.clone(),
        Value::Null => Map::new(),
        _ => return refused(&Refusal::bad_call(&name, "the arguments are no JSON object")),
    };
    if name == WAIT {
        return refused(&Refusal::bad_call(WAIT, "you are woken when something comes").next("end your turn"));
    }
    let tool_use = params["_meta"][super::TOOL_USE].as_str().map(str::to_owned);
    match tools::call(channel, &name, arguments, tool_use).await {
        Ok(value) => json!({
            "content": [{"type": "text", "text": value.to_string()}], "structuredContent": value,
            "isError": false,
        }),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Value {
    json!({"content": [{"type": "text", "text": refusal.to_string()}], "isError": true})
}

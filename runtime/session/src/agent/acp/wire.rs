//! JSON-RPC 2.0, a message a line.

use agent_client_protocol_schema::Error;
use serde::Serialize;
use serde_json::{Value, json};

/// What a line of the agent is.
#[derive(Debug)]
pub(super) enum Incoming {
    /// The agent waits for an answer under this id.
    Request { id: Value, method: String, params: Value },
    /// The agent tells something.
    Notification { method: String, params: Value },
    /// The agent answers one of our requests.
    Answer { id: Value, outcome: Result<Value, Error> },
}

/// The message in a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(line: &str) -> Result<Incoming, String> {
    let message: Value = serde_json::from_str(line).map_err(|why| format!("a line is no message: {why}"))?;
    let Value::Object(mut fields) = message else {
        return Err("a line is no message but another value".to_owned());
    };
    let id = fields.remove("id").filter(|id| id.is_string() || id.is_number());
    let method = fields.remove("method");
    let params = fields.remove("params").unwrap_or_default();
    match (id, method) {
        (Some(id), Some(Value::String(method))) => Ok(Incoming::Request { id, method, params }),
        (None, Some(Value::String(method))) => Ok(Incoming::Notification { method, params }),
        (Some(id), None) => {
            let outcome = match fields.remove("error") {
                Some(error) if !error.is_null() => Err(error_of(error)),
                _ => Ok(fields.remove("result").unwrap_or_default()),
            };
            Ok(Incoming::Answer { id, outcome })
        }
        _ => Err("a message has neither a method nor the id of a request".to_owned()),
    }
}

/// The error, or one that says how it looked.
fn error_of(error: Value) -> Error {
    serde_json::from_value(error.clone()).unwrap_or_else(|_| Error::internal_error().data(error))
}

pub(super) fn request(id: i64, method: &str, params: &impl Serialize) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

pub(super) fn notification(method: &str, params: &impl Serialize) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

pub(super) fn result(id: &Value, result: &impl Serialize) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

pub(super) fn error(id: &Value, error: &Error) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

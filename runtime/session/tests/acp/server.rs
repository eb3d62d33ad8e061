//! The runtime's MCP server as far as the agent can tell: `agents-mcp` with one tool.

use serde_json::{Value, json};
use std::io::{BufRead, Write};

/// Speaks MCP over stdin and stdout until the agent hangs up.
pub fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = message.get("id") else { continue };
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "rt", "version": "1" },
            }),
            Some("tools/list") => json!({ "tools": [
                { "name": "inbox", "description": "Read what waits.", "inputSchema": { "type": "object" } },
            ]}),
            Some("tools/call") => json!({ "content": [{ "type": "text", "text": "nothing waits for you" }] }),
            _ => json!({}),
        };
        let mut out = std::io::stdout().lock();
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

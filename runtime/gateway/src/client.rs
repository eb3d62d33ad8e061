//! A small blocking client of the gateway's tools: what shell scripts, `command` agents and the
//! scripted player use. It speaks MCP over a unix socket with the standard library alone, so that
//! starting it costs next to nothing.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Where the sandbox shows the runtime's socket.
pub const SANDBOX_SOCKET: &str = "/run/rt/rt.sock";
/// The first line of a connection that speaks MCP.
pub const MCP_HELLO: &[u8] = b"MCP1\n";
/// The longest answer that is read: 16 MiB.
const MAX_ANSWER: u64 = 16 << 20;
/// How long one answer may take: longer than the longest `wait`.
const ANSWER_TIME: Duration = Duration::from_secs(120);
/// The protocol version that the client asks for.
const PROTOCOL: &str = "2025-06-18";
/// [`ToolError::code`] when the runtime cannot be reached or does not answer as MCP.
pub const UNREACHABLE: &str = "UNREACHABLE";
/// [`ToolError::code`] when the call itself is not understood (no such tool, wrong arguments).
pub const BAD_CALL: &str = "BAD-CALL";

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ToolError {
    /// The stable code of the rule that refused (such as `E-SELF`), [`BAD_CALL`] or [`UNREACHABLE`].
    pub code: String,
    /// The whole text, code included: what was refused and what to do next.
    pub text: String,
}

impl ToolError {
    pub(crate) fn unreachable(what: &str, cause: impl std::fmt::Display) -> Self {
        Self { code: UNREACHABLE.to_owned(), text: format!("{UNREACHABLE}: {what}: {cause}") }
    }

    fn bad_call(text: impl std::fmt::Display) -> Self {
        Self { code: BAD_CALL.to_owned(), text: format!("{BAD_CALL}: {text}") }
    }

    /// The refusal whose text starts with its code, up to the first blank.
    fn refusal(text: String) -> Self {
        let code = text.split([' ', ':']).next().unwrap_or_default().to_owned();
        Self { code, text }
    }
}

/// A connection to the gateway. One call at a time.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    next: u64,
}

impl Client {
    /// Connects to the socket at `path` and opens an MCP session.
    ///
    /// # Errors
    /// [`UNREACHABLE`] when nothing answers there.
    pub fn connect(path: &Path) -> Result<Self, ToolError> {
        let stream = UnixStream::connect(path)
            .map_err(|e| ToolError::unreachable(&format!("connecting to {}", path.display()), e))?;
        Self::over(stream)
    }

    /// Opens an MCP session over a stream that is connected already.
    ///
    /// # Errors
    /// [`UNREACHABLE`] when the other side does not answer as MCP.
    pub fn over(mut stream: UnixStream) -> Result<Self, ToolError> {
        let io = |e| ToolError::unreachable("opening the session", e);
        stream.set_read_timeout(Some(ANSWER_TIME)).map_err(io)?;
        stream.set_write_timeout(Some(ANSWER_TIME)).map_err(io)?;
        stream.write_all(MCP_HELLO).map_err(io)?;
        let mut client = Self { reader: BufReader::new(stream), next: 0 };
        let hello = json!({
            "protocolVersion": PROTOCOL, "capabilities": {},
            "clientInfo": {"name": "agents-mcp", "version": env!("CARGO_PKG_VERSION")},
        });
        client.request("initialize", &hello)?;
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(client)
    }

    /// Calls a tool and returns its structured content.
    ///
    /// # Errors
    /// The refusal of a rule, a call that is not understood, or a lost connection.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments})).and_then(|r| outcome(&r))
    }

    /// As [`Client::call`], under a key: a second call with the same key is the same call.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_once(&mut self, tool: &str, arguments: Value, key: &str) -> Result<Value, ToolError> {
        let meta = json!({"claudecode/toolUseId": key});
        self.request("tools/call", &json!({"name": tool, "arguments": arguments, "_meta": meta}))
            .and_then(|r| outcome(&r))
    }

    /// The names of the tools that this role is shown.
    ///
    /// # Errors
    /// A lost connection.
    pub fn tools(&mut self) -> Result<Vec<String>, ToolError> {
        let listed = self.request("tools/list", &json!({}))?;
        let tools = listed["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(tools.iter().filter_map(|t| t["name"].as_str().map(str::to_owned)).collect())
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, ToolError> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let message = self.receive()?;
            // A complaint about a line that could not be read has no id; only ours was sent.
            if message["id"] != id && (!message["id"].is_null() || message.get("error").is_none()) {
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(ToolError::bad_call(error["message"].as_str().unwrap_or("no reason given")));
            }
            return Ok(message["result"].clone());
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), ToolError> {
        let line = format!("{message}\n");
        let io = |e| ToolError::unreachable("sending", e);
        self.reader.get_mut().write_all(line.as_bytes()).map_err(io)
    }

    fn receive(&mut self) -> Result<Value, ToolError> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_ANSWER).read_until(b'\n', &mut line);
        read.map_err(|e| ToolError::unreachable("waiting for the answer", e))?;
        if line.last() != Some(&b'\n') {
            return Err(ToolError::unreachable("waiting for the answer", "the connection was closed"));
        }
        serde_json::from_slice(&line).map_err(|e| ToolError::unreachable("reading the answer", e))
    }
}

/// What a `tools/call` came to: the structured content, else the text.
fn outcome(result: &Value) -> Result<Value, ToolError> {
    let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    if result["isError"] == true {
        return Err(ToolError::refusal(text));
    }
    match &result["structuredContent"] {
        Value::Null => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        structured => Ok(structured.clone()),
    }
}

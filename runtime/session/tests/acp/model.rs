//! A model as far as the agent can tell: the Messages API over the role's socket. It obeys the last
//! word of its user: `WRITE file`, `SHELL command`, `INBOX`, `WAIT`, `FAIL status`; else it just talks.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A request that the model got.
#[derive(Clone)]
pub struct Asked {
    pub path: String,
    pub key: String,
    pub body: Value,
}

/// The model. Lives as long as its test.
#[derive(Clone, Default)]
pub struct Model {
    asked: Arc<Mutex<Vec<Asked>>>,
    left: Arc<AtomicUsize>,
}

impl Model {
    pub fn listen(socket: &Path) -> Self {
        let (model, listener) = (Self::default(), UnixListener::bind(socket).unwrap());
        let serving = model.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let model = serving.clone();
                // An agent that was killed in mid-answer breaks its connection: that is no failure.
                std::thread::spawn(move || model.serve(stream).ok());
            }
        });
        model
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many answers the agent did not want to hear to their end.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    fn serve(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let field = |name: &str| {
            let fields = head.iter().filter_map(|line| line.split_once(':'));
            let mut fields = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
            fields.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(Asked { path, key: field("x-api-key"), body: body.clone() });
        self.reply(&body, &mut stream)
    }

    fn reply(&self, body: &Value, stream: &mut UnixStream) -> std::io::Result<()> {
        let order = order(body);
        let (word, rest) = order.split_once(' ').unwrap_or((&order, ""));
        if word == "FAIL" {
            let error = json!({ "type": "error", "error": { "type": "error", "message": format!("no luck: {rest}") } });
            let error = error.to_string();
            let head = "content-type: application/json\r\nconnection: close";
            return write!(
                stream,
                "HTTP/1.1 {rest} No\r\n{head}\r\ncontent-length: {}\r\n\r\n{error}",
                error.len()
            );
        }
        let tool = match word {
            "WRITE" => Some(("write", json!({ "filePath": format!("/work/{rest}"), "content": "hello\n" }))),
            "SHELL" => Some(("bash", json!({ "command": rest, "description": "a command" }))),
            "INBOX" => Some(("rt_inbox", json!({}))),
            _ => None,
        };
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
        let usage = json!({ "input_tokens": 10, "output_tokens": 1 });
        let message = json!({ "id": "m", "type": "message", "role": "assistant", "model": body["model"],
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage });
        event(stream, json!({ "type": "message_start", "message": message }))?;
        let text = if word == "WAIT" { "tick" } else { "I heard you." };
        event(
            stream,
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        )?;
        event(
            stream,
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": format!("{text}\n") } }),
        )?;
        if word == "WAIT" {
            // Silent until the agent hangs up.
            while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
            self.left.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        event(stream, json!({ "type": "content_block_stop", "index": 0 }))?;
        if let Some((name, input)) = &tool {
            let id = format!("toolu_{}", self.asked.lock().unwrap().len());
            let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
            event(stream, json!({ "type": "content_block_start", "index": 1, "content_block": block }))?;
            let delta = json!({ "type": "input_json_delta", "partial_json": input.to_string() });
            event(stream, json!({ "type": "content_block_delta", "index": 1, "delta": delta }))?;
            event(stream, json!({ "type": "content_block_stop", "index": 1 }))?;
        }
        let stop = if tool.is_some() { "tool_use" } else { "end_turn" };
        let delta = json!({ "stop_reason": stop, "stop_sequence": null });
        event(stream, json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 7 } }))?;
        event(stream, json!({ "type": "message_stop" }))
    }
}

fn event(stream: &mut UnixStream, data: Value) -> std::io::Result<()> {
    write!(stream, "event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// The last text of the user; nothing after a tool's result.
fn order(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    let text = match &last["content"] {
        Value::String(text) => Some(text.as_str()),
        Value::Array(blocks) => blocks.last().and_then(|block| block["text"].as_str()),
        _ => None,
    };
    text.unwrap_or_default().to_owned()
}

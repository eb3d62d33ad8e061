//! The runtime's side of a role's socket, as far as this test needs it: a Messages API that does as
//! its prompts say, and the answers to hooks.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a hook is answered.
pub type Policy = Box<dyn Fn(&str, &Value) -> Value + Send + Sync>;

#[derive(Default)]
pub struct Seen {
    /// The prompts that the model was asked about, in order, each once for each request.
    pub prompts: Vec<String>,
    /// Everything that the model was shown last.
    pub last: String,
    /// The credentials that were shown.
    pub keys: Vec<String>,
}

/// Serves the socket until the process ends.
pub fn serve(listener: UnixListener, policy: Policy) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (kept, policy) = (seen.clone(), Arc::new(policy));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, policy) = (kept.clone(), policy.clone());
            thread::spawn(move || connection(BufReader::new(stream), &seen, &policy));
        }
    });
    seen
}

/// Ends when the peer does; what breaks off is of no concern.
fn connection(mut stream: BufReader<UnixStream>, seen: &Mutex<Seen>, policy: &Policy) -> Option<()> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    if let Some(event) = first.trim().strip_prefix("HOOK1 ") {
        let mut told = String::new();
        stream.read_to_string(&mut told).ok()?;
        let answer = policy(event, &serde_json::from_str(&told).ok()?);
        return writeln!(stream.get_mut(), "{answer}").ok();
    }
    loop {
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).ok()? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(n) = lower.strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
            if let Some(key) = lower.strip_prefix("x-api-key:") {
                seen.lock().unwrap().keys.push(key.trim().to_owned());
            }
            line.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        match first.split(' ').next()? {
            "POST" => answer(stream.get_mut(), &serde_json::from_slice(&body).ok()?, seen)?,
            _ => write!(stream.get_mut(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?,
        }
        first.clear();
        if stream.read_line(&mut first).ok()? == 0 {
            return Some(());
        }
    }
}

/// The texts of a message, and whether it is the result of a tool.
fn texts(message: &Value) -> (String, bool) {
    let content = &message["content"];
    let blocks =
        content.as_array().cloned().unwrap_or_else(|| vec![json!({"type": "text", "text": content})]);
    let text: Vec<&str> = blocks.iter().filter_map(|b| b["text"].as_str()).collect();
    (text.join("\n"), blocks.iter().any(|b| b["type"] == "tool_result"))
}

fn answer(out: &mut UnixStream, body: &Value, seen: &Mutex<Seen>) -> Option<()> {
    let asks_for_a_title = body["tools"].as_array().is_none_or(Vec::is_empty);
    let messages = body["messages"].as_array()?;
    let users: Vec<_> = messages.iter().filter(|m| m["role"] == "user").map(texts).collect();
    let (last, after_tool) = users.last().cloned().unwrap_or_default();
    if asks_for_a_title {
        return say(out, body, &json!({"type": "text", "text": "a title"}));
    }
    let mut kept = seen.lock().unwrap();
    kept.last = messages.iter().map(Value::to_string).collect();
    if !after_tool {
        kept.prompts.push(last.clone());
    }
    drop(kept);
    // A prompt that failed is sent again with the next one.
    let newest = last.rsplit("[envelope-wake").next().unwrap_or_default();
    let order = |word: &str| newest.lines().find_map(|l| l.trim().strip_prefix(word).map(str::to_owned));
    if after_tool {
        return say(out, body, &json!({"type": "text", "text": "the tool has answered"}));
    }
    if let Some(command) = order("RUN: ") {
        let input = json!({"command": command, "description": "as asked"});
        let id = format!("toolu_{}", messages.len());
        return say(out, body, &json!({"type": "tool_use", "id": id, "name": "Bash", "input": input}));
    }
    if order("HANG").is_some() {
        // Held until the peer goes away.
        return out.read(&mut [0]).ok().map(drop);
    }
    if order("REFUSE").is_some() {
        let error =
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "refused"}});
        let error = error.to_string();
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json";
        return write!(out, "{head}\r\ncontent-length: {}\r\n\r\n{error}", error.len()).ok();
    }
    say(out, body, &json!({"type": "text", "text": "understood"}))
}

/// One message of one block, streamed or whole.
fn say(out: &mut UnixStream, body: &Value, block: &Value) -> Option<()> {
    let why = if block["type"] == "text" { "end_turn" } else { "tool_use" };
    let usage = json!({"input_tokens": 10, "output_tokens": 5});
    // The program takes messages of the same id for parts of one.
    let id = format!("msg_{}", body["messages"].to_string().len());
    let message = json!({"id": id, "type": "message", "role": "assistant", "model": body["model"],
        "content": [block], "stop_reason": why, "stop_sequence": null, "usage": usage});
    if body["stream"] != true {
        let text = message.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        return write!(out, "{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len()).ok();
    }
    let (mut start, mut empty) = (message.clone(), block.clone());
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    let delta = match block["type"].as_str()? {
        "text" => json!({"type": "text_delta", "text": block["text"]}),
        _ => json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
    };
    match why {
        "end_turn" => empty["text"] = "".into(),
        _ => empty["input"] = json!({}),
    }
    let events = [
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": empty}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": why, "stop_sequence": null}, "usage": usage}),
        json!({"type": "message_stop"}),
    ];
    let stream: String = events
        .iter()
        .map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap_or("")))
        .collect();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream";
    write!(out, "{head}\r\ncontent-length: {}\r\n\r\n{stream}", stream.len()).ok()
}

//! The least of the Messages API: streams scripted messages over a unix socket.

use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// What the stub says to a request.
pub enum Reply {
    /// A message of these blocks.
    Message(Vec<Value>),
    /// An error: status, kind, words.
    Error(u16, String, String),
}

type Play = dyn Fn(&Value) -> Reply + Send + Sync;

/// The stub of one stage.
#[derive(Clone)]
pub struct Api {
    play: Arc<Mutex<Arc<Play>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

pub fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

pub fn tool(name: &str, input: Value) -> Value {
    json!({ "type": "tool_use", "name": name, "input": input })
}

impl Api {
    pub fn listen(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let silent: Arc<Play> = Arc::new(|_| Reply::Message(vec![text("nothing to say")]));
        let api = Self { play: Arc::new(Mutex::new(silent)), requests: Arc::default() };
        let serving = api.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        api
    }

    pub fn play(&self, play: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        *self.play.lock().unwrap() = Arc::new(play);
    }

    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: UnixStream) {
        let Some(request) = read_request(&mut stream).await else { return };
        self.requests.lock().unwrap().push(request.clone());
        let play = Arc::clone(&self.play.lock().unwrap());
        let answer = match play(&request) {
            Reply::Message(blocks) => message(&request, blocks),
            Reply::Error(status, kind, words) => {
                let error = json!({ "type": "error", "error": { "type": kind, "message": words } });
                http(status, "application/json", &error.to_string())
            }
        };
        // A client that has gone away wants no answer.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn http(status: u16, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// The body of a POST; other requests are answered here.
async fn read_request(stream: &mut UnixStream) -> Option<Value> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    if !head.starts_with("post /a/dev-a/v1/messages?") || !head.contains("x-api-key: a-token") {
        let _ = stream.write_all(http(404, "text/plain", "").as_bytes()).await;
        return None;
    }
    let length: usize = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    while bytes.len() < head.len() + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    serde_json::from_slice(&bytes[head.len() + 4..]).ok()
}

/// A streamed message; 100 tokens are read and 7 written.
fn message(request: &Value, blocks: Vec<Value>) -> String {
    let mut events = String::new();
    let mut event = |mut data: Value, kind: &str| {
        data["type"] = kind.into();
        events.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    };
    let stop = if blocks.iter().any(|b| b["type"] == "tool_use") { "tool_use" } else { "end_turn" };
    let id = uuid::Uuid::new_v4().simple().to_string();
    let usage = json!({ "input_tokens": 100, "output_tokens": 1 });
    let head = json!({ "id": format!("msg_{id}"), "type": "message", "role": "assistant", "content": [],
        "model": request["model"], "stop_reason": null, "stop_sequence": null, "usage": usage });
    event(json!({ "message": head }), "message_start");
    for (index, block) in blocks.into_iter().enumerate() {
        let (start, delta) = if block["type"] == "tool_use" {
            let call = format!("toolu_{id}{index}");
            (
                json!({ "type": "tool_use", "id": call, "name": block["name"], "input": {} }),
                json!({ "type": "input_json_delta", "partial_json": block["input"].to_string() }),
            )
        } else {
            (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": block["text"] }))
        };
        event(json!({ "index": index, "content_block": start }), "content_block_start");
        event(json!({ "index": index, "delta": delta }), "content_block_delta");
        event(json!({ "index": index }), "content_block_stop");
    }
    let delta = json!({ "stop_reason": stop, "stop_sequence": null });
    event(json!({ "delta": delta, "usage": { "output_tokens": 7 } }), "message_delta");
    event(json!({}), "message_stop");
    http(200, "text/event-stream", &events)
}

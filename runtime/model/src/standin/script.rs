//! An answer as the API writes it: whole, or as the events of a stream.

use super::request::{Asked, tokens};
use foureyes_ports::model::{Block, ModelUse};
use serde_json::{Value, json};

/// Text comes in pieces of so many characters.
const TEXT_PIECE: usize = 24;
/// Arguments of tools come in pieces of so many characters.
const JSON_PIECE: usize = 32;

/// The whole message.
pub(super) fn message(asked: &Asked, blocks: &[Block]) -> Value {
    let content: Vec<Value> = blocks.iter().enumerate().map(|(at, block)| whole(asked, at, block)).collect();
    let mut message = envelope(asked, written(blocks));
    message["content"] = content.into();
    message["stop_reason"] = stop_reason(blocks).into();
    message
}

/// The beginning of a stream.
pub(super) fn opening(asked: &Asked) -> Vec<String> {
    let start = json!({ "type": "message_start", "message": envelope(asked, 1) });
    vec![event(&start), event(&json!({ "type": "ping" }))]
}

/// The events of the blocks.
pub(super) fn content(asked: &Asked, blocks: &[Block]) -> Vec<String> {
    blocks.iter().enumerate().flat_map(|(at, block)| block_events(asked, at, block)).collect()
}

/// The end of a stream.
pub(super) fn closing(asked: &Asked, blocks: &[Block]) -> Vec<String> {
    let delta = json!({ "stop_reason": stop_reason(blocks), "stop_sequence": null });
    let usage = usage(&asked.usage, written(blocks));
    let end = json!({ "type": "message_delta", "delta": delta, "usage": usage });
    vec![event(&end), event(&json!({ "type": "message_stop" }))]
}

fn envelope(asked: &Asked, output: u64) -> Value {
    json!({
        "id": format!("msg_{}", asked.id),
        "type": "message",
        "role": "assistant",
        "model": asked.model(),
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(&asked.usage, output),
    })
}

fn usage(used: &ModelUse, output: u64) -> Value {
    json!({
        "input_tokens": used.input_tokens,
        "cache_creation_input_tokens": used.cache_write_tokens,
        "cache_read_input_tokens": used.cache_read_tokens,
        "output_tokens": output,
    })
}

fn written(blocks: &[Block]) -> u64 {
    let size = |block: &Block| match block {
        Block::Text(text) => text.len(),
        Block::ToolUse { name, input } => name.len() + json!(input).to_string().len(),
    };
    tokens(blocks.iter().map(size).sum()).max(1)
}

fn stop_reason(blocks: &[Block]) -> &'static str {
    let calls = blocks.iter().any(|block| matches!(block, Block::ToolUse { .. }));
    if calls { "tool_use" } else { "end_turn" }
}

fn whole(asked: &Asked, at: usize, block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({ "type": "text", "text": text }),
        Block::ToolUse { name, input } => {
            json!({ "type": "tool_use", "id": tool_id(asked, at), "name": name, "input": input })
        }
    }
}

/// Another one for each block of each request, and the same when the request is repeated.
fn tool_id(asked: &Asked, at: usize) -> String {
    format!("toolu_{}{at:02}", asked.id)
}

fn block_events(asked: &Asked, at: usize, block: &Block) -> Vec<String> {
    let (start, deltas) = match block {
        Block::Text(text) => {
            let delta = |piece: String| json!({ "type": "text_delta", "text": piece });
            (json!({ "type": "text", "text": "" }), pieces(text, TEXT_PIECE).map(delta).collect::<Vec<_>>())
        }
        Block::ToolUse { name, input } => {
            let delta = |piece: String| json!({ "type": "input_json_delta", "partial_json": piece });
            let start = json!({ "type": "tool_use", "id": tool_id(asked, at), "name": name, "input": {} });
            let text = json!(input).to_string();
            // The API begins with an empty piece.
            (start, std::iter::once(String::new()).chain(pieces(&text, JSON_PIECE)).map(delta).collect())
        }
    };
    let start = json!({ "type": "content_block_start", "index": at, "content_block": start });
    let deltas = deltas
        .into_iter()
        .map(|delta| event(&json!({ "type": "content_block_delta", "index": at, "delta": delta })));
    let stop = json!({ "type": "content_block_stop", "index": at });
    std::iter::once(event(&start)).chain(deltas).chain([event(&stop)]).collect()
}

fn pieces(text: &str, length: usize) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = characters.chunks(length).map(|chunk| chunk.iter().collect()).collect();
    pieces.into_iter()
}

fn event(data: &Value) -> String {
    let kind = data["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}

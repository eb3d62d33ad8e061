//! What is asked of the stand-in.

use foureyes_ports::model::{Block, ModelUse};
use hyper::Method;
use ring::digest;
use serde_json::{Map, Value};

/// So many bytes count as a token.
const BYTES_PER_TOKEN: usize = 4;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Presence,
    Messages,
    Count,
    Models,
    Nothing,
}

/// The agent that a path names, and what it asks for.
pub(super) fn route<'a>(method: &Method, path: &'a str) -> (&'a str, Want) {
    let named = path.strip_prefix("/a/").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let (agent, path) = named.unwrap_or(("agent", path.strip_prefix('/').unwrap_or(path)));
    let want = match (method, path) {
        (&Method::HEAD, _) => Want::Presence,
        (&Method::POST, "v1/messages") => Want::Messages,
        (&Method::POST, "v1/messages/count_tokens") => Want::Count,
        (&Method::GET, "v1/models") => Want::Models,
        (&Method::GET, path) if path.starts_with("v1/models/") => Want::Models,
        _ => Want::Nothing,
    };
    (agent, want)
}

/// A request for an answer.
pub(super) struct Asked {
    pub(super) body: Value,
    /// The same for the same request.
    pub(super) id: String,
    pub(super) usage: ModelUse,
}

impl Asked {
    pub(super) fn new(agent: &str, bytes: &[u8]) -> Option<Self> {
        let body = serde_json::from_slice::<Value>(bytes).ok().filter(Value::is_object)?;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(agent.as_bytes());
        context.update(bytes);
        let id = hex::encode(&context.finish().as_ref()[..12]);
        let usage = usage(&body, bytes);
        Some(Self { body, id, usage })
    }

    pub(super) fn model(&self) -> &str {
        self.body.get("model").and_then(Value::as_str).unwrap_or("stand-in")
    }

    pub(super) fn streams(&self) -> bool {
        self.body.get("stream").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The answer to a request that offers no tools: the CLI asks so for titles and the like, and no
    /// play is about these. Where a form is asked for, the answer has it.
    pub(super) fn aside(&self) -> Option<Vec<Block>> {
        let tools = self.body.get("tools").and_then(Value::as_array);
        if tools.is_some_and(|tools| !tools.is_empty()) {
            return None;
        }
        let schema = self.body.pointer("/output_config/format/schema/properties").and_then(Value::as_object);
        let text =
            schema.map_or_else(|| "Stand-in".to_owned(), |fields| Value::Object(filled(fields)).to_string());
        Some(vec![Block::Text(text)])
    }
}

/// An object with every field of a schema.
fn filled(fields: &Map<String, Value>) -> Map<String, Value> {
    let value = |schema: &Value| match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => Value::Bool(false),
        Some("number" | "integer") => 0.into(),
        Some("array") => Value::Array(Vec::new()),
        Some("object") => Value::Object(Map::new()),
        _ => "Stand-in".into(),
    };
    fields.iter().map(|(name, schema)| (name.clone(), value(schema))).collect()
}

pub(super) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// What was read. Where the request marks parts for the cache, all before the last message counts as
/// read from it, and the last as written into it.
fn usage(body: &Value, bytes: &[u8]) -> ModelUse {
    let all = tokens(bytes.len());
    let none = ModelUse::default();
    if !bytes.windows(MARK.len()).any(|window| window == MARK) {
        return ModelUse { input_tokens: all, ..none };
    }
    let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match messages {
        [_, .., last] => {
            let cache_write_tokens = tokens(last.to_string().len()).min(all);
            ModelUse { cache_read_tokens: all - cache_write_tokens, cache_write_tokens, ..none }
        }
        _ => ModelUse { cache_write_tokens: all, ..none },
    }
}

const MARK: &[u8] = b"\"cache_control\"";

//! What an answer used, read from the answer as it passes.

use super::{frames::Frames, trouble};
use foureyes_ports::model::{ModelTrouble, ModelUse};
use serde::Deserialize;
use serde_json::Value;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Server-sent events.
    Events,
    /// Amazon's event stream, with the same events inside.
    Frames,
    /// One JSON document.
    Json,
}

impl Format {
    /// By the content type of an answer.
    pub(super) fn of(content_type: &str) -> Self {
        if content_type.starts_with("text/event-stream") {
            Self::Events
        } else if content_type.starts_with("application/vnd.amazon.eventstream") {
            Self::Frames
        } else {
            Self::Json
        }
    }
}

/// A line or a document longer than this is not read, only passed on.
const MAX_READ: usize = 16 * 1024 * 1024;
/// Where output has to be estimated: so many bytes of text count as a token.
const BYTES_PER_TOKEN: u64 = 4;

/// Reads an answer while it passes.
#[derive(Debug)]
pub(super) struct Meter {
    format: Format,
    buffer: Vec<u8>,
    skipping: bool,
    frames: Frames,
    used: ModelUse,
    /// Whether any usage was told.
    counted: bool,
    /// Bytes of text that came in pieces.
    written: u64,
    /// Whether the answer came to its own end.
    ended: bool,
    trouble: Option<ModelTrouble>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    message: Option<Message>,
    usage: Option<Usage>,
    delta: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    model: String,
    usage: Option<Usage>,
}

/// Counts as the API tells them; later ones replace earlier ones.
#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl Meter {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            buffer: Vec::new(),
            skipping: false,
            frames: Frames::default(),
            used: ModelUse::default(),
            counted: false,
            written: 0,
            ended: false,
            trouble: None,
        }
    }

    /// Reads a piece. Says whether the model itself said something in it: a `ping` or a comment is a
    /// sign of the connection alone.
    pub(super) fn feed(&mut self, piece: &[u8]) -> bool {
        match self.format {
            Format::Events => self.lines(piece),
            Format::Frames => {
                let events = self.frames.feed(piece);
                events.iter().fold(false, |said, event| self.event(event) | said)
            }
            Format::Json => {
                if self.buffer.len() + piece.len() <= MAX_READ {
                    self.buffer.extend_from_slice(piece);
                }
                true
            }
        }
    }

    fn lines(&mut self, piece: &[u8]) -> bool {
        let mut said = false;
        for part in piece.split_inclusive(|b| *b == b'\n') {
            let complete = part.ends_with(b"\n");
            if self.buffer.len() + part.len() > MAX_READ {
                self.skipping = true;
                self.buffer.clear();
            }
            if !self.skipping {
                self.buffer.extend_from_slice(part);
            }
            if complete {
                let line = std::mem::take(&mut self.buffer);
                said |= std::mem::take(&mut self.skipping) || self.line(&line);
            }
        }
        said
    }

    fn line(&mut self, line: &[u8]) -> bool {
        line.strip_prefix(b"data:").is_some_and(|data| self.event(data.trim_ascii()))
    }

    fn event(&mut self, data: &[u8]) -> bool {
        let Ok(event) = serde_json::from_slice::<Event>(data) else { return true };
        match event.kind.as_str() {
            "ping" => return false,
            "message_stop" => self.ended = true,
            "error" => {
                self.ended = true;
                self.trouble = Some(trouble::of_event(event.error.as_ref()));
            }
            _ => {}
        }
        self.written += event.delta.as_ref().map_or(0, text_length);
        if let Some(message) = event.message {
            self.used.model = message.model;
            message.usage.iter().for_each(|usage| self.count(usage));
        }
        event.usage.iter().for_each(|usage| self.count(usage));
        true
    }

    fn count(&mut self, usage: &Usage) {
        self.counted = true;
        let set = |to: &mut u64, from: Option<u64>| *to = from.unwrap_or(*to);
        set(&mut self.used.input_tokens, usage.input_tokens);
        set(&mut self.used.output_tokens, usage.output_tokens);
        set(&mut self.used.cache_read_tokens, usage.cache_read_input_tokens);
        set(&mut self.used.cache_write_tokens, usage.cache_creation_input_tokens);
    }

    /// An error that the stream itself told, once.
    pub(super) fn take_trouble(&mut self) -> Option<ModelTrouble> {
        self.trouble.take()
    }

    /// Whether an answer that has stopped here is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.ended || self.format == Format::Json
    }

    /// What was used up to here; `None` where nothing tells. Of a stream that broke off the output is
    /// what was told or, if more, what its text amounts to: the provider bills it, too.
    pub(super) fn used(&mut self) -> Option<ModelUse> {
        if self.format == Format::Json {
            let body = std::mem::take(&mut self.buffer);
            let message = serde_json::from_slice::<Message>(&body).ok()?;
            self.used.model = message.model;
            message.usage.iter().for_each(|usage| self.count(usage));
        }
        if !self.ended {
            self.used.output_tokens = self.used.output_tokens.max(self.written.div_ceil(BYTES_PER_TOKEN));
        }
        self.counted.then(|| self.used.clone())
    }
}

/// The bytes of text in a piece of a block, whatever its kind (`text`, `thinking`, `partial_json`).
fn text_length(delta: &Value) -> u64 {
    let texts = ["text", "thinking", "partial_json"].map(|key| delta.get(key).and_then(Value::as_str));
    texts.into_iter().flatten().map(|text| text.len() as u64).sum()
}

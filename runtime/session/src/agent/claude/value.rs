//! Looking into records whose shape is the CLI's affair: what is not there is empty.

use serde_json::Value;
use uuid::Uuid;

/// The text at a key, or the empty text.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The elements of the list at a key, or none.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The UUID at a key.
pub(super) fn uuid(value: &Value, key: &str) -> Option<Uuid> {
    Uuid::try_parse(text(value, key)).ok()
}

/// The number at a key, or 0.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

/// The HTTP status at a key.
pub(super) fn status(value: &Value, key: &str) -> Option<u16> {
    value[key].as_u64().and_then(|status| u16::try_from(status).ok())
}

/// The text of a `content`: one string, or the text blocks of a list.
pub(super) fn content_text(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    texts.join("\n")
}

//! What a refusal of the API means.

use super::reset;
use foureyes_ports::{clock::UnixMillis, model::ModelTrouble, text::clean_text};
use hyper::HeaderMap;
use serde_json::Value;

/// Longer messages are cut.
const MAX_MESSAGE: usize = 300;

/// How the API says that a conversation is longer than the model can read.
const TOO_LONG: [&str; 5] = [
    "prompt is too long",
    "too long:",
    "input is too long",
    "exceed context limit",
    "maximum context length",
];

/// The meaning of an answer that is none: its status, its headers, its body.
pub(super) fn of_answer(status: u16, headers: &HeaderMap, body: &str, now: UnixMillis) -> ModelTrouble {
    let parsed = serde_json::from_str::<Value>(body).unwrap_or_default();
    let error = parsed.get("error").unwrap_or(&parsed);
    let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).unwrap_or(body);
    // An agent chooses words that the API says back, so only an answer about a limit tells its end.
    if (status == 429 || kind == "rate_limit_error")
        && let Some(until) = reset::in_text(message, now)
    {
        return ModelTrouble::RateLimited { until: Some(until) };
    }
    match status {
        401 => ModelTrouble::Auth(words(message)),
        429 => ModelTrouble::RateLimited { until: reset::in_headers(headers, now) },
        529 => ModelTrouble::Overloaded,
        500.. if kind == "overloaded_error" => ModelTrouble::Overloaded,
        500.. => ModelTrouble::Server(status),
        400 | 413 if status == 413 || is_too_long(message) => ModelTrouble::TooLong,
        _ => ModelTrouble::Refused(status, words(message)),
    }
}

/// The meaning of an `error` event within a stream.
pub(super) fn of_event(error: Option<&Value>) -> ModelTrouble {
    let text = |key: &str| error.and_then(|e| e.get(key)).and_then(Value::as_str).unwrap_or_default();
    let message = text("message");
    match text("type") {
        "overloaded_error" => ModelTrouble::Overloaded,
        "rate_limit_error" => ModelTrouble::RateLimited { until: None },
        "authentication_error" => ModelTrouble::Auth(words(message)),
        "permission_error" => ModelTrouble::Refused(403, words(message)),
        "invalid_request_error" if is_too_long(message) => ModelTrouble::TooLong,
        "invalid_request_error" => ModelTrouble::Refused(400, words(message)),
        "timeout_error" => ModelTrouble::Server(504),
        _ => ModelTrouble::Server(500),
    }
}

fn is_too_long(message: &str) -> bool {
    let message = message.to_lowercase();
    TOO_LONG.iter().any(|words| message.contains(words))
}

/// A text of the provider for people: one line, not long.
pub(super) fn words(text: &str) -> String {
    clean_text(text, MAX_MESSAGE)
}

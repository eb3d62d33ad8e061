//! How a turn ended, out of its `result`.

use super::{
    reset::reset_time,
    value::{list, status, text},
};
use crate::agent::troubled::says;
use foureyes_ports::{backend::TurnEnd, clock::UnixMillis, model::ModelTrouble, text::clean_text};
use serde_json::Value;

/// Characters of the CLI's own words that are kept.
const WORDS: usize = 300;

/// The end of a turn. `stopping`: an interrupt was sent in it. A `result` may say `success` and be an
/// error all the same; words about limits count only in one that says it is an error.
pub(super) fn end_of(result: &Value, stopping: bool, now: UnixMillis) -> TurnEnd {
    let (reason, subtype) = (text(result, "terminal_reason"), text(result, "subtype"));
    if reason.starts_with("aborted") || (stopping && subtype == "error_during_execution") {
        return TurnEnd::Interrupted;
    }
    if result["is_error"] != true && !subtype.starts_with("error") {
        return TurnEnd::Done;
    }
    let words = words_of(result);
    if matches!(reason, "prompt_too_long" | "blocking_limit" | "rapid_refill_breaker") {
        return TurnEnd::Failed(ModelTrouble::TooLong);
    }
    let trouble = match status(result, "api_error_status") {
        Some(status) => Some(by_status(status, &words, now)),
        None if subtype == "success" => by_words(&words, now),
        None => None,
    };
    trouble.map_or_else(|| TurnEnd::GaveUp(gave_up(subtype, &words)), TurnEnd::Failed)
}

fn words_of(result: &Value) -> String {
    let said = text(result, "result");
    if !said.is_empty() {
        return clean_text(said, WORDS);
    }
    let errors: Vec<&str> = list(result, "errors").iter().filter_map(Value::as_str).collect();
    clean_text(&errors.join("; "), WORDS)
}

fn gave_up(subtype: &str, words: &str) -> String {
    match (subtype, words) {
        ("success", words) => words.to_owned(),
        (subtype, "") => clean_text(subtype, WORDS),
        (subtype, words) => clean_text(&format!("{subtype}: {words}"), WORDS),
    }
}

fn by_status(status: u16, words: &str, now: UnixMillis) -> ModelTrouble {
    match status {
        // 402: the account has no credit, which no repetition mends either.
        401..=403 => ModelTrouble::Auth(words.to_owned()),
        413 => ModelTrouble::TooLong,
        429 => ModelTrouble::RateLimited { until: reset_time(words, now) },
        529 => ModelTrouble::Overloaded,
        500..=599 => ModelTrouble::Server(status),
        _ if says(words, TOO_LONG) => ModelTrouble::TooLong,
        _ => ModelTrouble::Refused(status, words.to_owned()),
    }
}

const TOO_LONG: &[&str] = &["prompt is too long", "input is too long", "context limit", "request too large"];
const LIMIT: &[&str] = &["limit reached", "hit your", "rate limit", "usage limit", "too many requests"];
const AUTH: &[&str] = &[
    "invalid api key",
    "invalid bearer",
    "not logged in",
    "/login",
    "authenticate",
    "authentication",
    "oauth token",
    "credit balance",
    "organization has been disabled",
];
const NETWORK: &[&str] = &[
    "connection",
    "econn",
    "enotfound",
    "etimedout",
    "eai_again",
    "ehostunreach",
    "enetunreach",
    "socket",
    "network",
    "fetch failed",
    "timed out",
    "timeout",
    "unable to connect",
    "certificate",
];

/// What the words alone tell, where no status came.
fn by_words(words: &str, now: UnixMillis) -> Option<ModelTrouble> {
    Some(match words {
        _ if says(words, TOO_LONG) => ModelTrouble::TooLong,
        _ if says(words, LIMIT) => ModelTrouble::RateLimited { until: reset_time(words, now) },
        _ if says(words, AUTH) => ModelTrouble::Auth(words.to_owned()),
        _ if says(words, &["overloaded"]) => ModelTrouble::Overloaded,
        _ if says(words, NETWORK) => ModelTrouble::Network(words.to_owned()),
        _ => return None,
    })
}

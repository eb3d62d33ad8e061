//! How a turn ended.

use crate::agent::troubled::says;
use agent_client_protocol_schema::{Error, ErrorCode, PromptResponse, StopReason};
use foureyes_ports::{backend::TurnEnd, model::ModelTrouble, text::clean_text};
use serde_json::Value;

/// Characters of the agent's own words that are kept.
const WORDS: usize = 300;

/// The end that an answer to a prompt tells.
pub(super) fn end_of(response: &PromptResponse) -> TurnEnd {
    let why = match response.stop_reason {
        StopReason::EndTurn => return TurnEnd::Done,
        StopReason::Cancelled => return TurnEnd::Interrupted,
        StopReason::MaxTokens => "the answer became longer than the model may write (max_tokens)",
        StopReason::MaxTurnRequests => {
            "it asked its model as often in one turn as it may (max_turn_requests)"
        }
        StopReason::Refusal => "the model refused to go on (refusal)",
        _ => "it ended the turn for a reason of its own",
    };
    TurnEnd::GaveUp(why.to_owned())
}

/// The end that an error tells. The protocol has no place for the model's status: it is looked for in
/// the error's data, and then in its words.
pub(super) fn end_by(error: &Error) -> TurnEnd {
    let words = words_of(error);
    if error.code == ErrorCode::AuthRequired {
        return TurnEnd::Failed(ModelTrouble::Auth(words));
    }
    let status = error.data.as_ref().and_then(status_in).or_else(|| status_said(&error.message));
    let trouble = match status {
        Some(status) => Some(by_status(status, &words)),
        None => by_words(&words),
    };
    trouble.map_or(TurnEnd::GaveUp(words), TurnEnd::Failed)
}

/// The error in one line.
pub(super) fn words_of(error: &Error) -> String {
    let more = error.data.as_ref().and_then(|data| {
        let told = ["message", "details", "detail", "error"].iter().find_map(|key| data[key].as_str());
        told.or(data.as_str())
    });
    let said = match more {
        Some(more) if !error.message.contains(more) => format!("{}: {more}", error.message),
        _ => error.message.clone(),
    };
    clean_text(&said, WORDS)
}

fn status_in(data: &Value) -> Option<u16> {
    let at = |value: &Value| {
        let keys = ["status", "statusCode", "status_code", "httpStatus", "code"];
        keys.iter().find_map(|key| value[key].as_u64()).and_then(error_status)
    };
    at(data).or_else(|| at(&data["error"]))
}

/// Numbers that stand in words as statuses do, and mean trouble of a model.
const STATUSES: [u16; 13] = [400, 401, 402, 403, 408, 413, 429, 500, 502, 503, 504, 520, 529];

fn status_said(words: &str) -> Option<u16> {
    let numbers = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() == 3);
    numbers.filter_map(|word| word.parse().ok()).find(|status| STATUSES.contains(status))
}

fn error_status(n: u64) -> Option<u16> {
    u16::try_from(n).ok().filter(|status| (400..600).contains(status))
}

fn by_status(status: u16, words: &str) -> ModelTrouble {
    match status {
        // 402: the account has no credit, which no repetition mends either.
        401..=403 => ModelTrouble::Auth(words.to_owned()),
        413 => ModelTrouble::TooLong,
        429 => ModelTrouble::RateLimited { until: None },
        529 => ModelTrouble::Overloaded,
        500..=599 => ModelTrouble::Server(status),
        _ if says(words, TOO_LONG) => ModelTrouble::TooLong,
        _ => ModelTrouble::Refused(status, words.to_owned()),
    }
}

const TOO_LONG: &[&str] =
    &["prompt is too long", "input is too long", "context limit", "context length", "request too large"];
const LIMIT: &[&str] =
    &["limit reached", "rate limit", "rate_limit", "usage limit", "quota", "too many requests"];
const OVERLOADED: &[&str] = &["overloaded"];
const AUTH: &[&str] = &[
    "api key",
    "api-key",
    "x-api-key",
    "unauthorized",
    "forbidden",
    "not logged in",
    "authenticat",
    "oauth token",
    "credit balance",
];
const NETWORK: &[&str] = &[
    "connection",
    "connect",
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
    "certificate",
];

/// What the words alone tell, where no status came.
fn by_words(words: &str) -> Option<ModelTrouble> {
    Some(match words {
        _ if says(words, TOO_LONG) => ModelTrouble::TooLong,
        _ if says(words, LIMIT) => ModelTrouble::RateLimited { until: None },
        _ if says(words, OVERLOADED) => ModelTrouble::Overloaded,
        _ if says(words, AUTH) => ModelTrouble::Auth(words.to_owned()),
        _ if says(words, NETWORK) => ModelTrouble::Network(words.to_owned()),
        _ => return None,
    })
}

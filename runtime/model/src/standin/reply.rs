//! From a request to an answer.

use super::{
    request::{Asked, Want, route, tokens},
    script,
};
use bytes::Bytes;
use foureyes_ports::model::{Block, Reply, ReplyOutcome, StandIn};
use futures::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use std::time::Duration;

/// A larger request is refused.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// The connection is broken off, as a play wants it.
#[derive(Debug, thiserror::Error)]
#[error("the stand-in breaks off, as its play says")]
pub(super) struct BreakOff;

type Answer = Response<UnsyncBoxBody<Bytes, BreakOff>>;

/// Answers a request.
pub(super) async fn to(request: Request<Incoming>, model: &dyn StandIn) -> Answer {
    let (parts, body) = request.into_parts();
    let (agent, want) = route(&parts.method, parts.uri.path());
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await.map(http_body_util::Collected::to_bytes)
    else {
        return error(413, "request_too_large", "the request is too large, or broke off", &[]);
    };
    match want {
        Want::Presence => json_answer(200, &Value::Null, true),
        Want::Models => json_answer(200, &models(), false),
        Want::Count => json_answer(200, &json!({ "input_tokens": tokens(body.len()) }), false),
        Want::Nothing => error(404, "not_found_error", "the stand-in has no such path", &[]),
        Want::Messages => match Asked::new(agent, &body) {
            Some(asked) => answer(agent, &asked, model).await,
            None => error(400, "invalid_request_error", "the body is no JSON object", &[]),
        },
    }
}

fn models() -> Value {
    let model = json!({
        "type": "model", "id": "stand-in", "display_name": "Stand-in", "created_at": "2025-01-01T00:00:00Z",
    });
    json!({ "data": [model], "has_more": false, "first_id": "stand-in", "last_id": "stand-in" })
}

async fn answer(agent: &str, asked: &Asked, model: &dyn StandIn) -> Answer {
    let aside = asked.aside().map(ReplyOutcome::Message);
    let reply = aside
        .map_or_else(|| model.reply(agent, &asked.body), |outcome| Reply { think: Duration::ZERO, outcome });
    if let ReplyOutcome::Error { status, kind, message, headers } = &reply.outcome {
        tokio::time::sleep(reply.think).await;
        return error(*status, kind, message, headers);
    }
    if asked.streams() {
        return events(asked, reply);
    }
    tokio::time::sleep(reply.think).await;
    match reply.outcome {
        ReplyOutcome::Message(blocks) => json_answer(200, &script::message(asked, &blocks), false),
        ReplyOutcome::Cut(blocks) => {
            let whole = script::message(asked, &blocks).to_string();
            let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
            streamed("application/json", breaking(vec![Ok(half)]))
        }
        ReplyOutcome::Silence | ReplyOutcome::Error { .. } => streamed("application/json", stream::pending()),
    }
}

/// The answer as a stream: its beginning at once, the rest after the time it thinks.
fn events(asked: &Asked, reply: Reply) -> Answer {
    let opening = stream::iter(pieces(script::opening(asked)));
    let think = stream::once(tokio::time::sleep(reply.think)).filter_map(|()| async { None });
    let rest = match reply.outcome {
        ReplyOutcome::Message(blocks) => {
            let events = [script::content(asked, &blocks), script::closing(asked, &blocks)].concat();
            stream::iter(pieces(events)).boxed()
        }
        ReplyOutcome::Cut(blocks) => breaking(cut(asked, &blocks)).boxed(),
        ReplyOutcome::Silence | ReplyOutcome::Error { .. } => stream::pending().boxed(),
    };
    streamed("text/event-stream; charset=utf-8", opening.chain(think).chain(rest))
}

fn pieces(events: Vec<String>) -> Vec<Result<Bytes, BreakOff>> {
    events.into_iter().map(|event| Ok(Bytes::from(event))).collect()
}

/// The events up to the middle of the last block.
fn cut(asked: &Asked, blocks: &[Block]) -> Vec<Result<Bytes, BreakOff>> {
    let before = blocks.len().saturating_sub(1);
    let whole = script::content(asked, &blocks[..before]).len();
    let mut events = script::content(asked, blocks);
    let last = events.len() - whole;
    // Its beginning and half of its pieces, without its end.
    events.truncate(whole + (1 + last / 2).min(last.saturating_sub(1)));
    pieces(events)
}

/// These pieces, and the break: after a pause in which the server writes what it has, as it would drop
/// it else.
fn breaking(pieces: Vec<Result<Bytes, BreakOff>>) -> impl Stream<Item = Result<Bytes, BreakOff>> + Send {
    let end = stream::once(tokio::task::yield_now()).map(|()| Err(BreakOff));
    stream::iter(pieces).chain(end)
}

fn streamed(
    kind: &'static str,
    pieces: impl Stream<Item = Result<Bytes, BreakOff>> + Send + 'static,
) -> Answer {
    let body = BodyExt::boxed_unsync(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))));
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn json_answer(status: u16, body: &Value, empty: bool) -> Answer {
    let body = if empty { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut answer = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn error(status: u16, kind: &str, message: &str, headers: &[(String, String)]) -> Answer {
    let body = json!({ "type": "error", "error": { "type": kind, "message": message } });
    let mut answer = json_answer(status, &body, false);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

//! A model that fails as a provider's API does.

use super::request::Seen;
use crate::player::play::{Fault, FaultKind};
use foureyes_ports::{
    clock::Clock,
    model::{Reply, ReplyOutcome, StandIn},
};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Fails by a list of faults, and otherwise does as another model. It counts the requests of one
/// agent that offer tools, from 1 on, for as long as it lives; retries count, too.
pub struct Faulty {
    inner: Arc<dyn StandIn>,
    faults: Vec<Fault>,
    clock: Arc<dyn Clock>,
    asked: AtomicU32,
}

impl Faulty {
    /// Of several faults of the same request the first one holds.
    pub fn new(inner: Arc<dyn StandIn>, faults: Vec<Fault>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, faults, clock, asked: AtomicU32::new(0) }
    }

    fn error(&self, fault: &Fault, status: u16) -> ReplyOutcome {
        let seconds = |ms: u64| ms.div_ceil(1000).to_string();
        let mut headers = Vec::new();
        if let Some(after) = fault.retry_after {
            headers.push(("retry-after".to_owned(), seconds(after.as_ms())));
        }
        if let Some(reset) = fault.reset_in {
            let at = self.clock.now_ms().saturating_add(reset.as_ms());
            headers.push(("anthropic-ratelimit-unified-status".to_owned(), "rejected".to_owned()));
            headers.push(("anthropic-ratelimit-unified-reset".to_owned(), seconds(at)));
        }
        let (kind, message) = words(status);
        ReplyOutcome::Error { status, kind: kind.to_owned(), message: message.to_owned(), headers }
    }
}

impl StandIn for Faulty {
    fn reply(&self, agent: &str, request: &Value) -> Reply {
        let reply = self.inner.reply(agent, request);
        if Seen::of(request).tools.is_empty() {
            return reply;
        }
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let covers = |f: &&Fault| (f.request..f.request.saturating_add(f.times)).contains(&asked);
        let Some(fault) = self.faults.iter().find(covers) else { return reply };
        let outcome = match (fault.kind, reply.outcome) {
            (FaultKind::Status(status), _) => self.error(fault, status),
            (FaultKind::Silence, _) => ReplyOutcome::Silence,
            (FaultKind::Cut, ReplyOutcome::Message(blocks)) => ReplyOutcome::Cut(blocks),
            (FaultKind::Cut, other) => other,
        };
        Reply { outcome, ..reply }
    }
}

/// The API's name of a status, and what it says with it.
fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        403 => ("permission_error", "this key may not use the requested resource"),
        404 => ("not_found_error", "the requested resource was not found"),
        413 => ("request_too_large", "the request is larger than allowed"),
        429 => ("rate_limit_error", "this request would exceed your account's rate limit"),
        529 => ("overloaded_error", "Overloaded"),
        400..=499 => ("invalid_request_error", "the request was refused"),
        _ => ("api_error", "Internal server error"),
    }
}

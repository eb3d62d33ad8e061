//! What is told of one request to whoever watches.

use super::prices::Prices;
use foureyes_ports::{
    clock::{Clock, UnixMillis},
    model::{ModelEvent, ModelTrouble, ModelUse, ModelWatch},
};
use foureyes_protocol::PrincipalId;
use std::sync::Arc;

/// A piece of an answer is told at most so often.
const HEARD_EVERY_MS: u64 = 1000;

/// Tells of one request of one role. Dropping it tells that the request is over, if it went out: so
/// also when the agent gives it up at any moment.
pub(super) struct Teller {
    pub(super) role: PrincipalId,
    pub(super) watch: Arc<dyn ModelWatch>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) prices: Arc<Prices>,
    pub(super) heard_at: Option<UnixMillis>,
    pub(super) went_out: bool,
}

impl Teller {
    pub(super) fn asked(&mut self) {
        self.went_out = true;
        self.watch.tell(&self.role, ModelEvent::Asked);
    }

    pub(super) fn heard(&mut self) {
        let now = self.clock.now_ms();
        if self.heard_at.is_none_or(|at| now.saturating_sub(at) >= HEARD_EVERY_MS) {
            self.heard_at = Some(now);
            self.watch.tell(&self.role, ModelEvent::Heard);
        }
    }

    pub(super) fn used(&self, mut used: ModelUse) {
        used.microusd = self.prices.of(&used);
        self.watch.tell(&self.role, ModelEvent::Used(used));
    }

    pub(super) fn trouble(&self, trouble: ModelTrouble) {
        tracing::debug!(role = %self.role, ?trouble, "a request to the model failed");
        self.watch.tell(&self.role, ModelEvent::Trouble(trouble));
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if self.went_out {
            self.watch.tell(&self.role, ModelEvent::Ended);
        }
    }
}

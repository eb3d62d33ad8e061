//! The rate limiter: bursts by a token bucket (GCRA), hours and days by exact sliding windows. Both
//! are seeded from the ledger, so a restart refills nothing.

use crate::{
    context::Context as Core,
    supervision::{ExitCause, Restartable},
};
use actix::prelude::*;
use foureyes_config::sections::limits::RateKind;
use foureyes_policies::rate::{self, Usage};
use foureyes_protocol::{Code, PrincipalId, Reason};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as GovernorClock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::keyed::HashMapStateStore,
};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Takes one use of each kind for a principal, or says what is used up.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Reason>")]
pub struct Take {
    /// Who.
    pub who: PrincipalId,
    /// What for.
    pub kinds: Vec<RateKind>,
}

/// The limits of a principal with their use.
#[derive(Debug, Message)]
#[rtype(result = "Vec<rate::Use>")]
pub struct Uses(pub PrincipalId);

/// The runtime's clock, as the token bucket wants it: nanoseconds since the Unix epoch.
#[derive(Clone)]
struct PortClock(Arc<dyn foureyes_ports::clock::Clock>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Instant(u64);

impl std::ops::Add<Nanos> for Instant {
    type Output = Self;
    fn add(self, other: Nanos) -> Self {
        Self(self.0.saturating_add(other.as_u64()))
    }
}

impl Reference for Instant {
    fn duration_since(&self, earlier: Self) -> Nanos {
        Nanos::from(Duration::from_nanos(self.0.saturating_sub(earlier.0)))
    }
    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64()))
    }
}

impl GovernorClock for PortClock {
    type Instant = Instant;
    fn now(&self) -> Instant {
        Instant(self.0.now_ms().saturating_mul(1_000_000))
    }
}

type Bucket = RateLimiter<PrincipalId, HashMapStateStore<PrincipalId>, PortClock, NoOpMiddleware<Instant>>;

/// The rate limiter.
pub struct Limiter {
    core: Core,
    usage: Usage,
    burst: Option<Bucket>,
}

const MINUTE_MS: u64 = 60_000;

impl Limiter {
    /// A limiter that knows what the journal says was used.
    pub fn new(core: Core) -> Self {
        let mut limiter = Self { core, usage: Usage::default(), burst: None };
        limiter.seed();
        limiter
    }

    fn seed(&mut self) {
        let facts = &self.core.facts;
        self.usage = Usage::default();
        self.burst = bucket(
            facts.config.limits.messages.burst,
            facts.config.limits.messages.minute,
            PortClock(self.core.ports.clock.clone()),
        );
        let now = self.core.ports.clock.now_ms();
        for entry in self.core.journal.since(0) {
            let (record, envelope) = (&entry.record, &entry.record.envelope);
            let Some(family) = facts.roster.family(&envelope.from) else { continue };
            self.usage.apply(envelope, family, record.at_ms);
            let recent = now.saturating_sub(record.at_ms) < MINUTE_MS;
            if recent
                && !rate::is_free(envelope, family)
                && rate::kinds(envelope).contains(&RateKind::Messages)
            {
                // Puts the bucket where it was: what was sent within the minute is taken again.
                let _ = self.burst.as_ref().map(|b| b.check_key(&envelope.from));
            }
            count_work(&mut self.usage, envelope, record.at_ms);
        }
    }

    fn take(&mut self, take: &Take) -> Result<(), Reason> {
        let now = self.core.ports.clock.now_ms();
        let limits = &self.core.facts.config.limits;
        for kind in &take.kinds {
            self.usage.check(limits, &take.who, *kind, now)?;
        }
        if take.kinds.contains(&RateKind::Messages) {
            self.take_burst(&take.who)?;
        }
        for kind in &take.kinds {
            self.usage.count(&take.who, *kind, now);
        }
        Ok(())
    }

    fn take_burst(&self, who: &PrincipalId) -> Result<(), Reason> {
        let Some(bucket) = &self.burst else { return Ok(()) };
        bucket.check_key(who).map_err(|until| {
            let wait = until.wait_time_from(PortClock(self.core.ports.clock.clone()).now());
            let text = format!("a burst of messages is used up; the next is free in {} ms", wait.as_millis());
            Reason::new(Code::Rate, text)
        })
    }
}

/// What is no message but counts: commits when pushed, signatures when given.
fn count_work(usage: &mut Usage, envelope: &foureyes_protocol::Envelope, at_ms: u64) {
    match &envelope.body {
        foureyes_protocol::Body::Pushed(p) => {
            (0..p.commits).for_each(|_| usage.count(&p.by, RateKind::Commits, at_ms))
        }
        foureyes_protocol::Body::Signed(s) => usage.count(&s.role, RateKind::Signatures, at_ms),
        _ => {}
    }
}

/// A bucket that refills `minute` a minute and holds `burst`.
fn bucket(burst: Option<u32>, minute: Option<u32>, clock: PortClock) -> Option<Bucket> {
    let (burst, minute) = (NonZeroU32::new(burst?)?, NonZeroU32::new(minute?)?);
    let quota = Quota::per_minute(minute).allow_burst(burst);
    Some(RateLimiter::new(quota, HashMapStateStore::default(), clock))
}

impl Actor for Limiter {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1_024);
    }
}

impl Restartable for Limiter {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        self.seed();
    }
}
crate::supervised!(Limiter);

impl Handler<Take> for Limiter {
    type Result = Result<(), Reason>;
    fn handle(&mut self, take: Take, _: &mut Context<Self>) -> Self::Result {
        self.take(&take)
    }
}

impl Handler<Uses> for Limiter {
    type Result = MessageResult<Uses>;
    fn handle(&mut self, uses: Uses, _: &mut Context<Self>) -> Self::Result {
        let (limits, now) = (&self.core.facts.config.limits, self.core.ports.clock.now_ms());
        MessageResult(
            RateKind::ALL.into_iter().flat_map(|k| self.usage.uses(limits, &uses.0, k, now)).collect(),
        )
    }
}

//! The lock manager: who may move a ref of the authoritative repository now.

use crate::{
    context::Context as Core,
    services::registry::{Registry, SayAll},
    supervision::{ExitCause, Restartable},
};
use actix::prelude::*;
use foureyes_policies::lock::{Asked, Hold, Locks};
use foureyes_ports::{governance::Draft, view::LockView};
use foureyes_protocol::{
    Address, Body, Code, PrincipalId, Priority, Reason, Risk,
    body::{Alert, LockGrant, LockRelease},
};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::sync::oneshot;

/// Asks for a scope. The answer comes when the grant is durable, perhaps after others.
#[derive(Debug, Message)]
#[rtype(result = "Result<Hold, Reason>")]
pub struct Acquire {
    /// The scope: a ref.
    pub scope: String,
    /// Who asks.
    pub who: PrincipalId,
    /// How urgent.
    pub priority: Priority,
}

/// Ends a hold.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Reason>")]
pub struct Release {
    /// The scope.
    pub scope: String,
    /// The token.
    pub token: u64,
    /// Why.
    pub why: String,
}

/// Asks whether a token is in force, at the moment at which refs move.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Reason>")]
pub struct CheckToken {
    /// The scope.
    pub scope: String,
    /// Who holds it, as it says.
    pub who: PrincipalId,
    /// The token.
    pub token: u64,
}

/// A principal's process died: its holds end and it leaves every queue.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HolderDied(pub PrincipalId);

/// The locks held now.
#[derive(Debug, Message)]
#[rtype(result = "Vec<LockView>")]
pub struct ListLocks;

/// The lock manager.
pub struct LockManager {
    core: Core,
    registry: Addr<Registry>,
    locks: Locks,
    waiting: HashMap<(String, u64), (PrincipalId, oneshot::Sender<Hold>)>,
    asked: HashMap<PrincipalId, VecDeque<u64>>,
}

impl LockManager {
    /// A manager whose tokens go on after the newest of the journal.
    pub fn new(core: Core, registry: Addr<Registry>) -> Self {
        let locks = Locks::after(newest_token(&core));
        Self { core, registry, locks, waiting: HashMap::new(), asked: HashMap::new() }
    }

    fn now(&self) -> u64 {
        self.core.ports.clock.now_ms()
    }

    fn lease(&self) -> u64 {
        self.core.facts.config.lock.lease.0
    }

    /// Gives free scopes to whoever waits for them.
    fn serve(&mut self, scope: &str, ctx: &mut Context<Self>) {
        let (now, lease) = (self.now(), self.lease());
        let expired = self.locks.hold(scope).filter(|h| h.until_ms <= now).cloned();
        while let Some((ticket, hold)) = self.locks.advance(scope, now, lease) {
            if let Some((_, waiting)) = self.waiting.remove(&(scope.to_owned(), ticket)) {
                let _ = waiting.send(hold);
                break;
            }
            // Whoever waited has gone: the next one is served.
            let _ = self.locks.release(scope, hold.token);
        }
        if let Some(hold) = expired {
            self.tell(vec![released(scope, &hold, "expired")], ctx);
        }
        self.alert_hog(scope, ctx);
        self.arm(ctx);
    }

    /// Wakes up when the next lease runs out.
    fn arm(&self, ctx: &mut Context<Self>) {
        let Some(at) = self.locks.next_expiry() else { return };
        let wait = Duration::from_millis(at.saturating_sub(self.now()).max(1));
        ctx.run_later(wait, |manager, ctx| {
            let now = manager.now();
            let over: Vec<String> =
                manager.locks.holds().filter(|(_, h)| h.until_ms <= now).map(|(s, _)| s.clone()).collect();
            over.iter().for_each(|scope| manager.serve(scope, ctx));
        });
    }

    fn tell(&self, drafts: Vec<Draft>, ctx: &mut Context<Self>) {
        let send = self.registry.send(SayAll(drafts)).into_actor(self).map(|answer, _, _| {
            if !matches!(answer, Ok(Ok(_))) {
                tracing::warn!(?answer, "a lock's record was not admitted");
            }
        });
        ctx.spawn(send);
    }

    fn alert_hog(&self, scope: &str, ctx: &mut Context<Self>) {
        let limit = self.core.facts.config.lock.holds_in_a_row;
        if let Some(who) = self.locks.hogged(scope, limit) {
            self.tell(
                vec![alert(
                    "lock-hog",
                    format!("{who} held {scope} {limit} times in a row while others wait"),
                )],
                ctx,
            );
        }
    }

    /// More requests than usual within the window: somebody is told, once a window.
    fn note_request(&mut self, who: &PrincipalId, ctx: &mut Context<Self>) {
        let (now, lock) = (self.now(), &self.core.facts.config.lock);
        let (window, limit) = (lock.alert_window.0, lock.alert_requests as usize);
        let times = self.asked.entry(who.clone()).or_default();
        times.retain(|t| now.saturating_sub(*t) < window);
        times.push_back(now);
        if times.len() == limit + 1 {
            let text =
                format!("{who} asked for a write lock {} times within {} min", limit + 1, window / 60_000);
            self.tell(vec![alert("lock-requests", text)], ctx);
        }
    }
}

fn newest_token(core: &Core) -> u64 {
    let token = |e: &crate::journal::Entry| match &e.record.envelope.body {
        Body::LockGrant(g) => Some(g.token),
        _ => None,
    };
    core.journal.since(0).iter().filter_map(token).max().unwrap_or(0)
}

fn released(scope: &str, hold: &Hold, why: &str) -> Draft {
    let body = LockRelease {
        scope: scope.to_owned(),
        holder: hold.holder.clone(),
        token: hold.token,
        why: why.to_owned(),
    };
    Draft::new(Address::system(), body)
}

fn alert(event: &str, text: String) -> Draft {
    Draft::new(Address::user(), Alert { severity: Risk::Medium, event: event.to_owned(), text })
}

impl Actor for LockManager {
    type Context = Context<Self>;
}

impl Restartable for LockManager {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        self.locks = Locks::after(newest_token(&self.core));
        self.waiting.clear();
        self.asked.clear();
    }
}
crate::supervised!(LockManager);

impl Handler<Acquire> for LockManager {
    type Result = ResponseActFuture<Self, Result<Hold, Reason>>;
    fn handle(&mut self, acquire: Acquire, ctx: &mut Context<Self>) -> Self::Result {
        let Acquire { scope, who, priority } = acquire;
        self.note_request(&who, ctx);
        let (now, lease) = (self.now(), self.lease());
        let (sender, receiver) = oneshot::channel();
        match self.locks.request(&scope, &who, priority, now, lease) {
            Asked::Granted(hold) => {
                let _ = sender.send(hold);
            }
            Asked::Queued(ticket) => {
                self.waiting.insert((scope.clone(), ticket), (who, sender));
            }
        }
        self.arm(ctx);
        let gone = Reason::new(Code::LockHeld, format!("the lock of {scope} was not granted: push again"));
        Box::pin(receiver.into_actor(self).then(move |hold, manager, _| {
            let drafts = hold.iter().map(|h| granted(&scope, h)).collect();
            let record = manager.registry.send(SayAll(drafts));
            let given = hold.clone();
            async move {
                let hold = hold.map_err(|_| gone.clone())?;
                record.await.map_err(|_| gone)??;
                Ok(hold)
            }
            .into_actor(manager)
            .map(move |answer, manager, ctx| {
                if let (Err(_), Ok(hold)) = (&answer, given) {
                    // Nobody was told of this grant: it must not stand in others' way for a lease.
                    manager.locks.release(&scope, hold.token).ok();
                    manager.serve(&scope, ctx);
                }
                answer
            })
        }))
    }
}

fn granted(scope: &str, hold: &Hold) -> Draft {
    let body = LockGrant {
        scope: scope.to_owned(),
        holder: hold.holder.clone(),
        token: hold.token,
        until_ms: hold.until_ms,
    };
    Draft::new(Address::system(), body)
}

impl Handler<Release> for LockManager {
    type Result = Result<(), Reason>;
    fn handle(&mut self, release: Release, ctx: &mut Context<Self>) -> Self::Result {
        let hold = self.locks.release(&release.scope, release.token)?;
        self.tell(vec![released(&release.scope, &hold, &release.why)], ctx);
        self.serve(&release.scope, ctx);
        Ok(())
    }
}

impl Handler<CheckToken> for LockManager {
    type Result = Result<(), Reason>;
    fn handle(&mut self, check: CheckToken, _: &mut Context<Self>) -> Self::Result {
        self.locks.check(&check.scope, &check.who, check.token, self.now())
    }
}

impl Handler<HolderDied> for LockManager {
    type Result = ();
    fn handle(&mut self, died: HolderDied, ctx: &mut Context<Self>) {
        // Whoever waits for the dead one's grant learns that it does not come.
        self.waiting.retain(|_, (who, _)| *who != died.0);
        for (scope, hold) in self.locks.drop_principal(&died.0) {
            self.tell(vec![released(&scope, &hold, "holder died")], ctx);
            self.serve(&scope, ctx);
        }
    }
}

impl Handler<ListLocks> for LockManager {
    type Result = MessageResult<ListLocks>;
    fn handle(&mut self, _: ListLocks, _: &mut Context<Self>) -> Self::Result {
        let view = |(scope, h): (&String, &Hold)| LockView {
            scope: scope.clone(),
            holder: h.holder.clone(),
            token: h.token,
            until_ms: h.until_ms,
        };
        MessageResult(self.locks.holds().map(view).collect())
    }
}

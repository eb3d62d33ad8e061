//! The health monitor: looks every second whether each service runs, tells displays what is held, and
//! a person what waits for too long.

use crate::{
    context::Context as Core,
    journal::Cursor,
    services::{
        locks::{ListLocks, LockManager},
        projector::{LockSignal, Projector, ServiceSignal},
        registry::{Registry, SayAll},
    },
    supervision::{ChildStatus, ExitCause, Restartable, Supervisor},
};
use actix::prelude::*;
use foureyes_ports::{governance::Draft, view::ServiceView};
use foureyes_protocol::{Address, Body, MessageId, PrincipalId, Priority, Risk, body::Alert};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The health monitor.
pub struct HealthMonitor {
    core: Core,
    tree: Supervisor,
    registry: Addr<Registry>,
    locks: Addr<LockManager>,
    projector: Addr<Projector>,
    cursor: Cursor,
    /// Requests that wait for an answer: when, whom, what.
    waiting: BTreeMap<MessageId, (u64, Address, String)>,
    /// Requests whose lateness was told.
    told: BTreeSet<MessageId>,
}

impl HealthMonitor {
    /// A monitor of this tree.
    pub fn new(
        core: Core,
        tree: Supervisor,
        registry: Addr<Registry>,
        locks: Addr<LockManager>,
        projector: Addr<Projector>,
    ) -> Self {
        Self {
            core,
            tree,
            registry,
            locks,
            projector,
            cursor: Cursor::default(),
            waiting: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    fn check(&mut self, ctx: &mut Context<Self>) {
        let services = self.tree.children().iter().filter(|c| is_service(c)).map(service).collect();
        // A picture that is late by a second is put right by the next one.
        self.projector.try_send(ServiceSignal(services)).ok();
        let list = self.locks.send(ListLocks).into_actor(self).map(|locks, monitor, _| {
            if let Ok(locks) = locks {
                monitor.projector.try_send(LockSignal(locks)).ok();
            }
        });
        ctx.spawn(list);
        self.late(ctx);
    }

    /// Requests without an answer for longer than `messages.answer_alert`.
    fn late(&mut self, ctx: &mut Context<Self>) {
        for entry in self.cursor.next(&self.core.journal) {
            self.note(&entry.record.envelope, entry.record.at_ms);
        }
        let (now, limit) = (self.core.ports.clock.now_ms(), self.core.facts.config.messages.answer_alert.0);
        let late: Vec<(MessageId, String)> = self
            .waiting
            .iter()
            .filter(|(id, (at, _, _))| now.saturating_sub(*at) > limit && !self.told.contains(id))
            .map(|(id, (_, to, what))| {
                (*id, format!("{what} has had no answer from {to} for {} h", limit / 3_600_000))
            })
            .collect();
        let librarian = self.core.facts.roster.of(foureyes_protocol::Family::Librarian).next().cloned();
        for (id, text) in late {
            self.told.insert(id);
            let alert = |to: PrincipalId| {
                let body =
                    Alert { severity: Risk::Medium, event: "no-answer".to_owned(), text: text.clone() };
                Draft { priority: Priority::Normal, ..Draft::new(to, body) }
            };
            let drafts = std::iter::once(PrincipalId::user()).chain(librarian.clone()).map(alert).collect();
            let send = self.registry.send(SayAll(drafts)).into_actor(self).map(|_, _, _| ());
            ctx.spawn(send);
        }
    }

    fn note(&mut self, envelope: &foureyes_protocol::Envelope, at_ms: u64) {
        if let Some(answered) = envelope.in_reply_to {
            self.waiting.remove(&answered);
        }
        let expects = matches!(
            envelope.body,
            Body::SignOffRequest(_)
                | Body::CoSignRequest(_)
                | Body::ReviewRequest(_)
                | Body::TertiaryReviewRequest(_)
        );
        if expects {
            let what = format!("{} {}", envelope.kind, envelope.feature.as_ref().map_or("", |f| f.as_str()));
            self.waiting.insert(envelope.id, (at_ms, envelope.to.clone(), what));
        }
    }
}

fn is_service(child: &ChildStatus) -> bool {
    child.child.contains("/services/")
}

fn service(child: &ChildStatus) -> ServiceView {
    let name = child.child.rsplit('/').next().unwrap_or_default().to_owned();
    ServiceView { name, responsive: child.running, restarts: child.attempts }
}

impl Actor for HealthMonitor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        let every = Duration::from_millis(self.core.facts.config.supervision.health_interval.0);
        ctx.run_interval(every, |monitor, ctx| monitor.check(ctx));
    }
}

impl Restartable for HealthMonitor {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        self.cursor = Cursor::default();
        self.waiting.clear();
    }
}
crate::supervised!(HealthMonitor);

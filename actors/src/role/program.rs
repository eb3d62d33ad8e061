//! The life of a role's process: its start, its end, its way back.

use super::{Launched, Order, RoleActor, Said, Started};
use crate::services::{gatekeeper::Availability, locks::HolderDied};
use actix::prelude::*;
use foureyes_ports::{
    backend::{AgentSession, ExitCause, Grace},
    governance::Draft,
    text::clean_text,
    view::RoleState,
};
use foureyes_protocol::{
    Address, Priority, Risk,
    body::{Alert, DeadLetter},
};
use std::{sync::Arc, time::Duration};

impl RoleActor {
    /// Starts a program, as soon as the one before is gone: never two of one role at once.
    pub(super) fn start(&mut self, ctx: &mut Context<Self>) {
        if self.stopping {
            return;
        }
        if self.launching || self.leaving > 0 {
            (self.wanted, self.state) = (true, RoleState::Restarting);
            return self.signal();
        }
        (self.wanted, self.launching) = (false, true);
        self.generation += 1;
        self.state = RoleState::Starting;
        self.signal();
        let (launcher, id) = (self.launcher.clone(), self.id.clone());
        let order = Order { generation: self.generation, new_conversation: self.afresh };
        let launch = async move { launcher.launch(&id, order).await };
        let generation = self.generation;
        ctx.spawn(
            launch.into_actor(self).map(move |result, _, ctx| ctx.notify(Launched(generation, result))),
        );
    }

    /// A start is over, as it was ordered or not.
    pub(super) fn start_ended(
        &mut self,
        generation: u64,
        result: Result<Started, String>,
        ctx: &mut Context<Self>,
    ) {
        self.launching = false;
        match result {
            Ok(started) if generation == self.generation => self.launched(started, ctx),
            Ok(started) => self.leave(Arc::from(started.session), Grace::NONE, ctx),
            Err(why) if generation == self.generation => self.ended(&ExitCause::SpawnFailed(why), ctx),
            Err(why) => {
                tracing::debug!(role = %self.id, %why, "a start that nobody waits for failed");
                self.start_if_wanted(ctx);
            }
        }
    }

    /// Ends a program that is not the role's any more; until it is gone no other one is started.
    pub(super) fn leave(&mut self, session: Arc<dyn AgentSession>, grace: Grace, ctx: &mut Context<Self>) {
        self.leaving += 1;
        let stop = async move { session.stop(grace).await };
        ctx.spawn(stop.into_actor(self).map(|_, role, ctx| {
            role.leaving -= 1;
            role.start_if_wanted(ctx);
        }));
    }

    fn start_if_wanted(&mut self, ctx: &mut Context<Self>) {
        if self.wanted && self.leaving == 0 && !self.launching {
            self.start(ctx);
        }
    }

    /// Gives the role's program up: what it, or a start that is under way, still says counts no more.
    pub(super) fn dismiss(&mut self, ctx: &mut Context<Self>) {
        self.generation += 1;
        self.wanted = false;
        self.cut_short();
        self.record_used(ctx);
        self.neighbours.locks.try_send(HolderDied(self.id.clone())).ok();
        if let Some(session) = self.session.take() {
            self.leave(session, self.grace, ctx);
        }
    }

    fn launched(&mut self, started: Started, ctx: &mut Context<Self>) {
        let session: Arc<dyn AgentSession> = Arc::from(started.session);
        let generation = self.generation;
        if let Some(events) = session.events() {
            ctx.add_stream(futures::StreamExt::map(events.into_stream(), move |event| {
                Said(generation, event)
            }));
        }
        (self.resumed, self.introduced) = (started.resumed, false);
        // One that tells when it is ready is starting until it does.
        self.state = if session.reports_turns() { RoleState::Starting } else { RoleState::Idle };
        self.guard(session.pid(), ctx);
        self.session = Some(session);
        self.heard_ms = self.now();
        self.vigil.begin(self.now());
        self.woken = None;
        self.report_up(ctx);
        self.signal();
        self.step(ctx);
    }

    /// Ends the program when its whole sandbox takes too much of the machine.
    fn guard(&mut self, pid: u32, ctx: &mut Context<Self>) {
        let (launcher, id) = (self.launcher.clone(), self.id.clone());
        let excess = async move { launcher.excess(&id, pid).await };
        let guard = ctx.spawn(excess.into_actor(self).map(|why, role, _| {
            tracing::warn!(role = %role.id, %why, "an agent takes too much");
            if let Some(session) = &role.session {
                session.kill(ExitCause::OutOfMemory);
            }
        }));
        if let Some(before) = self.guard.replace(guard) {
            ctx.cancel_future(before);
        }
    }

    fn report_up(&mut self, ctx: &mut Context<Self>) {
        let Some((died, _)) = &self.died else { return };
        let cause = format!(
            "restarted in {} ms, generation {}; {} envelopes wait",
            self.now().saturating_sub(*died),
            self.generation,
            self.inbox.len()
        );
        self.health("up", cause, ctx);
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available: true }).ok();
        if !self.reports_turns() {
            self.died = None;
        }
    }

    pub(super) fn ended(&mut self, cause: &ExitCause, ctx: &mut Context<Self>) {
        if let Some(guard) = self.guard.take() {
            ctx.cancel_future(guard);
        }
        let told = self.outgoing.is_some() || self.woken.is_some();
        let last = self.session.take().map(|s| last_words(&s.transcript(8))).unwrap_or_default();
        self.cut_short();
        self.record_used(ctx);
        self.neighbours.locks.try_send(HolderDied(self.id.clone())).ok();
        if !cause.wants_restart() {
            self.state = RoleState::Stopped;
            self.health("down", cause.to_string(), ctx);
            return self.signal();
        }
        if self.died.is_none() {
            self.died = Some((self.now(), cause.to_string()));
        }
        self.restarts += 1;
        // A program that was told nothing has read nothing that could have killed it.
        if told && !matches!(cause, ExitCause::SpawnFailed(_)) {
            self.suspect_poison(ctx);
        }
        if cause.spends_intensity() && !self.budget.admit(self.now()) {
            return self.degrade(&format!("{cause}{last}"), ctx);
        }
        let delay = self.backoff.failed(self.now(), rand::random()).ms;
        self.state = RoleState::Restarting;
        self.health("restarting", format!("{cause}{last}; back in {delay} ms"), ctx);
        self.signal();
        if delay == 0 {
            return self.start(ctx);
        }
        let generation = self.generation;
        ctx.run_later(Duration::from_millis(delay), move |role, ctx| {
            if role.state == RoleState::Restarting && role.generation == generation {
                role.start(ctx);
            }
        });
    }

    /// Too many deaths: the role is set aside, its work goes to others, a person is told.
    fn degrade(&mut self, cause: &str, ctx: &mut Context<Self>) {
        self.state = RoleState::Degraded;
        let text = format!(
            "{} died too often (last: {cause}); its work goes to others; `agents role restart {}` brings it back",
            self.id, self.id
        );
        self.health("degraded", text.clone(), ctx);
        self.alert(Risk::High, "role-degraded", text, ctx);
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available: false }).ok();
        self.signal();
    }

    /// The program is not what was ordered: it is ended, others take its work, a person is told.
    pub(super) fn unfit(&mut self, why: String, ctx: &mut Context<Self>) {
        let text = format!("{}: {why}; `agents role restart {}` when that is mended", self.id, self.id);
        self.alert(Risk::High, "role-unfit", text, ctx);
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available: false }).ok();
        if let Some(session) = &self.session {
            session.kill(ExitCause::Unfit(why));
        }
    }

    pub(super) fn alert(&self, severity: Risk, event: &str, text: String, ctx: &mut Context<Self>) {
        let alert = Alert { severity, event: event.to_owned(), text };
        self.record(vec![Draft { priority: Priority::High, ..Draft::new(Address::user(), alert) }], ctx);
    }

    /// A message that was first in line at three deaths in a row goes to the dead letters.
    fn suspect_poison(&mut self, ctx: &mut Context<Self>) {
        let Some(first) = self.inbox.first() else { return };
        let deaths = match self.suspect {
            Some((index, n)) if index == first.record => n + 1,
            _ => 1,
        };
        self.suspect = Some((first.record, deaths));
        if deaths < self.core.facts.config.supervision.poison_crashes {
            return;
        }
        self.suspect = None;
        let why = format!("{} died {deaths} times with this message first in line", self.id);
        let letter = DeadLetter { message: first.id, receiver: self.id.clone(), why: why.clone() };
        let alert = Alert {
            severity: Risk::High,
            event: "dead-letter".to_owned(),
            text: format!("message {}: {why}", first.id),
        };
        let drafts = vec![
            Draft { feature: first.feature, ..Draft::new(Address::system(), letter) },
            Draft::new(Address::user(), alert),
        ];
        self.record(drafts, ctx);
        let saved = self.inbox.acknowledge(first.id);
        self.settle(saved, ctx);
    }

    /// Ends the conversation and begins a new one, in a new program, told from the ledger.
    pub(super) fn begin_anew(&mut self, ctx: &mut Context<Self>) {
        (self.afresh, self.begun_anew) = (true, true);
        self.health("restarting", "its conversation was full: a new one begins".to_owned(), ctx);
        self.died = Some((self.now(), "the conversation was full".to_owned()));
        self.dismiss(ctx);
        self.start(ctx);
    }

    /// Forgets what belonged to a program that is gone.
    pub(super) fn cut_short(&mut self) {
        (self.woken, self.outgoing) = (None, None);
        self.ready = false;
        self.turns.program_ended();
        self.core.meter.turn(&self.id, false);
        self.vigil.end();
    }
}

/// The last line that a program showed, for whoever wonders why it ended.
fn last_words(transcript: &str) -> String {
    let line = transcript.lines().rev().map(str::trim).find(|l| !l.is_empty());
    line.map_or_else(String::new, |l| format!(" (its last line: {})", clean_text(l, 160)))
}

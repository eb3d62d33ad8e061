//! Watching over an agent in mid-turn: whether it hangs.

use super::{Calls, RoleActor};
use actix::prelude::*;
use foureyes_policies::hang::{Hang, Signs, judge};
use foureyes_ports::{
    backend::{DeliverError, ExitCause},
    view::RoleState,
};

/// What is seen of an agent since its turn (or its start) began.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    /// Whether there is something to watch.
    on: bool,
    /// When it began.
    began_ms: u64,
    /// Tools that run.
    tools: Calls,
    /// Whether a request to its model is under way.
    model: bool,
    /// When it was asked for a sign of life.
    asked_ms: Option<u64>,
    /// Whether it gave one since it last said anything else.
    answered: bool,
    /// Whether its program has no such question.
    mute: bool,
    /// The length of its transcript, and since when.
    transcript: Option<(u64, u64)>,
}

impl Vigil {
    pub(super) fn begin(&mut self, now_ms: u64) {
        *self = Self { on: true, began_ms: now_ms, ..Self::default() };
    }

    /// Whether the program has something to do: it is starting, or at work.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    pub(super) fn heard(&mut self) {
        (self.asked_ms, self.answered) = (None, false);
    }

    pub(super) fn answered(&mut self) {
        (self.asked_ms, self.answered) = (None, true);
    }

    pub(super) fn tool(&mut self, call: String, running: bool) {
        match running {
            // More at once than any program runs are not counted, so that the set stays small.
            true if self.tools.len() < 256 => drop(self.tools.insert(call)),
            true => {}
            false => drop(self.tools.remove(&call)),
        }
    }

    pub(super) fn model(&mut self, under_way: bool) {
        self.model = under_way;
    }

    fn transcript_quiet(&mut self, length: Option<u64>, now_ms: u64) -> Option<u64> {
        let length = length?;
        let (known, since) = *self.transcript.get_or_insert((length, now_ms));
        if known != length {
            self.transcript = Some((length, now_ms));
            return Some(0);
        }
        Some(now_ms.saturating_sub(since))
    }
}

impl RoleActor {
    /// Looks whether the agent lives; once a second.
    pub(super) fn look(&mut self, ctx: &mut Context<Self>) {
        if !self.reports_turns() {
            return;
        }
        if self.state == RoleState::Starting {
            return self.look_at_start();
        }
        if !self.turns.in_turn() || !self.vigil.is_on() {
            return;
        }
        let quiet_ms = self.now().saturating_sub(self.heard_ms);
        let agents = &self.core.facts.config.agents;
        if quiet_ms < agents.quiet.0 {
            return;
        }
        let now = self.now();
        let length = self.launcher.transcript_bytes(&self.id);
        let signs = Signs {
            quiet_ms,
            transcript_quiet_ms: self.vigil.transcript_quiet(length, now),
            asked_ms: self.vigil.asked_ms.map(|at| now.saturating_sub(at)),
            answered: self.vigil.answered,
            can_answer: !self.vigil.mute,
            explained: self.vigil.model || !self.vigil.tools.is_empty(),
            quiet_limit_ms: agents.quiet.0,
            answer_limit_ms: agents.answer_within.0,
        };
        match judge(&signs) {
            Hang::Lives => {}
            Hang::Ask => self.ask_for_life(ctx),
            Hang::Hung => self.kill(ExitCause::Hung),
            Hang::Idle => self.stop_turn(ctx),
        }
    }

    fn look_at_start(&self) {
        let limit = self.core.facts.config.agents.start_timeout.0;
        if self.now().saturating_sub(self.vigil.began_ms) > limit {
            let seconds = limit / 1_000;
            let why = format!("it was not ready within {seconds} s (agents.start_timeout)");
            self.kill(ExitCause::SpawnFailed(why));
        }
    }

    pub(super) fn kill(&self, cause: ExitCause) {
        if let Some(session) = &self.session {
            session.kill(cause);
        }
    }

    fn ask_for_life(&mut self, ctx: &mut Context<Self>) {
        self.vigil.asked_ms = Some(self.now());
        let Some(session) = self.session.clone() else { return };
        ctx.spawn(async move { session.ping().await }.into_actor(self).map(|result, role, _| {
            if let Err(DeliverError::Unsupported(_)) = result {
                role.vigil.asked_ms = None;
                role.vigil.mute = true;
            }
        }));
    }
}

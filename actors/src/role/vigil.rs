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
    /// When it last said something, apart from answers to the question for a sign of life.
    heard_ms: u64,
    /// Tools that run.
    tools: Calls,
    /// Requests to its model that are under way.
    requests: u32,
    /// Questions of its own that the runtime has not answered yet.
    questions: u32,
    /// When it was asked for a sign of life.
    asked_ms: Option<u64>,
    /// When it gave one, if it has said nothing else since.
    answered_ms: Option<u64>,
    /// Whether its program has no such question.
    mute: bool,
    /// The length of its transcript, and since when.
    transcript: Option<(u64, u64)>,
}

impl Vigil {
    pub(super) fn begin(&mut self, now_ms: u64) {
        *self = Self { on: true, began_ms: now_ms, heard_ms: now_ms, ..Self::default() };
    }

    /// Whether the program has something to do: it is starting, or at work.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    pub(super) fn heard(&mut self, now_ms: u64) {
        (self.heard_ms, self.asked_ms, self.answered_ms) = (now_ms, None, None);
    }

    pub(super) fn answered(&mut self, now_ms: u64) {
        (self.asked_ms, self.answered_ms) = (None, Some(now_ms));
    }

    /// The program waits for an answer of the runtime, or has it.
    pub(super) fn question(&mut self, open: bool) {
        self.questions =
            if open { self.questions.saturating_add(1) } else { self.questions.saturating_sub(1) };
    }

    pub(super) fn tool(&mut self, call: String, running: bool) {
        match running {
            // More at once than any program runs are not counted, so that the set stays small.
            true if self.tools.len() < 256 => drop(self.tools.insert(call)),
            true => {}
            false => drop(self.tools.remove(&call)),
        }
    }

    /// A request to its model went out.
    pub(super) fn request_began(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    /// A request is over, however it ended.
    pub(super) fn request_ended(&mut self) {
        self.requests = self.requests.saturating_sub(1);
    }

    /// Whether something explains that it says nothing: all of this may take long.
    fn is_explained(&self) -> bool {
        self.requests > 0 || self.questions > 0 || !self.tools.is_empty()
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
        let now = self.now();
        let agents = &self.core.facts.config.agents;
        let length = self.launcher.transcript_bytes(&self.id);
        let since = |at: Option<u64>| at.map(|at| now.saturating_sub(at));
        let signs = Signs {
            quiet_ms: now.saturating_sub(self.vigil.heard_ms),
            transcript_quiet_ms: self.vigil.transcript_quiet(length, now),
            asked_ms: since(self.vigil.asked_ms),
            answered_ms: since(self.vigil.answered_ms),
            can_answer: !self.vigil.mute,
            explained: self.vigil.is_explained(),
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

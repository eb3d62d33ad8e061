//! What a role is told and asked: by its program, the meter, the registry and people.

use super::{
    Acknowledge, Control, GetSession, Launched, PauseChanged, ReadInbox, RoleActor, Said, SessionHandle,
};
use crate::{
    meter::Model,
    services::{gatekeeper::Availability, registry::CatchUp},
    supervision::{Intensity, IntensityWindow},
};
use actix::prelude::*;
use foureyes_ports::{
    backend::{AgentEvent, AgentState},
    view::RoleState,
};
use foureyes_protocol::{Code, Reason};

/// Signs of life are told to displays at most this often, in milliseconds.
const SIGN_OF_LIFE_MS: u64 = 1_000;

impl RoleActor {
    /// What the program does, as far as it tells.
    fn program_state(&mut self, state: AgentState, ctx: &mut Context<Self>) {
        self.state = match state {
            AgentState::Starting => RoleState::Starting,
            AgentState::Idle => RoleState::Idle,
            AgentState::Busy => RoleState::Busy,
            AgentState::WaitingPermission => RoleState::Waiting,
        };
        if self.reports_turns() {
            self.ready = state == AgentState::Idle;
            match state {
                AgentState::Busy if !self.turns.in_turn() => self.unordered_turn(),
                AgentState::Idle if !self.turns.in_turn() => self.vigil.end(),
                _ => {}
            }
        }
        self.signal();
        self.step(ctx);
    }

    fn heard(&mut self, event: AgentEvent, ctx: &mut Context<Self>) {
        let quiet = self.now().saturating_sub(self.heard_ms);
        self.heard_ms = self.now();
        if !matches!(event, AgentEvent::Pong) {
            self.vigil.heard(self.heard_ms);
        }
        match event {
            AgentEvent::Exited(cause) => self.ended(&cause, ctx),
            AgentEvent::State(state) => self.program_state(state, ctx),
            AgentEvent::Started { .. } => self.signal(),
            // A screen changes many times a second; that it does is told once.
            AgentEvent::Screen if quiet >= SIGN_OF_LIFE_MS => self.signal(),
            AgentEvent::Screen => {}
            AgentEvent::Seen(id) => self.seen(id),
            AgentEvent::TurnEnded(report) => self.turn_ended(report, ctx),
            AgentEvent::Asked(ask) => self.asked(ask, ctx),
            AgentEvent::Tool { call, running, .. } => self.vigil.tool(call, running),
            AgentEvent::Pong => self.vigil.answered(self.heard_ms),
            AgentEvent::Unfit(why) => self.unfit(why, ctx),
            AgentEvent::Conversation(id) => self.launcher.conversed(&self.id, &id),
            AgentEvent::Forgot(what) => {
                // What it was told it does not know any more either.
                (self.resumed, self.introduced) = (false, false);
                tracing::warn!(role = %self.id, %what, "the agent's conversation is lost");
            }
            AgentEvent::ApiTrouble { what, .. } | AgentEvent::Protocol(what) => {
                tracing::warn!(role = %self.id, %what, "the agent's program reports trouble");
            }
        }
    }
}

impl StreamHandler<Said> for RoleActor {
    fn handle(&mut self, said: Said, ctx: &mut Context<Self>) {
        let Said(generation, event) = said;
        if generation == self.generation {
            self.heard(event, ctx);
        }
    }

    /// A session's events end; the next one's stream is added to the same actor.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<PauseChanged> for RoleActor {
    type Result = ();
    fn handle(&mut self, _: PauseChanged, ctx: &mut Context<Self>) {
        self.signal();
        self.step(ctx);
    }
}

impl Handler<Model> for RoleActor {
    type Result = ();
    fn handle(&mut self, model: Model, ctx: &mut Context<Self>) {
        match model {
            Model::Event(event) => self.model(event, ctx),
            Model::BudgetSpent => self.stop_turn(ctx),
        }
    }
}

impl Handler<CatchUp> for RoleActor {
    type Result = ();
    fn handle(&mut self, _: CatchUp, ctx: &mut Context<Self>) {
        self.catch_up(ctx);
    }
}

impl Handler<Launched> for RoleActor {
    type Result = ();
    fn handle(&mut self, Launched(generation, result): Launched, ctx: &mut Context<Self>) {
        self.start_ended(generation, result, ctx);
    }
}

impl Handler<ReadInbox> for RoleActor {
    type Result = MessageResult<ReadInbox>;
    fn handle(&mut self, read: ReadInbox, _: &mut Context<Self>) -> Self::Result {
        self.inbox.catch_up();
        MessageResult(self.inbox.items(read.0))
    }
}

impl Handler<Acknowledge> for RoleActor {
    type Result = ResponseActFuture<Self, Result<(), Reason>>;
    fn handle(&mut self, ack: Acknowledge, _: &mut Context<Self>) -> Self::Result {
        if !self.inbox.knows(ack.0) {
            let reason =
                Reason::new(Code::NotAsked, format!("message {} is not in the inbox of {}", ack.0, self.id));
            return Box::pin(fut::ready(Err(reason)));
        }
        let saved = self.inbox.acknowledge(ack.0);
        if self.inbox.is_empty() && self.state == RoleState::Busy && !self.reports_turns() {
            self.state = RoleState::Idle;
        }
        self.suspect = None;
        self.turns.acted();
        self.acted();
        self.signal();
        Box::pin(saved.into_actor(self).map(|result, _, _| {
            result.map_err(|e| Reason::new(Code::Broken, format!("the acknowledgement was not kept: {e}")))
        }))
    }
}

impl Handler<GetSession> for RoleActor {
    type Result = MessageResult<GetSession>;
    fn handle(&mut self, _: GetSession, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.session.clone().map(SessionHandle))
    }
}

impl Handler<Control> for RoleActor {
    type Result = ();
    fn handle(&mut self, control: Control, ctx: &mut Context<Self>) {
        self.dismiss(ctx);
        self.state = RoleState::Stopped;
        if control == Control::Restart {
            let s = &self.core.facts.config.supervision.intensity;
            self.budget = IntensityWindow::new(Intensity::new(s.restarts, s.within.0));
            self.died = Some((self.now(), "restarted by the user".to_owned()));
            (self.hold, self.attempt, self.begun_anew) = (None, 0, false);
            self.turns.begin_anew();
            self.core.meter.resume();
        }
        // A paused role's work goes to its family, as that of a degraded one.
        let available = control == Control::Restart;
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available }).ok();
        self.signal();
        if control == Control::Restart {
            self.start(ctx);
        }
    }
}

//! What a role does when its model could not be had.

use super::{Hold, RoleActor};
use crate::meter::Pause;
use actix::prelude::*;
use foureyes_policies::{
    costs::Budget,
    remedy::{Remedy, SHORT_LIMIT_MS, believed, jittered, remedy, words},
};
use foureyes_ports::{
    backend::TurnEnd,
    model::{ModelEvent, ModelTrouble},
};
use foureyes_protocol::Risk;

impl RoleActor {
    /// What the proxy saw.
    pub(super) fn model(&mut self, event: ModelEvent, ctx: &mut Context<Self>) {
        self.heard_ms = self.now();
        self.vigil.heard(self.heard_ms);
        match event {
            ModelEvent::Asked => {
                self.vigil.request_began();
                self.asked_again = true;
            }
            ModelEvent::Heard => {}
            ModelEvent::Ended => self.vigil.request_ended(),
            ModelEvent::Used(_) => {
                // What failed before was asked again, and went well.
                self.trouble.take_if(|_| self.asked_again);
                if self.core.meter.exhausted_now(&self.id).is_some() {
                    self.stop_turn(ctx);
                }
                // Used after the end of a turn: no other end may come for long.
                if !self.turns.in_turn() {
                    self.record_used(ctx);
                }
            }
            ModelEvent::Trouble(trouble) => {
                self.at_once(&trouble, ctx);
                (self.trouble, self.asked_again) = (Some(trouble), false);
            }
        }
    }

    /// What cannot wait for the program to give up by itself.
    fn at_once(&mut self, trouble: &ModelTrouble, ctx: &mut Context<Self>) {
        if !self.turns.in_turn() {
            return;
        }
        let now = self.now();
        match trouble {
            ModelTrouble::RateLimited { until: Some(until) } if *until > now + SHORT_LIMIT_MS => {
                self.pause_account(*until, words(trouble), ctx);
                self.stop_turn(ctx);
            }
            ModelTrouble::Auth(why) => {
                self.stop_account(why, ctx);
                self.stop_turn(ctx);
            }
            _ => {}
        }
    }

    /// How a turn ended decides what holds the role back.
    pub(super) fn after_turn(&mut self, end: TurnEnd, ctx: &mut Context<Self>) {
        let seen = self.trouble.take();
        if end == TurnEnd::Done {
            (self.attempt, self.begun_anew) = (0, false);
        }
        if let Some((budget, reason)) = self.core.meter.exhausted_now(&self.id) {
            return self.hold_for_budget(budget, reason.text, ctx);
        }
        // While the account pauses, everything fails for that reason.
        if self.core.meter.paused().is_some() {
            return;
        }
        let trouble = match (end, seen) {
            (TurnEnd::Done, _) | (TurnEnd::Interrupted, None) => return,
            // It was interrupted while it waited for a model that could not be had.
            (TurnEnd::Interrupted, Some(seen)) => seen,
            (TurnEnd::Failed(told), seen) => believed(seen, told),
            (TurnEnd::GaveUp(why), seen) => believed(seen, ModelTrouble::Refused(0, why)),
        };
        self.attempt += 1;
        self.apply(&trouble, ctx);
    }

    fn apply(&mut self, trouble: &ModelTrouble, ctx: &mut Context<Self>) {
        let now = self.now();
        match remedy(trouble, self.attempt, now) {
            Remedy::Wait(ms) => {
                let ms = jittered(ms, rand::random());
                let why = format!("{}; again in {} s", words(trouble), ms.div_ceil(1_000));
                self.health("waiting", why.clone(), ctx);
                self.hold = Some(Hold { until_ms: now + ms, why });
            }
            Remedy::PauseAccount { until_ms } => self.pause_account(until_ms, words(trouble), ctx),
            Remedy::StopAccount { why } => self.stop_account(&why, ctx),
            Remedy::NewConversation if self.begun_anew => {
                self.hold("a new conversation was too long as well".to_owned(), ctx);
            }
            Remedy::NewConversation => self.begin_anew(ctx),
            Remedy::Hold { why } => self.hold(why, ctx),
        }
    }

    /// The role does nothing more until a person has looked.
    pub(super) fn hold(&mut self, why: String, ctx: &mut Context<Self>) {
        if self.hold.as_ref().is_some_and(|held| held.until_ms == u64::MAX) {
            return;
        }
        let text = format!("{}: {why}; `agents role restart {}` tries again", self.id, self.id);
        self.alert(Risk::High, "role-held", text, ctx);
        self.health("held", why.clone(), ctx);
        self.hold = Some(Hold { until_ms: u64::MAX, why });
        self.signal();
    }

    /// As [`Self::hold`]; a budget that is others' too is told of once.
    pub(super) fn hold_for_budget(&mut self, budget: Budget, why: String, ctx: &mut Context<Self>) {
        if self.core.meter.tell_spent(budget) {
            return self.hold(why, ctx);
        }
        self.health("held", why.clone(), ctx);
        self.hold = Some(Hold { until_ms: u64::MAX, why });
        self.signal();
    }

    fn pause_account(&self, until_ms: u64, why: String, ctx: &mut Context<Self>) {
        let seconds = until_ms.saturating_sub(self.now()).div_ceil(1_000);
        let text = format!("{why}; its agents pause for {seconds} s and come back by themselves");
        if self.core.meter.pause(Pause { until_ms, why }) {
            self.alert(Risk::Medium, "account-paused", text, ctx);
        }
    }

    fn stop_account(&self, why: &str, ctx: &mut Context<Self>) {
        let why = format!("the model's account was refused: {why}");
        let text = format!(
            "{why}; nothing more is asked. Mend it (`agents doctor` says which login is used), then \
             `agents role restart {}`",
            self.id
        );
        if self.core.meter.pause(Pause { until_ms: u64::MAX, why }) {
            self.alert(Risk::High, "account-refused", text, ctx);
        }
    }
}

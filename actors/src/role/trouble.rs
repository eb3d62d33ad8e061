//! What a role does when its model could not be had.

use super::{Hold, RoleActor};
use crate::meter::Pause;
use actix::prelude::*;
use foureyes_policies::remedy::{Remedy, SHORT_LIMIT_MS, remedy, words};
use foureyes_ports::{
    backend::TurnEnd,
    model::{ModelEvent, ModelTrouble},
};
use foureyes_protocol::{Code, Risk};

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
            ModelEvent::Used(_) => {
                self.vigil.request_ended();
                // What failed before was asked again, and went well.
                self.trouble.take_if(|_| self.asked_again);
                if self.refused().is_some_and(|r| r.code == Code::Budget) {
                    self.stop_turn(ctx);
                }
            }
            ModelEvent::Trouble(trouble) => {
                self.vigil.request_failed();
                self.at_once(&trouble, ctx);
                (self.trouble, self.asked_again) = (Some(trouble), false);
            }
        }
    }

    /// What cannot wait for the program to give up by itself.
    fn at_once(&mut self, trouble: &ModelTrouble, ctx: &mut Context<Self>) {
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
        if let Some(reason) = self.refused() {
            if reason.code == Code::Budget {
                self.hold(reason.text, ctx);
            }
            return;
        }
        let trouble = match end {
            TurnEnd::Done => {
                self.attempt = 0;
                return;
            }
            TurnEnd::Interrupted => return,
            // What the proxy saw is believed before what the program says.
            TurnEnd::Failed(told) => seen.unwrap_or(told),
            TurnEnd::GaveUp(why) => seen.unwrap_or(ModelTrouble::Refused(0, why)),
        };
        self.attempt += 1;
        self.apply(&trouble, ctx);
    }

    fn apply(&mut self, trouble: &ModelTrouble, ctx: &mut Context<Self>) {
        let now = self.now();
        match remedy(trouble, self.attempt, now) {
            Remedy::Wait(ms) => {
                let jitter: f64 = rand::random();
                let ms = (ms as f64 * (0.5 + jitter)) as u64;
                let why = format!("{}; again in {} s", words(trouble), ms.div_ceil(1_000));
                self.health("waiting", why.clone(), ctx);
                self.hold = Some(Hold { until_ms: now + ms, why });
            }
            Remedy::PauseAccount { until_ms } => self.pause_account(until_ms, words(trouble), ctx),
            Remedy::StopAccount { why } => self.stop_account(&why, ctx),
            Remedy::NewConversation if self.attempt > 1 => {
                self.hold("a new conversation was too long as well".to_owned(), ctx);
            }
            Remedy::NewConversation => self.begin_anew(ctx),
            Remedy::Hold { why } => self.hold(why, ctx),
        }
    }

    /// The role does nothing more until a person has looked.
    pub(super) fn hold(&mut self, why: String, ctx: &mut Context<Self>) {
        let text = format!("{}: {why}; `agents role restart {}` tries again", self.id, self.id);
        self.alert(Risk::High, "role-held", text, ctx);
        self.health("held", why.clone(), ctx);
        self.hold = Some(Hold { until_ms: u64::MAX, why });
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

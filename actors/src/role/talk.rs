//! What a role's agent is told, and when.

use super::{Hold, RoleActor, wording};
use actix::prelude::*;
use foureyes_policies::{
    costs::{Line, Sum},
    features::Features,
    turns::{Facts, LEAVE_OFF_MS, LOOK_AGAIN_MS, Next, Why},
};
use foureyes_ports::{
    backend::{Ask, DeliverError, ExitCause, Prompt, PromptId, TurnEnd, TurnReport, Written},
    governance::{Draft, InboxItem},
    view::{DeliveryView, RoleState},
};
use foureyes_protocol::{
    Address, Body, Family, MessageId, Priority, Reason, Risk,
    body::{ModelUsed, Refused},
};
use std::time::Duration;

/// Refused uses of tools that are recorded in one turn.
const REFUSALS_A_TURN: u32 = 10;

/// Whether an envelope asks nothing of anybody who receives it.
fn informs(body: &Body) -> bool {
    matches!(
        body,
        Body::Merged(_) | Body::Delivered(_) | Body::Freeze(_) | Body::Unfreeze(_) | Body::Quarantine(_)
    )
}

impl RoleActor {
    pub(super) fn reports_turns(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.reports_turns())
    }

    /// Does what there is to do now: nothing, while nothing waits.
    pub(super) fn step(&mut self, ctx: &mut Context<Self>) {
        self.tell_expired(ctx);
        if self.session.is_none() {
            if self.state == RoleState::Asleep && !self.inbox.is_empty() {
                self.start(ctx);
            }
            return;
        }
        if !self.reports_turns() {
            return self.wake(ctx);
        }
        let facts = self.facts();
        match self.turns.next(&facts) {
            Next::Prompt(why) => self.prompt_within_budget(why, &facts, ctx),
            Next::Interrupt => self.stop_turn(ctx),
            Next::End if self.vigil.is_on() => self.kill(ExitCause::Hung),
            // The prompt is not on its way yet, and will be held back.
            Next::End => {}
            Next::GiveUp => self.give_up(ctx),
            Next::At(at) => self.at(at, ctx),
            Next::Rest => {}
        }
    }

    fn taken_over(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.taken_over())
    }

    fn facts(&self) -> Facts {
        Facts {
            waiting: self.inbox.len(),
            newest: self.inbox.newest(),
            newest_urgent: self.inbox.newest_urgent(),
            ready: self.ready,
            taken_over: self.taken_over(),
            held_until: self.held().map(|hold| hold.until_ms),
            now_ms: self.now(),
            turn_ms: self.core.facts.config.agents.turn.0,
        }
    }

    /// What holds the role back now: its own pause, or that of the account.
    pub(super) fn held(&self) -> Option<Hold> {
        let now = self.now();
        let own = self.hold.clone().filter(|h| h.until_ms > now);
        let place = self.core.facts.roster.iter().position(|(id, _)| *id == self.id).unwrap_or(0) as u64;
        let account = self.core.meter.last_pause().map(|p| Hold {
            // Those who were paused together do not come back together.
            until_ms: p.until_ms.saturating_add(place * foureyes_policies::remedy::STAGGER_MS),
            why: p.why,
        });
        let account = account.filter(|h| h.until_ms > now && self.reports_turns());
        own.into_iter().chain(account).chain(self.frozen()).max_by_key(|h| h.until_ms)
    }

    /// Nothing is worked on during a freeze: turns would be paid for nothing. The librarian goes on.
    fn frozen(&self) -> Option<Hold> {
        let librarian = self.core.facts.roster.family(&self.id) == Some(Family::Librarian);
        let held = self.core.refs.is_stopped() && !librarian && self.reports_turns();
        held.then(|| Hold { until_ms: u64::MAX, why: "everything is frozen".to_owned() })
    }

    /// What only informs is acknowledged for an agent whose every turn costs: no turn begins for it,
    /// and what follows from it comes as an envelope of its own. A freeze ends the turn in flight.
    pub(super) fn take_note(&mut self, ctx: &mut Context<Self>) {
        if !self.launcher.has_model(&self.id) {
            return;
        }
        for item in self.inbox.items(usize::MAX) {
            if !informs(&item.body) {
                continue;
            }
            let saved = self.inbox.acknowledge(item.id);
            self.settle(saved, ctx);
        }
        if self.frozen().is_some() {
            self.stop_turn(ctx);
        }
    }

    /// Looks again at this moment.
    fn at(&mut self, at_ms: u64, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let wait = Duration::from_millis(at_ms.saturating_sub(self.now()).max(1));
        self.timer = Some(ctx.run_later(wait, |role, ctx| {
            role.timer = None;
            role.signal();
            role.step(ctx);
        }));
    }

    fn new_prompt_id(&self) -> PromptId {
        let mut random = [0; 10];
        self.core.ports.entropy.fill(&mut random);
        PromptId(MessageId::from_parts(self.now(), random).0)
    }

    /// Tells a program that does not report turns that envelopes wait.
    fn wake(&mut self, ctx: &mut Context<Self>) {
        let Some(newest) = self.inbox.newest() else { return };
        let Some(session) = self.session.clone().filter(|_| self.woken < Some(newest)) else { return };
        self.woken = Some(newest);
        self.state = RoleState::Busy;
        self.signal();
        let (id, urgent) = (self.new_prompt_id(), self.inbox.newest_urgent().is_some());
        let text = wording::wake(self.inbox.len());
        let generation = self.generation;
        let deliver = async move { session.deliver(Prompt { id, text, urgent }).await }.into_actor(self).map(
            move |result, role, ctx| {
                let Some(error) = result.err().filter(|_| role.generation == generation) else { return };
                tracing::warn!(role = %role.id, %error, "a wake was not written");
                role.woken = None;
                if matches!(error, DeliverError::NotReady(_)) {
                    role.at(role.now() + LOOK_AGAIN_MS, ctx);
                }
            },
        );
        ctx.spawn(deliver);
    }

    /// No turn begins for which there is no money: the model would refuse it.
    fn prompt_within_budget(&mut self, why: Why, facts: &Facts, ctx: &mut Context<Self>) {
        let items = self.inbox.items(wording::LISTED);
        let feature = items.iter().find_map(|i| i.feature.clone());
        if let Some((budget, reason)) = self.core.meter.exhausted(&self.id, feature.as_ref()) {
            return self.hold_for_budget(budget, reason.text, ctx);
        }
        let features = self.features();
        let work = feature.map(|id| (features.gate_of(&id), id)).map(|(gate, id)| (id, gate));
        self.core.meter.works_on(&self.id, work);
        self.prompt(why, &items, facts, ctx);
    }

    fn prompt(&mut self, why: Why, items: &[InboxItem], facts: &Facts, ctx: &mut Context<Self>) {
        let first = !self.introduced;
        // That it was seen was told by a program that may have died before it wrote that down. Only a
        // conversation that goes on is told the same again.
        let lost = self.prompt.clone().filter(|_| why == Why::Again && (!first || self.resumed));
        let restarted = (first && self.resumed).then(|| "the runtime was started again".to_owned());
        let text = wording::prompt(&wording::Occasion {
            why,
            items,
            waiting: facts.waiting,
            interrupted_by: self.died.as_ref().map(|(_, cause)| cause.clone()).or(restarted),
            new_conversation: first && !self.resumed,
            features: &self.features(),
            role: &self.id,
        });
        let fresh = Prompt { id: self.new_prompt_id(), text, urgent: facts.newest_urgent.is_some() };
        self.turns.begin(why, facts);
        self.core.meter.turn(&self.id, true);
        (self.ready, self.trouble, self.outgoing) = (false, None, None);
        self.delivery = DeliveryView { prompted_ms: Some(facts.now_ms), ..DeliveryView::default() };
        self.state = RoleState::Busy;
        self.signal();
        let (launcher, id, generation) = (self.launcher.clone(), self.id.clone(), self.generation);
        let choose = async move {
            launcher.refresh(&id).await;
            match lost {
                // Written and perhaps not read when the program died: its transcript knows.
                Some(lost) if launcher.was_seen(&id, lost.id).await == Some(false) => lost,
                _ => fresh,
            }
        };
        ctx.spawn(choose.into_actor(self).map(move |prompt, role, ctx| {
            if role.generation == generation {
                role.write(prompt, ctx);
            }
        }));
    }

    fn write(&mut self, prompt: Prompt, ctx: &mut Context<Self>) {
        let Some(session) = self.session.clone() else { return };
        if self.turns.is_interrupted() {
            // What came meanwhile is told at once, or holds the role back: nothing was written yet.
            self.take_back(true);
            return self.step(ctx);
        }
        self.outgoing = Some(prompt.id);
        self.vigil.begin(self.now());
        let generation = self.generation;
        let deliver = async move { (session.deliver(prompt.clone()).await, prompt) };
        ctx.spawn(deliver.into_actor(self).map(move |(result, prompt), role, ctx| {
            if role.generation == generation {
                role.delivered(result, prompt, ctx);
            }
        }));
    }

    /// The turn did not begin after all.
    fn take_back(&mut self, ready: bool) {
        self.turns.not_begun();
        self.vigil.end();
        (self.state, self.ready, self.outgoing) = (RoleState::Idle, ready, None);
    }

    fn delivered(&mut self, result: Result<Written, DeliverError>, prompt: Prompt, ctx: &mut Context<Self>) {
        let now = self.now();
        if let Err(error) = &result {
            tracing::info!(role = %self.id, %error, "a prompt was not written");
        }
        match result {
            Ok(_) => {
                self.delivery.written_ms.get_or_insert(now);
                (self.introduced, self.died, self.afresh) = (true, None, false);
                self.prompt = Some(prompt).filter(|_| self.turns.in_turn());
            }
            Err(DeliverError::NotReady(_)) => {
                self.take_back(true);
                self.at(now + LOOK_AGAIN_MS, ctx);
            }
            Err(DeliverError::Stalled(_) | DeliverError::Io(_)) => {
                // Part of it may have been read: the transcript knows when the next program asks.
                self.prompt = Some(prompt);
                self.kill(ExitCause::Hung);
            }
            // The end of the program is told by an event of its own.
            Err(DeliverError::Ended) => self.take_back(false),
            Err(error @ (DeliverError::TooLong { .. } | DeliverError::Unsupported(_))) => {
                self.take_back(true);
                self.hold(format!("it cannot be told what waits: {error}"), ctx);
            }
        }
        self.signal();
    }

    /// A turn began that nobody ordered: a person talks to the agent, or it should not have.
    pub(super) fn unordered_turn(&mut self) {
        if !self.taken_over() {
            self.idle_turns += 1;
            tracing::warn!(role = %self.id, "a turn began that was not ordered");
        }
        self.turns.begun_by_user(self.now());
        self.vigil.begin(self.now());
    }

    pub(super) fn seen(&mut self, id: PromptId) {
        if self.outgoing != Some(id) {
            return;
        }
        let now = self.now();
        // What was seen was written, whichever is heard of first.
        self.delivery.written_ms.get_or_insert(now);
        self.delivery.seen_ms.get_or_insert(now);
        self.signal();
    }

    /// An effect of the agent's turn arrived.
    pub(super) fn acted(&mut self) {
        if !self.turns.in_turn() || self.delivery.written_ms.is_none() || self.delivery.acted_ms.is_some() {
            return;
        }
        let now = self.now();
        self.delivery.seen_ms.get_or_insert(now);
        self.delivery.acted_ms = Some(now);
        self.signal();
    }

    /// The program asks: the composer answers, and nothing else waits for it.
    pub(super) fn asked(&mut self, ask: Ask, ctx: &mut Context<Self>) {
        if self.delivery.seen_ms.is_some() && ask.payload.contains("tools/call") {
            self.acted();
        }
        let Some(session) = self.session.clone() else { return };
        self.vigil.question(true);
        let (launcher, id) = (self.launcher.clone(), self.id.clone());
        let answer = async move {
            let answered = launcher.answer(&id, &ask).await;
            (session.answer(&ask.id, &answered.payload).await, answered.refused)
        };
        ctx.spawn(answer.into_actor(self).map(|(result, refused), role, ctx| {
            role.vigil.question(false);
            if let Some((what, reason)) = refused {
                role.note_refusal(what, reason, ctx);
            }
            if let Err(error) = result {
                tracing::debug!(role = %role.id, %error, "an answer did not reach the agent's program");
            }
        }));
    }

    /// A refused use of a tool is a record: people see it. So many in a turn, no more: an agent can try
    /// without end.
    fn note_refusal(&mut self, what: String, reason: Reason, ctx: &mut Context<Self>) {
        let turn = self.turns.count();
        if self.refused_in.0 != turn {
            self.refused_in = (turn, 0);
        }
        self.refused_in.1 += 1;
        if self.refused_in.1 > REFUSALS_A_TURN {
            return;
        }
        let refused = Refused { who: self.id.clone(), what, reason, incident: false };
        let feature = self.working_on();
        let draft = Draft { priority: Priority::Low, ..Draft::new(Address::system(), refused) };
        self.record(vec![Draft { feature, ..draft }], ctx);
    }

    /// The feature that the present turn is about.
    fn working_on(&self) -> Option<foureyes_protocol::FeatureId> {
        self.core.meter.work_of(&self.id)
    }

    /// Interrupts the turn in flight, if one is and was not told to end already.
    pub(super) fn stop_turn(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        if !self.turns.interrupted(now) {
            return;
        }
        // A program that does not leave off is ended then.
        self.at(now + LEAVE_OFF_MS, ctx);
        // A prompt that is not on its way yet is held back instead.
        let Some(session) = self.session.clone().filter(|_| self.vigil.is_on()) else { return };
        ctx.spawn(async move { session.interrupt().await }.into_actor(self).map(|result, role, _| {
            if let Err(error) = result {
                tracing::warn!(role = %role.id, %error, "a turn could not be interrupted");
            }
        }));
    }

    fn give_up(&mut self, ctx: &mut Context<Self>) {
        self.turns.gave_up();
        let text = format!(
            "{} was reminded {} times and left {} envelopes unacknowledged; look at it with `agents attach {}`",
            self.id,
            foureyes_policies::turns::REMINDERS,
            self.inbox.len(),
            self.id
        );
        self.alert(Risk::Medium, "role-does-not-act", text, ctx);
    }

    pub(super) fn turn_ended(&mut self, report: TurnReport, ctx: &mut Context<Self>) {
        // A program may say what it likes: the end of a turn that was none changes nothing.
        if !self.turns.in_turn() {
            return;
        }
        let now = self.now();
        self.core.meter.turn(&self.id, false);
        (self.prompt, self.outgoing) = (None, None);
        self.ready = true;
        self.state = RoleState::Idle;
        self.vigil.end();
        self.record_used(ctx);
        self.turns.ended(report.end == TurnEnd::Done, now, self.core.facts.config.agents.remind.0);
        self.after_turn(report.end, ctx);
        self.signal();
        self.step(ctx);
    }

    pub(super) fn record_used(&self, ctx: &mut Context<Self>) {
        // A role that ends waits for this record itself, or the registry would not take it any more.
        let used = if self.stopping { Vec::new() } else { self.used() };
        if !used.is_empty() {
            self.record(used, ctx);
        }
    }

    /// What the proxy counted since the last record, as records.
    pub(super) fn used(&self) -> Vec<Draft> {
        let draft = |(line, sum): (Line, Sum)| {
            let body = ModelUsed {
                role: line.role,
                gate: line.gate,
                model: line.model,
                requests: sum.requests,
                input_tokens: sum.input,
                output_tokens: sum.output,
                cache_read_tokens: sum.cache_read,
                cache_write_tokens: sum.cache_write,
                microusd: (sum.unpriced == 0).then_some(sum.microusd),
            };
            let draft = Draft { priority: Priority::Low, ..Draft::new(Address::system(), body) };
            Draft { feature: line.feature, ..draft }
        };
        self.core.meter.take(&self.id).into_iter().map(draft).collect()
    }

    fn features(&self) -> std::sync::Arc<Features> {
        self.neighbours.features.get(&self.core.journal)
    }
}

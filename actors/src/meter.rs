//! What agents use of their models: counted as the proxy sees it, held against the budgets before each
//! request, and told to the role's actor. One account stands behind all roles: when its provider
//! pauses it, nobody asks.

use crate::journal::Journal;
use actix::{Message, Recipient};
use foureyes_config::sections::model::Budgets;
use foureyes_policies::costs::{Budget, Line, Spent, Sum};
use foureyes_ports::{
    clock::Clock,
    model::{ModelEvent, ModelWatch},
};
use foureyes_protocol::{Code, FeatureId, Gate, PrincipalId, Reason};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Something about a role's model.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum Model {
    /// What the proxy saw of it.
    Event(ModelEvent),
    /// Others have spent the last of a budget that is this role's, too.
    BudgetSpent,
}

/// Why nobody of the account asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Until when (milliseconds since the Unix epoch); `u64::MAX` until a person has mended it.
    pub until_ms: u64,
    /// Why, in one line.
    pub why: String,
}

/// The meter.
pub struct Meter {
    budgets: Budgets,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    pause: watch::Sender<Option<Pause>>,
}

/// So long after its turn an agent's program may still ask: for a title, or a summary.
const AFTER_TURN_MS: u64 = 10_000;

#[derive(Default)]
struct State {
    /// Until when each role may ask.
    turns: BTreeMap<PrincipalId, u64>,
    /// Roles that a person has taken over.
    taken: BTreeSet<PrincipalId>,
    spent: Spent,
    /// What no record tells of yet.
    pending: BTreeMap<Line, Sum>,
    /// What each role works on, and the gate at which that stood.
    work: BTreeMap<PrincipalId, (FeatureId, Option<Gate>)>,
    /// Budgets whose end a person was told.
    told: BTreeSet<Budget>,
    roles: BTreeMap<PrincipalId, Recipient<Model>>,
}

impl Meter {
    /// A meter that knows what the records of all runs tell.
    pub fn new(budgets: Budgets, clock: Arc<dyn Clock>, journal: &Journal, epoch: u64) -> Self {
        let mut spent = Spent::default();
        journal.since(0).iter().for_each(|entry| spent.apply(&entry.record, epoch));
        let state = Mutex::new(State { spent, ..State::default() });
        Self { budgets, clock, state, pause: watch::Sender::new(None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells this receiver of the role's model from now on.
    pub(crate) fn register(&self, role: PrincipalId, receiver: Recipient<Model>) {
        self.state().roles.insert(role, receiver);
    }

    /// The role's agent has a turn, or had it until now.
    pub fn turn(&self, role: &PrincipalId, begins: bool) {
        let until = if begins { u64::MAX } else { self.clock.now_ms().saturating_add(AFTER_TURN_MS) };
        self.state().turns.insert(role.clone(), until);
    }

    /// A person has taken the role's agent over, or given it back.
    pub fn taken(&self, role: &PrincipalId, taken: bool) {
        let mut state = self.state();
        match taken {
            true => drop(state.taken.insert(role.clone())),
            false => drop(state.taken.remove(role)),
        }
    }

    /// Whether the role's agent has a reason to ask its model. What runs on in its sandbox after a turn
    /// has none.
    fn may_ask(&self, role: &PrincipalId) -> Result<(), Reason> {
        let (now, state) = (self.clock.now_ms(), self.state());
        let in_turn = state.turns.get(role).is_some_and(|until| *until > now);
        if in_turn || state.taken.contains(role) {
            return Ok(());
        }
        Err(Reason::new(Code::NoTurn, format!("{role} has no turn: nothing waits for it")))
    }

    /// What the role's requests are for from now on: a feature, and the gate at which it stands.
    pub fn works_on(&self, role: &PrincipalId, work: Option<(FeatureId, Option<Gate>)>) {
        let mut state = self.state();
        match work {
            Some(work) => drop(state.work.insert(role.clone(), work)),
            None => drop(state.work.remove(role)),
        }
    }

    /// The feature that the role's requests are for.
    pub fn work_of(&self, role: &PrincipalId) -> Option<FeatureId> {
        self.state().work.get(role).map(|work| work.0.clone())
    }

    /// What the role used since it was last asked.
    pub fn take(&self, role: &PrincipalId) -> Vec<(Line, Sum)> {
        self.state().pending.extract_if(.., |line, _| line.role == *role).collect()
    }

    /// The budget that lets a role spend no more for this feature, with why.
    pub fn exhausted(&self, role: &PrincipalId, feature: Option<&FeatureId>) -> Option<(Budget, Reason)> {
        self.state().spent.exhausted(&self.budgets, role, feature)
    }

    /// The budget that lets a role spend no more for what it works on, with why.
    pub fn exhausted_now(&self, role: &PrincipalId) -> Option<(Budget, Reason)> {
        let state = self.state();
        state.spent.exhausted(&self.budgets, role, state.feature(role))
    }

    /// A person is about to be told that this budget is spent. Whether that is news.
    pub fn tell_spent(&self, budget: Budget) -> bool {
        self.state().told.insert(budget)
    }

    /// Nobody asks until then, or until an earlier pause ends that is longer. Whether that is news: a
    /// pause that others meet as well, or that only lasts longer, is told once.
    pub fn pause(&self, pause: Pause) -> bool {
        let (now, mut news) = (self.clock.now_ms(), false);
        self.pause.send_if_modified(|last| {
            let longer = last.as_ref().is_none_or(|last| last.until_ms < pause.until_ms);
            news = longer && (pause.until_ms == u64::MAX || last.as_ref().is_none_or(|l| l.until_ms <= now));
            if longer {
                *last = Some(pause);
            }
            longer
        });
        news
    }

    /// A person says that the account is mended, or has looked at what was spent.
    pub fn resume(&self) {
        self.state().told.clear();
        self.pause.send_if_modified(|now| now.take().is_some());
    }

    /// The last pause, over or not.
    pub fn last_pause(&self) -> Option<Pause> {
        self.pause.borrow().clone()
    }

    /// The pause in force.
    pub fn paused(&self) -> Option<Pause> {
        let now = self.clock.now_ms();
        self.pause.borrow().clone().filter(|p| p.until_ms > now)
    }

    /// Follows the pauses.
    pub fn pauses(&self) -> watch::Receiver<Option<Pause>> {
        self.pause.subscribe()
    }
}

impl ModelWatch for Meter {
    fn admit(&self, role: &PrincipalId) -> Result<(), Reason> {
        self.may_ask(role)?;
        if let Some(pause) = self.paused() {
            return Err(Reason::new(Code::AccountPaused, pause.why));
        }
        let state = self.state();
        state.spent.admit(&self.budgets, role, state.feature(role))
    }

    fn tell(&self, role: &PrincipalId, event: ModelEvent) {
        let mut state = self.state();
        if let ModelEvent::Used(used) = &event {
            state.count(role, &used.model, Sum::from(used));
        }
        let others = if matches!(event, ModelEvent::Used(_)) {
            state.out_of_budget(role, &self.budgets)
        } else {
            Vec::new()
        };
        let receiver = state.roles.get(role).cloned();
        drop(state);
        // What was used is counted already; a role whose mailbox is full learns of the rest later.
        if let Some(receiver) = receiver {
            receiver.try_send(Model::Event(event)).ok();
        }
        others.iter().for_each(|other| drop(other.try_send(Model::BudgetSpent)));
    }
}

impl State {
    fn feature(&self, role: &PrincipalId) -> Option<&FeatureId> {
        self.work.get(role).map(|(feature, _)| feature)
    }

    fn count(&mut self, role: &PrincipalId, model: &str, sum: Sum) {
        let (feature, gate) = self.work.get(role).cloned().unzip();
        self.spent.add(role, feature.as_ref(), &sum);
        let line = Line { role: role.clone(), feature, gate: gate.flatten(), model: model.to_owned() };
        *self.pending.entry(line).or_default() += sum;
    }

    /// The other roles that may spend no more.
    fn out_of_budget(&self, but: &PrincipalId, budgets: &Budgets) -> Vec<Recipient<Model>> {
        let spent = |role: &PrincipalId| self.spent.admit(budgets, role, self.feature(role)).is_err();
        let others = self.roles.iter().filter(|(role, _)| *role != but && spent(role));
        others.map(|(_, receiver)| receiver.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::{clock::FakeClock, model::ModelUse};

    fn meter(run: Option<f64>) -> (Meter, Arc<FakeClock>) {
        let clock = Arc::new(FakeClock::at(1_000));
        let budgets = Budgets { run, ..Budgets::default() };
        let state = Mutex::new(State::default());
        (Meter { budgets, clock: clock.clone(), state, pause: watch::Sender::new(None) }, clock)
    }

    fn used(microusd: u64) -> ModelEvent {
        ModelEvent::Used(ModelUse { model: "m".to_owned(), microusd: Some(microusd), ..ModelUse::default() })
    }

    #[test]
    fn what_was_used_is_counted_before_any_record_tells_of_it() {
        let (meter, _) = meter(Some(1.0));
        let role = PrincipalId::new("dev-a").unwrap();
        meter.tell(&role, used(600_000));
        meter.turn(&role, true);
        assert_eq!(meter.admit(&role), Ok(()));
        meter.tell(&role, used(400_000));
        assert_eq!(meter.admit(&role).unwrap_err().code, Code::Budget);
        let sums = meter.take(&role);
        assert_eq!((sums.len(), sums[0].1.requests, sums[0].1.microusd), (1, 2, 1_000_000));
        assert!(meter.take(&role).is_empty(), "told once");
    }

    #[test]
    fn what_was_used_late_counts_for_what_it_was_for() {
        let (meter, _) = meter(None);
        let (role, other) = (PrincipalId::new("dev-a").unwrap(), PrincipalId::new("dev-b").unwrap());
        let work = |name| Some((FeatureId::new(name).unwrap(), Some(Gate::Red)));
        meter.works_on(&role, work("f"));
        meter.tell(&role, used(1));
        meter.tell(&other, used(9));
        meter.works_on(&role, work("g"));
        meter.tell(&role, used(2));
        let sums = meter.take(&role);
        let shown: Vec<_> =
            sums.iter().map(|(l, s)| (l.feature.clone().unwrap().to_string(), l.gate, s.microusd)).collect();
        assert_eq!(shown, [("f".to_owned(), Some(Gate::Red), 1), ("g".to_owned(), Some(Gate::Red), 2)]);
    }

    #[test]
    fn a_pause_is_only_made_longer_and_ends_by_itself() {
        let (meter, clock) = meter(None);
        let role = PrincipalId::new("dev-a").unwrap();
        meter.turn(&role, true);
        let pause = |until_ms| Pause { until_ms, why: "limit".to_owned() };
        assert!(meter.pause(pause(5_000)));
        assert!(!meter.pause(pause(4_000)));
        assert!(!meter.pause(pause(5_001)), "longer, and no news");
        assert_eq!(meter.admit(&role).unwrap_err().code, Code::AccountPaused);
        clock.advance(4_002);
        assert_eq!(meter.admit(&role), Ok(()));
        assert!(meter.pause(pause(u64::MAX)));
        meter.resume();
        assert_eq!(meter.admit(&role), Ok(()));
    }
}

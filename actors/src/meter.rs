//! What agents use of their models: counted as the proxy sees it, held against the budgets before each
//! request, and told to the role's actor. One account stands behind all roles: when its provider
//! pauses it, nobody asks.

use crate::journal::Journal;
use actix::{Message, Recipient};
use foureyes_config::sections::model::Budgets;
use foureyes_policies::costs::{Spent, Sum};
use foureyes_ports::{
    clock::Clock,
    model::{ModelEvent, ModelWatch},
};
use foureyes_protocol::{Code, FeatureId, PrincipalId, Reason};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Something about a role's model.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Model(pub ModelEvent);

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

#[derive(Default)]
struct State {
    spent: Spent,
    /// What no record tells of yet, by role and model.
    pending: BTreeMap<PrincipalId, BTreeMap<String, Sum>>,
    /// What each role works on.
    work: BTreeMap<PrincipalId, FeatureId>,
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

    /// What the role's requests are for from now on.
    pub fn works_on(&self, role: &PrincipalId, feature: Option<FeatureId>) {
        let mut state = self.state();
        match feature {
            Some(feature) => drop(state.work.insert(role.clone(), feature)),
            None => drop(state.work.remove(role)),
        }
    }

    /// What the role used since it was last asked: the feature that it works on, and sums by model.
    pub fn take(&self, role: &PrincipalId) -> (Option<FeatureId>, BTreeMap<String, Sum>) {
        let mut state = self.state();
        let feature = state.work.get(role).cloned();
        (feature, state.pending.remove(role).unwrap_or_default())
    }

    /// Nobody asks until then. Whether that is news.
    pub fn pause(&self, pause: Pause) -> bool {
        self.pause.send_if_modified(|now| {
            let longer = now.as_ref().is_none_or(|now| now.until_ms < pause.until_ms);
            if longer {
                *now = Some(pause);
            }
            longer
        })
    }

    /// A person says that the account is mended.
    pub fn resume(&self) {
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
        if let Some(pause) = self.paused() {
            return Err(Reason::new(Code::AccountPaused, pause.why));
        }
        let state = self.state();
        state.spent.admit(&self.budgets, role, state.work.get(role))
    }

    fn tell(&self, role: &PrincipalId, event: ModelEvent) {
        let mut state = self.state();
        if let ModelEvent::Used(used) = &event {
            let sum = Sum::from(used);
            let feature = state.work.get(role).cloned();
            state.spent.add(role, feature.as_ref(), sum.microusd);
            *state.pending.entry(role.clone()).or_default().entry(used.model.clone()).or_default() += sum;
        }
        let receiver = state.roles.get(role).cloned();
        drop(state);
        // What was used is counted already; a role whose mailbox is full learns of the rest later.
        if let Some(receiver) = receiver {
            receiver.try_send(Model(event)).ok();
        }
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
        assert_eq!(meter.admit(&role), Ok(()));
        meter.tell(&role, used(400_000));
        assert_eq!(meter.admit(&role).unwrap_err().code, Code::Budget);
        let (_, sums) = meter.take(&role);
        assert_eq!((sums["m"].requests, sums["m"].microusd), (2, 1_000_000));
        assert!(meter.take(&role).1.is_empty(), "told once");
    }

    #[test]
    fn a_pause_is_only_made_longer_and_ends_by_itself() {
        let (meter, clock) = meter(None);
        let role = PrincipalId::new("dev-a").unwrap();
        let pause = |until_ms| Pause { until_ms, why: "limit".to_owned() };
        assert!(meter.pause(pause(5_000)));
        assert!(!meter.pause(pause(4_000)));
        assert_eq!(meter.admit(&role).unwrap_err().code, Code::AccountPaused);
        clock.advance(4_001);
        assert_eq!(meter.admit(&role), Ok(()));
        assert!(meter.pause(pause(u64::MAX)));
        meter.resume();
        assert_eq!(meter.admit(&role), Ok(()));
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::supervision::backoff::BackoffPolicy;
use crate::supervision::strategy::Strategy;

fn roster(strategy: Strategy, max: u32, kinds: &[Restart]) -> Roster {
    let mut roster = Roster::new(strategy, Intensity::new(max, 10_000));
    for kind in kinds {
        roster.add(&spec(*kind));
    }
    roster
}

fn spec(restart: Restart) -> ChildSpec {
    let backoff = BackoffPolicy { cap_ms: 8_000, reset_after_ms: 20_000, ..BackoffPolicy::default() };
    ChildSpec { restart, ..ChildSpec::permanent("x").backoff(backoff) }
}

/// Short names keep the tables readable.
const P: Restart = Restart::Permanent;
const TR: Restart = Restart::Transient;
const TE: Restart = Restart::Temporary;

#[test]
fn an_exit_is_decided_by_type_kind_and_strategy() {
    let plan = |members: &[Place], ended: &[Place]| {
        let (members, ended) = (members.to_vec(), ended.to_vec());
        Decision::Restart(Plan { members, ended, attempt: 1, delay_ms: 0, ticket: 1 })
    };
    let table = [
        (Strategy::OneForOne, 1, true, plan(&[1], &[])),
        (Strategy::OneForAll, 1, true, plan(&[0, 1, 3], &[4, 2])),
        (Strategy::RestForOne, 1, true, plan(&[1, 3], &[4, 2])),
        (Strategy::RestForOne, 0, false, plan(&[0, 1, 3], &[4, 2])),
        (Strategy::OneForAll, 1, false, Decision::End),
        (Strategy::OneForAll, 2, true, Decision::End),
        (Strategy::OneForAll, 9, true, Decision::Ignore),
    ];
    for (strategy, place, abnormal, expected) in table {
        let mut roster = roster(strategy, 3, &[P, TR, TE, P, TE]);
        assert_eq!(roster.exited(place, abnormal, 0, 0.5), expected, "{strategy:?} {place} {abnormal}");
    }
}

#[test]
fn one_restart_too_many_escalates_and_a_resumed_supervisor_starts_a_new_window() {
    let mut roster = roster(Strategy::OneForOne, 1, &[P, P]);
    assert!(matches!(roster.exited(0, true, 0, 0.5), Decision::Restart(_)));
    assert_eq!(roster.exited(1, true, 1, 0.5), Decision::Escalate);
    let plan = roster.resume();
    assert_eq!(plan.members, [0, 1]);
    assert!(roster.arrive(0, plan.ticket) && roster.arrive(1, plan.ticket));
    let Decision::Restart(next) = roster.exited(0, true, 2, 0.5) else { panic!("no restart") };
    assert_eq!((next.attempt, next.delay_ms), (2, 1_000), "the backoff outlives the window");
}

#[test]
fn a_ticket_is_void_once_overtaken() {
    let mut roster = roster(Strategy::OneForAll, 9, &[P, P]);
    let Decision::Restart(plan) = roster.exited(0, true, 0, 0.5) else { panic!("no restart") };
    roster.suspend();
    assert!(!roster.arrive(0, plan.ticket));
    assert_eq!(roster.exited(0, true, 0, 0.5), Decision::Ignore);
}

/// The same rules, told as naively as possible: nothing is ever forgotten, all is searched.
struct Model {
    strategy: Strategy,
    max: usize,
    kinds: BTreeMap<Place, Restart>,
    down: BTreeMap<Place, u64>,
    restarts: Vec<u64>,
    /// Per child: when it failed and when it was due to come back.
    failures: BTreeMap<Place, Vec<(u64, u64)>>,
}

impl Model {
    fn exited(&mut self, place: Place, abnormal: bool, now: u64, draw: f64) -> Decision {
        let Some(kind) = self.kinds.get(&place) else { return Decision::Ignore };
        if self.down.contains_key(&place) {
            return Decision::Ignore;
        }
        if *kind == TE || (*kind == TR && !abnormal) {
            self.kinds.remove(&place);
            return Decision::End;
        }
        if self.restarts.iter().filter(|at| now - **at <= 10_000).count() >= self.max {
            return Decision::Escalate;
        }
        self.restarts.push(now);
        let (attempt, delay_ms) = self.backoff(place, now, draw);
        let shares = |other: &Place| match self.strategy {
            Strategy::OneForOne => *other == place,
            Strategy::OneForAll => true,
            Strategy::RestForOne => *other >= place,
        };
        let (ended, members): (Vec<Place>, Vec<Place>) =
            self.kinds.keys().copied().filter(shares).partition(|other| self.kinds[other] == TE);
        self.kinds.retain(|other, _| !ended.contains(other));
        self.down.extend(members.iter().map(|other| (*other, now + delay_ms)));
        let ended = ended.into_iter().rev().collect();
        Decision::Restart(Plan { members, ended, attempt, delay_ms, ticket: 0 })
    }

    fn backoff(&mut self, place: Place, now: u64, draw: f64) -> (u32, u64) {
        let failures = self.failures.entry(place).or_default();
        let mut attempt = 1;
        let mut later = now;
        for (at, due) in failures.iter().rev() {
            if later >= due + 20_000 {
                break;
            }
            attempt += 1;
            later = *at;
        }
        let steps = [0.0, 1.0, 2.0, 4.0, 8.0];
        let nominal: f64 = steps[(attempt as usize - 1).min(4)] * 1_000.0;
        let delay = ((nominal * (0.5 + draw)).round() as u64).min(8_000);
        failures.push((now, now + delay));
        (attempt, delay)
    }
}

fn kind() -> impl Generator<Value = Restart> {
    prop_oneof![4 => Just(P), 2 => Just(TR), 1 => Just(TE)]
}

fn strategy() -> impl Generator<Value = Strategy> {
    prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_roster_decides_as_the_naive_model_does(
        strategy in strategy(),
        max in 0u32..5,
        kinds in prop::collection::vec(kind(), 1..6),
        exits in prop::collection::vec((0u64..12_000, 0u64..6, any::<bool>(), 0.0f64..1.0), 1..20),
    ) {
        let mut roster = roster(strategy, max, &kinds);
        let mut model = Model {
            strategy,
            max: max as usize,
            kinds: (0..).zip(kinds).collect(),
            down: BTreeMap::new(),
            restarts: Vec::new(),
            failures: BTreeMap::new(),
        };
        let mut plans: Vec<(u64, Plan)> = Vec::new();
        let mut now = 0;
        for (pause, place, abnormal, draw) in exits {
            now += pause;
            model.down.retain(|_, due| *due > now);
            for (_, plan) in plans.extract_if(.., |(due, _)| *due <= now) {
                for member in plan.members {
                    roster.arrive(member, plan.ticket);
                }
            }
            let expected = model.exited(place, abnormal, now, draw);
            let mut decision = roster.exited(place, abnormal, now, draw);
            if let Decision::Restart(plan) = &mut decision {
                plans.push((now + plan.delay_ms, plan.clone()));
                plan.ticket = 0;
            }
            prop_assert_eq!(decision, expected);
        }
    }
}

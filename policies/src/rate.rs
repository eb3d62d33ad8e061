//! Rate limits: how much of a window is used, and when it frees.
//!
//! The hour and day windows are exact sliding windows over the ledger, so a restart refills nothing
//! and a burst over a boundary counts once. Bursts within a minute are the token bucket's (GCRA)
//! matter, which the limiter actor seeds from here.

use foureyes_config::sections::limits::{Limits, RateKind};
use foureyes_protocol::{Body, Code, Envelope, Family, Gate, Kind, PrincipalId, Reason};
use std::collections::{BTreeMap, VecDeque};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What was used, by principal and kind: the times of the last day, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    times: BTreeMap<(PrincipalId, RateKind), VecDeque<u64>>,
}

/// One limit with its use, for `status` and refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The kind.
    pub kind: RateKind,
    /// `minute`, `hour` or `day`.
    pub window: &'static str,
    /// How much was used.
    pub used: u32,
    /// How much is allowed.
    pub limit: u32,
    /// When one becomes free, in milliseconds from now; 0 when there is one.
    pub frees_in_ms: u64,
}

/// The kinds of use that an envelope counts for.
pub fn kinds(envelope: &Envelope) -> Vec<RateKind> {
    let mut kinds = Vec::new();
    match (&envelope.body, envelope.kind) {
        (_, Kind::SignOffRequest) => kinds.push(RateKind::SignOffRequests),
        (_, Kind::LockRequest) => kinds.push(RateKind::LockRequests),
        (_, Kind::ReviewRequest) => kinds.push(RateKind::ReviewRequests),
        (_, Kind::CriticalDecisionRequest) => kinds.push(RateKind::CriticalDecisionRequests),
        (Body::GateRequest(g), _) if g.gate == Gate::Deploy => kinds.push(RateKind::DeployProposals),
        (_, Kind::Vote) => kinds.push(RateKind::Votes),
        _ => {}
    }
    if !crate::rights::is_answer(envelope) {
        kinds.push(RateKind::Messages);
    }
    kinds
}

/// Whether a sender's envelope is free of limits: the runtime's own, and CRITICAL ones of the
/// librarian and the user.
pub fn is_free(envelope: &Envelope, family: Family) -> bool {
    match family {
        Family::System => true,
        Family::User | Family::Librarian => envelope.priority == foureyes_protocol::Priority::Critical,
        _ => false,
    }
}

impl Usage {
    /// Counts a use. Uses of one principal come in the order of their times.
    pub fn count(&mut self, who: &PrincipalId, kind: RateKind, at_ms: u64) {
        let times = self.times.entry((who.clone(), kind)).or_default();
        times.push_back(at_ms);
        while times.front().is_some_and(|t| at_ms.saturating_sub(*t) >= DAY) {
            times.pop_front();
        }
    }

    /// Counts what an admitted envelope used.
    pub fn apply(&mut self, envelope: &Envelope, family: Family, at_ms: u64) {
        if is_free(envelope, family) {
            return;
        }
        for kind in kinds(envelope) {
            self.count(&envelope.from, kind, at_ms);
        }
    }

    /// The limits of one kind with their use.
    pub fn uses(&self, limits: &Limits, who: &PrincipalId, kind: RateKind, now_ms: u64) -> Vec<Use> {
        let rate = limits.rate(who, kind);
        let windows = [("minute", MINUTE, rate.minute), ("hour", HOUR, rate.hour), ("day", DAY, rate.day)];
        let one = |(window, length, limit): (&'static str, u64, Option<u32>)| {
            limit.map(|limit| self.one(who, kind, window, length, limit, now_ms))
        };
        windows.into_iter().filter_map(one).collect()
    }

    fn one(
        &self,
        who: &PrincipalId,
        kind: RateKind,
        window: &'static str,
        length: u64,
        limit: u32,
        now_ms: u64,
    ) -> Use {
        // Times are in order, so what is within the window is the end of the list: found by bisection,
        // since this stands before every message and a day holds thousands of times.
        let times = self.times.get(&(who.clone(), kind)).unwrap_or(const { &VecDeque::new() });
        let old = times.partition_point(|t| now_ms.saturating_sub(*t) >= length);
        let used = (times.len() - old) as u32;
        let over = (used as usize + 1).checked_sub(limit as usize).filter(|n| *n > 0);
        let frees =
            over.and_then(|n| times.get(old + n - 1)).map_or(0, |t| (t + length).saturating_sub(now_ms));
        Use { kind, window, used, limit, frees_in_ms: frees }
    }

    /// Whether one more use is within every window.
    ///
    /// # Errors
    /// [`Code::Rate`] with the limit, the use and when it frees.
    pub fn check(
        &self,
        limits: &Limits,
        who: &PrincipalId,
        kind: RateKind,
        now_ms: u64,
    ) -> Result<(), Reason> {
        match self.uses(limits, who, kind, now_ms).into_iter().find(|u| u.used >= u.limit) {
            None => Ok(()),
            Some(u) => Err(refusal(&u)),
        }
    }
}

/// The refusal of a used-up limit.
pub fn refusal(u: &Use) -> Reason {
    let seconds = u.frees_in_ms.div_ceil(1000);
    let text = format!(
        "{:?}: {} of {} used this {}; the next is free in {} min {} s",
        u.kind,
        u.used,
        u.limit,
        u.window,
        seconds / 60,
        seconds % 60
    );
    Reason::new(Code::Rate, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_config::sections::limits::{Limits, Rate};
    use proptest::prelude::*;

    fn dev() -> PrincipalId {
        PrincipalId::new("dev-a").unwrap()
    }

    fn limits(minute: Option<u32>, hour: Option<u32>, day: Option<u32>) -> Limits {
        Limits { messages: Rate { burst: None, minute, hour, day }, ..Limits::default() }
    }

    #[test]
    fn a_window_slides_and_says_when_it_frees() {
        let limits = limits(None, Some(2), None);
        let mut usage = Usage::default();
        let check = |usage: &Usage, now| usage.check(&limits, &dev(), RateKind::Messages, now);
        usage.count(&dev(), RateKind::Messages, 1_000);
        assert_eq!(check(&usage, 2_000), Ok(()));
        usage.count(&dev(), RateKind::Messages, 2_000);
        let reason = check(&usage, 3_000).unwrap_err();
        assert_eq!(reason.code, Code::Rate);
        assert!(
            reason.text.contains("2 of 2 used this hour; the next is free in 59 min 58 s"),
            "{}",
            reason.text
        );
        assert!(check(&usage, 1_000 + HOUR - 1).is_err());
        assert_eq!(check(&usage, 1_000 + HOUR), Ok(()), "exactly an hour later");
    }

    #[test]
    fn the_default_numbers_are_those_of_the_rules() {
        use RateKind::{
            Commits, CriticalDecisionRequests, DeployProposals, LockRequests, Messages, ReviewRequests,
            SignOffRequests, Signatures, Votes,
        };
        let table = [
            (SignOffRequests, None, Some(20), Some(100)),
            (LockRequests, None, Some(10), Some(50)),
            (ReviewRequests, None, Some(15), Some(75)),
            (CriticalDecisionRequests, None, Some(2), Some(10)),
            (Commits, None, Some(20), Some(100)),
            (Signatures, None, Some(300), None),
            (DeployProposals, None, Some(10), Some(50)),
            (Messages, Some(60), Some(600), Some(5_000)),
            (Votes, None, None, Some(10)),
        ];
        for (kind, minute, hour, day) in table {
            let rate = Limits::default().rate(&dev(), kind);
            assert_eq!((rate.minute, rate.hour, rate.day), (minute, hour, day), "{kind:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn windows_are_exact(
            gaps in prop::collection::vec(prop_oneof![0..5_000u64, 0..HOUR, 0..DAY], 1..120),
            minute in 1..6u32, hour in 1..20u32, day in 1..40u32,
        ) {
            let limits = limits(Some(minute), Some(hour), Some(day));
            let (mut usage, mut naive, mut now) = (Usage::default(), Vec::new(), 0);
            for gap in gaps {
                now += gap;
                let used = |window: u64| naive.iter().filter(|t| now - **t < window).count() as u32;
                let free = used(MINUTE) < minute && used(HOUR) < hour && used(DAY) < day;
                let answer = usage.check(&limits, &dev(), RateKind::Messages, now);
                prop_assert_eq!(answer.is_ok(), free);
                for u in usage.uses(&limits, &dev(), RateKind::Messages, now) {
                    prop_assert_eq!(u.frees_in_ms > 0, u.used >= u.limit);
                    if u.used >= u.limit {
                        let later = usage.uses(&limits, &dev(), RateKind::Messages, now + u.frees_in_ms);
                        let same = later.into_iter().find(|l| l.window == u.window).unwrap();
                        prop_assert!(same.used < same.limit, "it frees when it says");
                    }
                }
                if free {
                    usage.count(&dev(), RateKind::Messages, now);
                    naive.push(now);
                }
            }
            // A restart folds the same uses and refills nothing.
            let mut again = Usage::default();
            naive.iter().for_each(|t| again.count(&dev(), RateKind::Messages, *t));
            prop_assert_eq!(again, usage);
        }
    }
}

//! The write lock: one holder a scope, first come first served within a priority, a lease, and a
//! fencing token that rises with every grant. A state machine without a clock: time is handed in.

use foureyes_protocol::{Code, PrincipalId, Priority, Reason};
use std::collections::BTreeMap;

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who.
    pub holder: PrincipalId,
    /// The fencing token.
    pub token: u64,
    /// When the lease runs out, in milliseconds.
    pub until_ms: u64,
}

/// A request in the queue. Ordered: higher priority first, then first come.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    who: PrincipalId,
    priority: Priority,
    ticket: u64,
}

/// What a request led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Granted at once.
    Granted(Hold),
    /// In the queue; the grant comes with a later [`Locks::advance`].
    Queued(u64),
}

/// The locks of all scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    holds: BTreeMap<String, Hold>,
    queues: BTreeMap<String, Vec<Waiting>>,
    token: u64,
    ticket: u64,
    in_a_row: BTreeMap<String, (PrincipalId, u32)>,
}

impl Locks {
    /// Locks whose tokens go on after the newest one of the ledger. Holds do not survive a restart:
    /// whoever held one was a process of the old epoch.
    pub fn after(token: u64) -> Self {
        Self { token, ..Self::default() }
    }

    /// The hold of a scope.
    pub fn hold(&self, scope: &str) -> Option<&Hold> {
        self.holds.get(scope)
    }

    /// Every hold, by scope.
    pub fn holds(&self) -> impl Iterator<Item = (&String, &Hold)> {
        self.holds.iter()
    }

    /// Asks for a scope. A holder who asks again keeps its hold and token.
    pub fn request(
        &mut self,
        scope: &str,
        who: &PrincipalId,
        priority: Priority,
        now_ms: u64,
        lease_ms: u64,
    ) -> Asked {
        if let Some(hold) = self.holds.get(scope).filter(|h| h.holder == *who && h.until_ms > now_ms) {
            return Asked::Granted(hold.clone());
        }
        self.ticket += 1;
        let ticket = self.ticket;
        self.queues.entry(scope.to_owned()).or_default().push(Waiting { who: who.clone(), priority, ticket });
        match self.advance(scope, now_ms, lease_ms) {
            Some((granted, hold)) if granted == ticket => Asked::Granted(hold),
            _ => Asked::Queued(ticket),
        }
    }

    /// Gives a free or expired scope to the next in the queue: the ticket and the hold.
    pub fn advance(&mut self, scope: &str, now_ms: u64, lease_ms: u64) -> Option<(u64, Hold)> {
        if self.holds.get(scope).is_some_and(|h| h.until_ms > now_ms) {
            return None;
        }
        self.holds.remove(scope);
        let queue = self.queues.get_mut(scope)?;
        let next =
            (0..queue.len()).min_by_key(|i| (std::cmp::Reverse(queue[*i].priority), queue[*i].ticket))?;
        let waiting = queue.remove(next);
        self.token += 1;
        let hold = Hold { holder: waiting.who.clone(), token: self.token, until_ms: now_ms + lease_ms };
        self.holds.insert(scope.to_owned(), hold.clone());
        self.count_row(scope, &waiting.who);
        Some((waiting.ticket, hold))
    }

    fn count_row(&mut self, scope: &str, who: &PrincipalId) {
        let row = self.in_a_row.entry(scope.to_owned()).or_insert_with(|| (who.clone(), 0));
        *row = if row.0 == *who { (who.clone(), row.1 + 1) } else { (who.clone(), 1) };
    }

    /// Whether the holder has held the scope so often in a row, while others wait, that somebody
    /// must be told.
    pub fn hogged(&self, scope: &str, limit: u32) -> Option<&PrincipalId> {
        let others = self.queues.get(scope).is_some_and(|q| !q.is_empty());
        self.in_a_row.get(scope).filter(|(_, n)| others && *n >= limit).map(|(who, _)| who)
    }

    /// Ends a hold. Only the newest token of the holder does.
    ///
    /// # Errors
    /// [`Code::LockStale`] for any other token.
    pub fn release(&mut self, scope: &str, token: u64) -> Result<Hold, Reason> {
        match self.holds.get(scope) {
            Some(hold) if hold.token == token => {}
            _ => return Err(stale(scope, token)),
        }
        self.holds.remove(scope).ok_or_else(|| stale(scope, token))
    }

    /// Checks a token at the moment at which refs move.
    ///
    /// # Errors
    /// [`Code::LockStale`] when it is not the newest, not the holder's, or its lease ran out.
    pub fn check(&self, scope: &str, who: &PrincipalId, token: u64, now_ms: u64) -> Result<(), Reason> {
        match self.holds.get(scope) {
            Some(h) if h.token == token && h.holder == *who && h.until_ms > now_ms => Ok(()),
            _ => Err(stale(scope, token)),
        }
    }

    /// Takes somebody out of all queues and holds (it died); the scopes that became free.
    pub fn drop_principal(&mut self, who: &PrincipalId) -> Vec<(String, Hold)> {
        for queue in self.queues.values_mut() {
            queue.retain(|w| w.who != *who);
        }
        let held: Vec<String> =
            self.holds.iter().filter(|(_, h)| h.holder == *who).map(|(s, _)| s.clone()).collect();
        held.into_iter().filter_map(|s| self.holds.remove(&s).map(|h| (s, h))).collect()
    }

    /// Leaves a queue.
    pub fn withdraw(&mut self, scope: &str, ticket: u64) {
        if let Some(queue) = self.queues.get_mut(scope) {
            queue.retain(|w| w.ticket != ticket);
        }
    }

    /// When the next lease runs out.
    pub fn next_expiry(&self) -> Option<u64> {
        self.holds.values().map(|h| h.until_ms).min()
    }
}

fn stale(scope: &str, token: u64) -> Reason {
    Reason::new(Code::LockStale, format!("token {token} of {scope} is not in force any more: push again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LEASE: u64 = 100;

    fn who(n: u8) -> PrincipalId {
        PrincipalId::new(&format!("dev-{n}")).unwrap()
    }

    fn ask(locks: &mut Locks, n: u8, now: u64) -> Asked {
        locks.request("main", &who(n), Priority::Normal, now, LEASE)
    }

    fn granted(asked: Asked) -> Hold {
        let Asked::Granted(hold) = asked else { panic!("{asked:?}") };
        hold
    }

    #[test]
    fn one_holds_and_the_others_come_in_order_of_priority_then_of_asking() {
        let mut locks = Locks::after(41);
        let first = granted(ask(&mut locks, 0, 0));
        assert_eq!((first.token, first.until_ms), (42, LEASE));
        assert_eq!(granted(ask(&mut locks, 0, 1)), first, "the holder keeps its token");
        let Asked::Queued(one) = ask(&mut locks, 1, 1) else { panic!() };
        let Asked::Queued(two) = ask(&mut locks, 2, 1) else { panic!() };
        let Asked::Queued(urgent) = locks.request("main", &who(3), Priority::High, 1, LEASE) else {
            panic!()
        };
        assert_eq!(locks.advance("main", 50, LEASE), None);
        let mut order = Vec::new();
        let mut token = first.token;
        for _ in 0..3 {
            locks.release("main", token).unwrap();
            let (ticket, hold) = locks.advance("main", 50, LEASE).unwrap();
            token = hold.token;
            order.push(ticket);
        }
        assert_eq!(order, [urgent, one, two]);
    }

    #[test]
    fn a_lease_that_ran_out_is_worth_nothing() {
        let mut locks = Locks::default();
        let old = granted(ask(&mut locks, 0, 0));
        assert!(locks.check("main", &who(0), old.token, LEASE - 1).is_ok());
        assert_eq!(locks.check("main", &who(0), old.token, LEASE).unwrap_err().code, Code::LockStale);
        // Asking again is another grant, not the old one renewed.
        let new = granted(ask(&mut locks, 1, LEASE));
        assert!(new.token > old.token);
        assert!(locks.check("main", &who(0), old.token, LEASE).is_err());
        assert!(locks.check("main", &who(0), new.token, LEASE).is_err(), "another's token");
        assert!(locks.release("main", old.token).is_err());
        assert!(locks.release("other", new.token).is_err());
    }

    #[test]
    fn the_dead_hold_and_wait_for_nothing() {
        let mut locks = Locks::default();
        let hold = granted(ask(&mut locks, 0, 0));
        let Asked::Queued(ticket) = ask(&mut locks, 1, 0) else { panic!() };
        let Asked::Queued(_) = ask(&mut locks, 2, 0) else { panic!() };
        locks.withdraw("main", ticket);
        assert_eq!(locks.drop_principal(&who(0)), [("main".to_owned(), hold.clone())]);
        assert!(locks.check("main", &who(0), hold.token, 1).is_err());
        let (_, next) = locks.advance("main", 1, LEASE).unwrap();
        assert_eq!(next.holder, who(2));
        assert_eq!(locks.next_expiry(), Some(1 + LEASE));
    }

    #[test]
    fn three_holds_in_a_row_while_others_wait_are_told() {
        let mut locks = Locks::default();
        for n in 0..3 {
            let hold = granted(locks.request("main", &who(0), Priority::High, n, LEASE));
            assert_eq!(locks.hogged("main", 3), None, "nobody waits");
            let Asked::Queued(ticket) = ask(&mut locks, 1, n) else { panic!() };
            assert_eq!(locks.hogged("main", 3).is_some(), n == 2);
            locks.withdraw("main", ticket);
            locks.release("main", hold.token).unwrap();
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Ask(u8, u8, bool),
        Release(u8),
        Stale(u8),
        Die(u8),
        Pass(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0..2u8, 0..6u8, prop::bool::weighted(0.2)).prop_map(|(s, w, high)| Op::Ask(s, w, high)),
            3 => (0..2u8).prop_map(Op::Release),
            1 => (0..2u8).prop_map(Op::Stale),
            1 => (0..6u8).prop_map(Op::Die),
            2 => (0..LEASE * 2).prop_map(Op::Pass),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 500, ..ProptestConfig::default() })]

        /// 100 runs of 1,000 operations against what is remembered of every grant.
        #[test]
        fn never_two_holders_never_an_old_token(ops in prop::collection::vec(op(), 1_000)) {
            let (mut locks, mut now, mut newest) = (Locks::default(), 0u64, 0u64);
            let mut grants: Vec<(String, PrincipalId, u64, u64)> = Vec::new();
            let mut ended: BTreeSet<u64> = BTreeSet::new();
            let scope = |s: u8| format!("refs/heads/feature/{s}");
            for op in ops {
                let mut fresh = Vec::new();
                match op {
                    Op::Ask(s, w, high) => {
                        let priority = if high { Priority::High } else { Priority::Normal };
                        if let Asked::Granted(hold) = locks.request(&scope(s), &who(w), priority, now, LEASE) {
                            prop_assert_eq!(&hold.holder, &who(w));
                            fresh.push((scope(s), hold));
                        }
                    }
                    Op::Release(s) => {
                        if let Some(token) = locks.hold(&scope(s)).map(|h| h.token) {
                            prop_assert!(locks.release(&scope(s), token).is_ok());
                            ended.insert(token);
                        }
                    }
                    Op::Stale(s) => {
                        let held = locks.hold(&scope(s)).map(|h| h.token);
                        let old = grants.iter().filter(|g| g.0 == scope(s) && Some(g.2) != held);
                        for (scope, holder, token, _) in old.rev().take(5).cloned().collect::<Vec<_>>() {
                            prop_assert!(locks.check(&scope, &holder, token, now).is_err());
                            prop_assert!(locks.release(&scope, token).is_err());
                        }
                    }
                    Op::Die(w) => ended.extend(locks.drop_principal(&who(w)).iter().map(|(_, h)| h.token)),
                    Op::Pass(ms) => now += ms,
                }
                for s in 0..2 {
                    fresh.extend(locks.advance(&scope(s), now, LEASE).map(|(_, hold)| (scope(s), hold)));
                }
                for (scope, hold) in fresh {
                    // A holder who asks again is shown the grant that it has.
                    if grants.last().is_some_and(|g| hold.token <= g.2) {
                        prop_assert!(grants.iter().rev().any(|g| g.2 == hold.token && g.1 == hold.holder));
                        continue;
                    }
                    prop_assert!(hold.token > newest, "tokens rise");
                    newest = hold.token;
                    grants.push((scope, hold.holder, hold.token, hold.until_ms));
                }
                for s in 0..2 {
                    let live = grants.iter().rev().take(20).filter(|g| {
                        g.0 == scope(s) && g.3 > now && !ended.contains(&g.2)
                    });
                    prop_assert!(live.count() <= 1, "two holders");
                }
            }
        }

        /// Whoever asks within one priority is served after those who asked before, and nobody else.
        #[test]
        fn within_a_priority_it_is_first_come_first_served(others in prop::collection::vec(0..8u8, 1..40)) {
            let mut locks = Locks::default();
            granted(ask(&mut locks, 9, 0));
            let mut tickets = Vec::new();
            for other in others {
                match ask(&mut locks, other, 0) {
                    Asked::Queued(ticket) => tickets.push(ticket),
                    Asked::Granted(_) => prop_assert!(false, "it is held"),
                }
            }
            let mut served = Vec::new();
            for turn in 1.. {
                match locks.advance("main", turn * LEASE, LEASE) {
                    Some((ticket, _)) => served.push(ticket),
                    None => break,
                }
            }
            prop_assert_eq!(served, tickets);
        }
    }
}

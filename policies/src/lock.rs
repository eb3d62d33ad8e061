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

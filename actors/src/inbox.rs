//! A role's inbox: its envelopes in the ledger that it has not acknowledged. Served by priority, then
//! in sequence. Acknowledgements are kept beside the ledger (they are signals, not records): up to a
//! low-water mark all are acknowledged, above it one by one.

use crate::{
    context::Context as Core,
    journal::{Cursor, Entry},
};
use foureyes_ports::{
    governance::InboxItem,
    ledger::{AppendError, Ledger},
};
use foureyes_protocol::{Address, Envelope, MessageId, PrincipalId, Priority, Roster};
use futures::future::BoxFuture;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Ends when an acknowledgement is kept.
pub type Saved = BoxFuture<'static, Result<(), AppendError>>;

/// A role's inbox.
pub struct Inbox {
    role: PrincipalId,
    roster: Roster,
    ledger: Arc<dyn Ledger>,
    journal: Arc<crate::journal::Journal>,
    cursor: Cursor,
    /// Everything below was acknowledged.
    low: u64,
    open: BTreeMap<u64, InboxItem>,
    /// When those that expire do, with their places; may name some that are no longer open.
    expiring: BTreeSet<(u64, u64)>,
}

impl Inbox {
    /// The inbox as the ledger and the kept acknowledgements say; call [`Inbox::catch_up`].
    pub fn new(core: &Core, role: PrincipalId) -> Self {
        let ledger = core.ports.ledger.clone();
        let low = ledger.cursor(&format!("ack/{role}"));
        let roster = core.facts.roster.clone();
        Self {
            role,
            roster,
            ledger,
            journal: core.journal.clone(),
            cursor: Cursor::default(),
            low,
            open: BTreeMap::new(),
            expiring: BTreeSet::new(),
        }
    }

    /// Takes in what came since; whether anything did.
    pub fn catch_up(&mut self) -> bool {
        let entries = self.cursor.next(&self.journal);
        let before = self.open.len();
        for entry in entries {
            let (index, envelope) = (entry.record.index, &entry.record.envelope);
            // Whether it is acknowledged is asked last: most records are for somebody else.
            let mine = index >= self.low && is_for(envelope, &self.role, &self.roster);
            if mine && self.ledger.cursor(&self.mark(index)) == 0 {
                self.expiring.extend(envelope.expires_at.map(|at| (at, index)));
                self.open.insert(index, item(&entry));
            }
        }
        self.open.len() != before
    }

    fn mark(&self, index: u64) -> String {
        format!("ack/{}/{index}", self.role)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The place of the newest that waits.
    pub fn newest(&self) -> Option<u64> {
        self.open.last_key_value().map(|(index, _)| *index)
    }

    /// When the oldest that waits was sent.
    pub fn oldest_ms(&self) -> Option<u64> {
        self.open.first_key_value().map(|(_, item)| item.sent_at)
    }

    /// The place of the newest CRITICAL one.
    pub fn newest_urgent(&self) -> Option<u64> {
        self.open.iter().rev().find(|(_, i)| i.priority == Priority::Critical).map(|(index, _)| *index)
    }

    /// The first to be served.
    pub fn first(&self) -> Option<InboxItem> {
        self.items(1).pop()
    }

    /// At most `max`, in the order of service.
    pub fn items(&self, max: usize) -> Vec<InboxItem> {
        let mut items: Vec<&InboxItem> = self.open.values().collect();
        items.sort_by_key(|i| (std::cmp::Reverse(i.priority), i.record));
        items.into_iter().take(max).cloned().collect()
    }

    /// Whether this envelope was sent to the role, acknowledged or not.
    pub fn knows(&self, id: MessageId) -> bool {
        let sent = self.journal.find(id);
        sent.is_some_and(|e| is_for(&e.record.envelope, &self.role, &self.roster))
    }

    /// Acknowledges; a second time does nothing.
    pub fn acknowledge(&mut self, id: MessageId) -> Saved {
        let known = self.journal.find(id).map(|entry| entry.record.index);
        let Some(index) = known.filter(|index| self.open.contains_key(index)) else {
            return Box::pin(std::future::ready(Ok(())));
        };
        let oldest = self.open.first_key_value().is_some_and(|(first, _)| *first == index);
        self.open.remove(&index);
        if !oldest {
            return self.ledger.set_cursor(&self.mark(index), 1);
        }
        // The oldest one: everything below the next open one is acknowledged.
        self.low = self.open.first_key_value().map_or(index + 1, |(next, _)| *next);
        self.ledger.set_cursor(&format!("ack/{}", self.role), self.low)
    }

    fn next_expired(&mut self, now_ms: u64) -> Option<(u64, u64)> {
        self.expiring.first().filter(|(at, _)| *at <= now_ms)?;
        self.expiring.pop_first()
    }

    /// Takes out what has expired.
    pub fn drop_expired(&mut self, now_ms: u64) -> Vec<(InboxItem, Saved)> {
        let mut expired = Vec::new();
        while let Some((_, index)) = self.next_expired(now_ms) {
            if let Some(item) = self.open.get(&index).cloned() {
                let saved = self.acknowledge(item.id);
                expired.push((item, saved));
            }
        }
        expired
    }
}

/// Whether an envelope is delivered to a role. What the runtime tells everybody for the record only
/// (merges, freezes) reaches roles too, what it addresses to itself does not.
fn is_for(envelope: &Envelope, role: &PrincipalId, roster: &Roster) -> bool {
    if envelope.from == *role {
        return false;
    }
    match &envelope.to {
        Address::One(to) => to == role,
        Address::All => true,
        Address::Family(family) => roster.family(role) == Some(*family),
    }
}

/// An envelope as an inbox shows it.
pub fn item(entry: &Entry) -> InboxItem {
    let e = &entry.record.envelope;
    InboxItem {
        record: entry.record.index,
        id: e.id,
        from: e.from.clone(),
        feature: e.feature.clone(),
        in_reply_to: e.in_reply_to,
        priority: e.priority,
        sent_at: e.sent_at,
        labels: e.labels.clone(),
        body: e.body.clone(),
    }
}

//! Reads a ledger back and compares it with what was acknowledged: nothing lost, nothing done twice.

use crate::{error::Failure, world};
use foureyes_actors::journal::{Entry, Journal};
use foureyes_ports::governance::Receipt;
use foureyes_protocol::MessageId;
use serde::Serialize;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

/// What a ledger holds of what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Records in the ledger.
    pub records: u64,
    /// Acknowledged envelopes.
    pub acknowledged: u64,
    /// Acknowledged envelopes that are not at their place.
    pub lost: u64,
    /// Envelopes that are in the ledger more than once.
    pub twice: u64,
    /// Envelopes of agents that nobody was told of: under way when the process was killed.
    pub untold: u64,
    /// Mean bytes of an agent's envelope.
    pub bytes: u64,
}

impl Audit {
    /// # Errors
    /// [`Failure::Broken`] when something was lost or done twice.
    pub fn verdict(self) -> Result<Self, Failure> {
        if self.lost + self.twice == 0 {
            return Ok(self);
        }
        Err(Failure::Broken(format!("{} acknowledged envelopes lost, {} done twice", self.lost, self.twice)))
    }
}

/// Opens the ledger in `dir`, verifying every record, and compares it.
///
/// # Errors
/// [`Failure`]; also when the ledger does not verify.
pub async fn audit(dir: &Path, receipts: &[Receipt]) -> Result<Audit, Failure> {
    let dir = dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || world::open(&dir, true)).await;
    let ledger = opened.map_err(|e| Failure::Other(e.to_string()))??;
    let journal = Journal::replay(&ledger).await?;
    Ok(compare(&journal.since(0), receipts))
}

fn compare(entries: &[Entry], receipts: &[Receipt]) -> Audit {
    let mut seen: HashMap<MessageId, u64> = HashMap::new();
    entries.iter().for_each(|e| *seen.entry(e.record.envelope.id).or_default() += 1);
    let there = |r: &Receipt| {
        usize::try_from(r.record)
            .ok()
            .and_then(|at| entries.get(at))
            .is_some_and(|e| e.record.envelope.id == r.id)
    };
    let told: HashSet<MessageId> = receipts.iter().map(|r| r.id).collect();
    let agents: Vec<&Entry> = entries.iter().filter(|e| !e.record.envelope.from.is_system()).collect();
    let bytes: usize = agents.iter().take(1_000).map(|e| e.record.envelope.seal().bytes.len()).sum();
    Audit {
        records: entries.len() as u64,
        acknowledged: receipts.len() as u64,
        lost: receipts.iter().filter(|r| !there(r)).count() as u64,
        twice: seen.values().filter(|n| **n > 1).count() as u64 + (receipts.len() - told.len()) as u64,
        untold: agents.iter().filter(|e| !told.contains(&e.record.envelope.id)).count() as u64,
        bytes: (bytes / agents.len().clamp(1, 1_000)) as u64,
    }
}

//! What is checked before a ledger is written again: the last signed checkpoint, every record after
//! it, and that the checkpoint file beside the database is not ahead of it (a restored old copy).

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    merkle::Frontier,
    rows::{self, CheckpointRow},
};
use foureyes_ports::ledger::{Head, Record};
use foureyes_protocol::{Digest, RunId};
use rusqlite::Connection;

/// Where a verified ledger goes on.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The head.
    pub head: Head,
    /// The tree over all records.
    pub frontier: Frontier,
    /// The size of the last checkpoint; none if none was signed yet.
    pub signed: Option<u64>,
}

/// Why a ledger does not verify.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// SQLite cannot read it.
    #[error("the file is damaged: {0}")]
    File(#[from] rusqlite::Error),
    /// A record is not what it was.
    #[error("record {record}: {why}")]
    Record {
        /// Its index.
        record: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A checkpoint of the table is not what it was.
    #[error("the checkpoint of {size} records: {why}")]
    Checkpoint {
        /// Its size.
        size: u64,
        /// What is wrong.
        why: CheckpointError,
    },
    /// A checkpoint that was signed once does not belong to these records.
    #[error("the signed checkpoint of {size} records does not belong to this ledger: {why}")]
    Foreign {
        /// Its size.
        size: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// There are records, but none was ever signed.
    #[error("it has records but no signed checkpoint")]
    Unsigned,
}

/// What recovery needs to know.
pub struct Known<'a> {
    /// The state directory's name.
    pub run: RunId,
    /// The public key.
    pub public: &'a [u8],
    /// The text of the checkpoint file, if there is one.
    pub newest: Option<&'a str>,
    /// Check every record instead of those after the last checkpoint.
    pub full: bool,
}

/// Verifies what `db` holds.
pub fn recover(db: &Connection, known: &Known<'_>) -> Result<Recovered, Damage> {
    let last = rows::last_checkpoint(db)?;
    let trusted = last.as_ref().map(|row| trust(db, known, row)).transpose()?;
    let signed = trusted.as_ref().map(|t| t.frontier.size());
    let start = trusted.clone().filter(|_| !known.full);
    let start = start.unwrap_or_else(|| Recovered {
        head: Head::genesis(known.run),
        frontier: Frontier::default(),
        signed: None,
    });
    let found = walk(db, start, trusted.as_ref())?;
    if found.head.index > 0 && signed.is_none() {
        return Err(Damage::Unsigned);
    }
    check_newest(db, known, found.head)?;
    Ok(Recovered { signed, ..found })
}

/// The state at a checkpoint, once its signature, frontier and last record have been checked.
fn trust(db: &Connection, known: &Known<'_>, row: &CheckpointRow) -> Result<Recovered, Damage> {
    let size = row.size;
    let foreign = |why| Damage::Foreign { size, why };
    let checkpoint = Checkpoint::open(&row.note, known.run, known.public)
        .map_err(|why| Damage::Checkpoint { size, why })?;
    if checkpoint.head.index != size {
        return Err(foreign("its size is another"));
    }
    let frontier = Frontier::from_bytes(size, &row.frontier).ok_or(foreign("its frontier is damaged"))?;
    if frontier.root() != checkpoint.root {
        return Err(foreign("its frontier has another root"));
    }
    let mut last = None;
    rows::visit(db, size.saturating_sub(1), 1, |record| {
        last = Some(record.head());
        false
    })?;
    if last != Some(checkpoint.head) {
        return Err(foreign("its last record is missing or another"));
    }
    Ok(Recovered { head: checkpoint.head, frontier, signed: Some(size) })
}

/// Checks every record from `start` on; on the way passes by the trusted checkpoint, if it starts
/// before it.
fn walk(db: &Connection, start: Recovered, trusted: Option<&Recovered>) -> Result<Recovered, Damage> {
    let mut at = start;
    let mut wrong = None;
    rows::visit(db, at.head.index, u64::MAX, |record| {
        wrong = fault(at.head, &record).map(|why| Damage::Record { record: at.head.index, why });
        at.head = record.head();
        at.frontier.push(&record.hash);
        let passed = trusted.filter(|t| t.frontier.size() == at.frontier.size());
        if wrong.is_none() && passed.is_some_and(|t| t.frontier != at.frontier) {
            let size = at.frontier.size();
            wrong = Some(Damage::Foreign { size, why: "the records have another root" });
        }
        wrong.is_none()
    })?;
    wrong.map_or(Ok(at), Err)
}

fn fault(head: Head, record: &Record) -> Option<&'static str> {
    let linked = Record::hash_of(record.index, record.at_ms, &record.prev, &record.body_sha);
    match record {
        r if r.index != head.index => Some("it is missing"),
        r if r.prev != head.hash => Some("it does not link to the one before"),
        r if r.body_sha != Digest::of(&r.bytes) => Some("its bytes have another digest"),
        r if r.hash != linked => Some("its hash is another"),
        _ => None,
    }
}

/// The checkpoint file is written after its row: it must be among them.
fn check_newest(db: &Connection, known: &Known<'_>, head: Head) -> Result<(), Damage> {
    let Some(text) = known.newest else { return Ok(()) };
    let newest = Checkpoint::open(text, known.run, known.public)
        .map_err(|why| Damage::Checkpoint { size: head.index, why })?;
    let size = newest.head.index;
    if size > head.index {
        return Err(Damage::Foreign { size, why: "the tail is cut, or an old copy was restored" });
    }
    let same = rows::checkpoint_note(db, size)?.is_some_and(|note| note == text);
    if same { Ok(()) } else { Err(Damage::Foreign { size, why: "it is not among the stored ones" }) }
}

//! The ledger's records, opened, as every actor reads them: one shared list, each reader with its
//! own cursor. What an actor knows is a fold of this list, so its restart is a replay.

use foureyes_policies::record::Record;
use foureyes_ports::ledger::{Ledger, ReadError};
use foureyes_protocol::{Digest, MessageId, Sealed, envelope::OpenError};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// A record with the hash of its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub record: Arc<Record>,
    /// SHA-256 of the envelope's bytes.
    pub hash: Digest,
}

/// Durable records, in order.
#[derive(Debug, Default)]
pub struct Journal {
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    list: Vec<Entry>,
    by_id: HashMap<MessageId, usize>,
}

impl Entries {
    fn push(&mut self, entry: Entry) {
        self.by_id.insert(entry.record.envelope.id, self.list.len());
        self.list.push(entry);
    }
}

/// Why a ledger cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record is no envelope of this format.
    #[error("record {index} cannot be read by this version: {why}; run `agents audit verify`")]
    Open {
        /// Its index.
        index: u64,
        /// Why.
        why: OpenError,
    },
}

const CHUNK: usize = 4_096;
/// Records may be larger than what is admitted today: the limit was perhaps higher then.
const REPLAY_LIMIT: usize = 4 << 20;

impl Journal {
    /// Reads a whole ledger.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay(ledger: &dyn Ledger) -> Result<Self, ReplayError> {
        let mut entries = Entries::default();
        loop {
            let chunk = ledger.read(entries.list.len() as u64, CHUNK).await?;
            if chunk.is_empty() {
                return Ok(Self { entries: RwLock::new(entries) });
            }
            for raw in chunk {
                entries.push(open_record(raw.index, raw.at_ms, raw.bytes)?);
            }
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.read().list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records from a cursor on.
    pub fn since(&self, cursor: usize) -> Vec<Entry> {
        self.read().list.get(cursor..).map_or_else(Vec::new, <[Entry]>::to_vec)
    }

    /// The record at this index.
    pub fn get(&self, index: u64) -> Option<Entry> {
        self.read().list.get(usize::try_from(index).ok()?).cloned()
    }

    /// The record of this envelope.
    pub fn find(&self, id: MessageId) -> Option<Entry> {
        let entries = self.read();
        entries.by_id.get(&id).map(|at| entries.list[*at].clone())
    }

    /// Adds a durable record of a start, before there is a registry.
    pub fn admit_first(&self, entry: Entry) {
        self.push(entry);
    }

    /// Adds a durable record; the registry alone does.
    pub(crate) fn push(&self, entry: Entry) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the bytes of a record.
///
/// # Errors
/// [`ReplayError::Open`].
pub fn open_record(index: u64, at_ms: u64, bytes: bytes::Bytes) -> Result<Entry, ReplayError> {
    let sealed = Sealed::of_bytes(bytes);
    let envelope = sealed.open(REPLAY_LIMIT).map_err(|why| ReplayError::Open { index, why })?;
    Ok(Entry { record: Arc::new(Record { index, at_ms, envelope: Arc::new(envelope) }), hash: sealed.hash })
}

/// A reader's place in the journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor(usize);

impl Cursor {
    /// What came since the last call.
    pub fn next(&mut self, journal: &Journal) -> Vec<Entry> {
        let entries = journal.since(self.0);
        self.0 += entries.len();
        entries
    }
}

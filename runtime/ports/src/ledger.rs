//! The ledger: the one append-only, hash-chained record of all that was admitted and decided.
//!
//! # Contract
//!
//! * A record is opaque bytes (a sealed envelope). The ledger gives it an index, a time, the hash
//!   of the record before it and its own hash ([`Record::hash_of`]); it never looks inside.
//! * [`Ledger::append`] enqueues **synchronously, in call order**: of two appends called one after
//!   the other the first has the lower indices, whichever future is awaited first. The indices are
//!   known at once ([`AppendTicket::assigned`]) and hold if the ticket ends well.
//! * A ticket ends `Ok` only when its records are **durable** (synced). Dropping a ticket cancels
//!   nothing.
//! * A batch is all or nothing, and its records are neighbours.
//! * After a failure the writer has **stopped**: every later append fails. Nothing is retried on the
//!   same handle; open the ledger again.
//!
//! # An append that ends unknown
//!
//! [`AppendError::Unknown`] says that the answer was lost: the batch may or may not be in the
//! ledger. It is resolved by looking, never by sending again: open the ledger (or reach it) again,
//! read its head, and look for one's own records at the indices that were assigned
//! ([`settle`]). Since only one epoch writes at a time, what is absent then stays absent.

pub mod conformance;
mod memory;

pub use memory::{Fault, MemoryLedger, MemoryStore};

use crate::clock::UnixMillis;
use bytes::Bytes;
use foureyes_protocol::{Digest, RunId};
use futures::future::BoxFuture;
use std::{
    future::Future,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::watch;

/// The most bytes that one record may have (4 MiB; an envelope has at most 1 MiB).
pub const MAX_RECORD_BYTES: usize = 4 << 20;

const GENESIS_DOMAIN: &str = "foureyes.ledger.genesis.v1";
const RECORD_DOMAIN: &str = "foureyes.ledger.record.v1";

/// Where a ledger ends: how many records it has and the hash of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// The number of records, which is also the index that the next one will get.
    pub index: u64,
    /// The hash of the last record; of an empty ledger a hash of its run's id.
    pub hash: Digest,
}

impl Head {
    /// The head of the empty ledger of `run`. Bound to the run, so that no record of one run links
    /// into another.
    pub fn genesis(run: RunId) -> Self {
        Self { index: 0, hash: Digest::of_parts(GENESIS_DOMAIN, [run.0.as_bytes().as_slice()]) }
    }
}

/// What is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// When it was admitted, in milliseconds since the Unix epoch.
    pub at_ms: UnixMillis,
    /// The sealed bytes, at most [`MAX_RECORD_BYTES`].
    pub bytes: Bytes,
}

/// One record of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place, from 0.
    pub index: u64,
    /// When it was admitted, in milliseconds since the Unix epoch.
    pub at_ms: UnixMillis,
    /// The hash of the record before it (of the first: [`Head::genesis`]).
    pub prev: Digest,
    /// The sealed bytes.
    pub bytes: Bytes,
    /// SHA-256 of `bytes`.
    pub body_sha: Digest,
    /// [`Record::hash_of`] of the fields above.
    pub hash: Digest,
}

impl Record {
    /// The chained hash of a record: index, time, predecessor and digest of the bytes.
    pub fn hash_of(index: u64, at_ms: UnixMillis, prev: &Digest, body_sha: &Digest) -> Digest {
        let (index, at) = (index.to_be_bytes(), at_ms.to_be_bytes());
        Digest::of_parts(RECORD_DOMAIN, [index.as_slice(), &at, &prev.0, &body_sha.0])
    }

    /// The record that `new` becomes behind `head`.
    pub fn link(head: Head, new: NewRecord) -> Self {
        let body_sha = Digest::of(&new.bytes);
        let hash = Self::hash_of(head.index, new.at_ms, &head.hash, &body_sha);
        Self { index: head.index, at_ms: new.at_ms, prev: head.hash, bytes: new.bytes, body_sha, hash }
    }

    /// Links a batch behind `head`; returns the records and the head after them.
    pub fn link_all(mut head: Head, batch: Vec<NewRecord>) -> (Vec<Self>, Head) {
        let mut link = |new| {
            let record = Self::link(head, new);
            head = record.head();
            record
        };
        let records = batch.into_iter().map(&mut link).collect();
        (records, head)
    }

    /// The head of a ledger whose last record this is.
    pub fn head(&self) -> Head {
        Head { index: self.index + 1, hash: self.hash }
    }
}

/// Why an append did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The ledger's head (with all that is enqueued) is not the expected one; nothing was appended.
    #[error("the ledger is at record {} and not at {}, where this append was meant", actual.index, expected.index)]
    Conflict {
        /// The head that the caller had seen.
        expected: Head,
        /// The head with all that is enqueued.
        actual: Head,
    },
    /// The disk is full. Nothing was appended; only [`Ledger::append_critical`] is still possible.
    #[error("the disk of the ledger is full: make space and start again")]
    Full,
    /// The writer has stopped; nothing was appended by this call.
    #[error("the ledger's writer has stopped ({why}): start again")]
    Failed {
        /// The first failure.
        why: Arc<str>,
    },
    /// The ledger did not verify when it was opened, or another process writes it.
    #[error("the ledger is read-only: {why}")]
    ReadOnly {
        /// What did not verify.
        why: Arc<str>,
    },
    /// A record is larger than [`MAX_RECORD_BYTES`]; nothing was appended.
    #[error("a record of {size} bytes is over the limit of {MAX_RECORD_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// More waits to be written than the ledger takes; nothing was appended. Try again later.
    #[error("{queued} bytes wait to be written: the ledger takes no more for now")]
    Overloaded {
        /// The bytes that wait.
        queued: usize,
    },
    /// The answer was lost: the batch may be in the ledger or not. See the module's text.
    #[error("it is unknown whether the append took place ({why}): read the head and look for the record")]
    Unknown {
        /// What broke.
        why: Arc<str>,
    },
}

/// A read that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the ledger at record {from}: {why}")]
pub struct ReadError {
    /// The first record that was asked for.
    pub from: u64,
    /// What went wrong.
    pub why: Arc<str>,
}

/// The answer to an append: the head after the batch.
pub type AppendResult = Result<Head, AppendError>;

/// An append under way. A future of its end; dropping it cancels nothing.
#[must_use = "an append has not happened until its ticket ends well"]
pub struct AppendTicket {
    assigned: Range<u64>,
    done: BoxFuture<'static, AppendResult>,
}

impl AppendTicket {
    /// A ticket for records with the indices `assigned` that ends as `done` does.
    pub fn new(assigned: Range<u64>, done: BoxFuture<'static, AppendResult>) -> Self {
        Self { assigned, done }
    }

    /// A ticket that has ended already, without records.
    pub fn ended(result: AppendResult) -> Self {
        Self::new(0..0, Box::pin(std::future::ready(result)))
    }

    /// The indices that the records will have if the ticket ends well; empty if it was refused.
    pub fn assigned(&self) -> Range<u64> {
        self.assigned.clone()
    }
}

impl Future for AppendTicket {
    type Output = AppendResult;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AppendResult> {
        self.done.as_mut().poll(cx)
    }
}

/// Whether a ledger takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// It does.
    Writable,
    /// Only [`Ledger::append_critical`]: the disk is full.
    CriticalOnly,
    /// It was opened read-only, for this reason.
    ReadOnly(Arc<str>),
    /// Its writer stopped, for this reason.
    Stopped(Arc<str>),
}

/// The ledger. See the module's text for the contract.
pub trait Ledger: Send + Sync {
    /// Appends a batch, if `expected` is none or the head with all that is enqueued. Enqueued before
    /// this returns; the ticket ends when the batch is durable. An empty batch is a barrier: it ends
    /// when all before it is durable.
    fn append(&self, expected: Option<Head>, batch: Vec<NewRecord>) -> AppendTicket;

    /// As [`append`](Self::append), for what must be written even when the disk is full (a freeze):
    /// uses the reserved space, and is not refused for load.
    fn append_critical(&self, expected: Option<Head>, batch: Vec<NewRecord>) -> AppendTicket;

    /// At most `max` durable records from index `from`, in order. Fewer (or none) only at the end or
    /// at an adapter's limit of bytes for one answer; never none while there is one.
    fn read(&self, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<Record>, ReadError>>;

    /// The durable head.
    fn head(&self) -> Head;

    /// The head with all that is enqueued: the one to expect in the next conditional append.
    fn tail(&self) -> Head;

    /// Sees each durable head, or the newest of several.
    fn watch(&self) -> watch::Receiver<Head>;

    /// A stored number (an inbox cursor); 0 if never set. Not evidence: neither chained nor signed.
    fn cursor(&self, name: &str) -> u64;

    /// Stores a number. [`cursor`](Self::cursor) shows it at once; the future ends when it is
    /// durable. After a crash before that the older value is back.
    fn set_cursor(&self, name: &str, value: u64) -> BoxFuture<'static, Result<(), AppendError>>;

    /// Whether appends are taken.
    fn state(&self) -> LedgerState;

    /// The number of this life of the state directory: one more than the last one's, from 1.
    fn epoch(&self) -> u64;

    /// The state directory's name, the same in every epoch.
    fn run(&self) -> RunId;
}

/// How an unknown append turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The whole batch is in the ledger, at the indices that were assigned.
    Durable,
    /// It is not, and will not be.
    Absent,
}

/// Resolves [`AppendError::Unknown`]: looks in `ledger` (opened again) for `batch` at `assigned`.
///
/// # Errors
/// [`ReadError`] if the ledger cannot be read; the append then still is unknown.
pub async fn settle(
    ledger: &dyn Ledger,
    assigned: Range<u64>,
    batch: &[NewRecord],
) -> Result<Settled, ReadError> {
    for (index, new) in assigned.zip(batch) {
        let found = ledger.read(index, 1).await?;
        let same = |r: &Record| r.index == index && r.at_ms == new.at_ms && r.bytes == new.bytes;
        if !found.first().is_some_and(same) {
            return Ok(Settled::Absent);
        }
    }
    Ok(Settled::Durable)
}

/// The size of the largest record of `batch` if it is over [`MAX_RECORD_BYTES`].
pub fn oversize(batch: &[NewRecord]) -> Option<usize> {
    batch.iter().map(|r| r.bytes.len()).max().filter(|size| *size > MAX_RECORD_BYTES)
}

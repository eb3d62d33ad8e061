//! The ledger over SQLite, as its callers see it.

use crate::{
    files::DirLock,
    rows,
    writer::{Chain, Job, lock},
};
use foureyes_ports::ledger::{
    AppendError, AppendResult, AppendTicket, Head, Ledger, LedgerState, NewRecord, ReadError, Record,
    oversize,
};
use foureyes_protocol::RunId;
use futures::future::BoxFuture;
use rusqlite::Connection;
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};
use tokio::sync::{oneshot, watch};

/// How many bytes may wait to be written before appends are refused (64 MiB).
const MAX_QUEUED_BYTES: usize = 64 << 20;
/// An answer to one read ends after about this many bytes (8 MiB).
const MAX_READ_BYTES: usize = 8 << 20;

/// What a ledger is made of.
pub(crate) struct Parts {
    pub run: RunId,
    pub epoch: u64,
    pub chain: Arc<Mutex<Chain>>,
    pub head: Arc<watch::Sender<Head>>,
    pub cursors: HashMap<String, u64>,
    pub reader: Connection,
    pub thread: Option<JoinHandle<()>>,
    pub lock: DirLock,
}

/// A ledger in a state directory. Dropping it waits until all that was enqueued is durable, signs a
/// last checkpoint and gives the lock back.
pub struct SqliteLedger {
    run: RunId,
    epoch: u64,
    chain: Arc<Mutex<Chain>>,
    head: Arc<watch::Sender<Head>>,
    cursors: Mutex<HashMap<String, u64>>,
    reader: Arc<Mutex<Connection>>,
    thread: Option<JoinHandle<()>>,
    _lock: DirLock,
}

impl SqliteLedger {
    pub(crate) fn assemble(parts: Parts) -> Self {
        let Parts { run, epoch, chain, head, cursors, reader, thread, lock } = parts;
        let (cursors, reader) = (Mutex::new(cursors), Arc::new(Mutex::new(reader)));
        Self { run, epoch, chain, head, cursors, reader, thread, _lock: lock }
    }

    fn enqueue(&self, expected: Option<Head>, batch: Vec<NewRecord>, critical: bool) -> AppendTicket {
        if let Some(size) = oversize(&batch) {
            return AppendTicket::ended(Err(AppendError::TooLarge { size }));
        }
        let mut chain = lock(&self.chain);
        match chain.enqueue(expected, batch, critical) {
            Ok((assigned, answer)) => AppendTicket::new(assigned, Box::pin(answered(answer))),
            Err(error) => AppendTicket::ended(Err(error)),
        }
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        lock(&self.chain).jobs = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's writer had panicked");
        }
    }
}

async fn answered<T>(answer: oneshot::Receiver<Result<T, AppendError>>) -> Result<T, AppendError> {
    let lost = |_| Err(AppendError::Unknown { why: "the writer ended without an answer".into() });
    answer.await.unwrap_or_else(lost)
}

type Enqueued = (std::ops::Range<u64>, oneshot::Receiver<AppendResult>);

impl Chain {
    fn refusal(&self, critical: bool) -> Option<AppendError> {
        match &self.state {
            LedgerState::Writable if !critical && self.queued > MAX_QUEUED_BYTES => {
                Some(AppendError::Overloaded { queued: self.queued })
            }
            LedgerState::Writable => None,
            LedgerState::CriticalOnly if critical => None,
            LedgerState::CriticalOnly => Some(AppendError::Full),
            LedgerState::ReadOnly(why) => Some(AppendError::ReadOnly { why: why.clone() }),
            LedgerState::Stopped(why) => Some(AppendError::Failed { why: why.clone() }),
        }
    }

    fn enqueue(
        &mut self,
        expected: Option<Head>,
        batch: Vec<NewRecord>,
        critical: bool,
    ) -> Result<Enqueued, AppendError> {
        self.refusal(critical).map_or(Ok(()), Err)?;
        let actual = self.tail;
        if let Some(expected) = expected.filter(|e| *e != actual) {
            return Err(AppendError::Conflict { expected, actual });
        }
        let bytes: usize = batch.iter().map(|r| r.bytes.len()).sum();
        let (records, head) = Record::link_all(actual, batch);
        let (done, answer) = oneshot::channel();
        self.send(Job::Append { records, head, done })?;
        self.tail = head;
        self.queued += bytes;
        Ok((actual.index..head.index, answer))
    }

    fn send(&self, job: Job) -> Result<(), AppendError> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        let gone = || AppendError::Failed { why: "the writer has ended".into() };
        if sent { Ok(()) } else { Err(gone()) }
    }
}

impl Ledger for SqliteLedger {
    fn append(&self, expected: Option<Head>, batch: Vec<NewRecord>) -> AppendTicket {
        self.enqueue(expected, batch, false)
    }

    fn append_critical(&self, expected: Option<Head>, batch: Vec<NewRecord>) -> AppendTicket {
        self.enqueue(expected, batch, true)
    }

    fn read(&self, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<Record>, ReadError>> {
        let reader = self.reader.clone();
        Box::pin(async move {
            let work = move || read(&lock(&reader), from, max);
            let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work() };
            let ended = |e: tokio::task::JoinError| Err(ReadError { from, why: e.to_string().into() });
            runtime.spawn_blocking(work).await.unwrap_or_else(ended)
        })
    }

    fn head(&self) -> Head {
        *self.head.borrow()
    }

    fn tail(&self) -> Head {
        lock(&self.chain).tail
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn cursor(&self, name: &str) -> u64 {
        lock(&self.cursors).get(name).copied().unwrap_or(0)
    }

    fn set_cursor(&self, name: &str, value: u64) -> BoxFuture<'static, Result<(), AppendError>> {
        let (done, answer) = oneshot::channel();
        let chain = lock(&self.chain);
        let refused = chain.refusal(false).map_or(Ok(()), Err);
        let sent = refused.and_then(|()| chain.send(Job::Cursor { name: name.to_owned(), value, done }));
        match sent {
            Ok(()) => {
                // Under the chain's lock, so that what is shown last is what is written last.
                lock(&self.cursors).insert(name.to_owned(), value);
                Box::pin(answered(answer))
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn state(&self) -> LedgerState {
        lock(&self.chain).state.clone()
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn run(&self) -> RunId {
        self.run
    }
}

fn read(db: &Connection, from: u64, max: usize) -> Result<Vec<Record>, ReadError> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let take = |record: Record| {
        bytes += record.bytes.len() + mem::size_of::<Record>();
        records.push(record);
        bytes < MAX_READ_BYTES
    };
    let visited = rows::visit(db, from, max as u64, take);
    visited.map_err(|e| ReadError { from, why: e.to_string().into() })?;
    Ok(records)
}

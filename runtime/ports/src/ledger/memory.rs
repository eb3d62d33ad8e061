//! A ledger in memory, with faults to order and a durability that a test can hold back.

use super::{
    AppendError, AppendResult, AppendTicket, Head, Ledger, LedgerState, NewRecord, ReadError, Record,
    oversize,
};
use foureyes_protocol::RunId;
use futures::future::BoxFuture;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{oneshot, watch};

/// What goes wrong at the ordered append; from then on the ledger has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with an error; nothing is stored.
    Error,
    /// The answer is lost before anything is stored.
    CrashBefore,
    /// The answer is lost after everything is stored.
    CrashAfter,
    /// The disk is full: only critical appends go on.
    DiskFull,
}

/// What survives a [`MemoryLedger`]: its disk. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    run: RunId,
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    records: Vec<Record>,
    cursors: HashMap<String, u64>,
    epoch: u64,
}

impl MemoryStore {
    /// An empty disk of `run`.
    pub fn new(run: RunId) -> Self {
        Self { run, disk: Arc::default() }
    }

    /// Opens the next epoch.
    pub fn open(&self) -> MemoryLedger {
        let mut disk = lock(&self.disk);
        disk.epoch += 1;
        let head = disk.records.last().map_or(Head::genesis(self.run), Record::head);
        let inner = Inner {
            tail: head,
            state: LedgerState::Writable,
            cursors: disk.cursors.clone(),
            epoch: disk.epoch,
            appends: 0,
            fault: None,
            held: None,
        };
        MemoryLedger { store: self.clone(), inner: Mutex::new(inner), head: watch::Sender::new(head) }
    }

    /// All records, in order.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.disk).records.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Pending {
    records: Vec<Record>,
    head: Head,
    done: oneshot::Sender<AppendResult>,
}

struct Inner {
    tail: Head,
    state: LedgerState,
    cursors: HashMap<String, u64>,
    epoch: u64,
    appends: u64,
    fault: Option<(u64, Fault)>,
    held: Option<Vec<Pending>>,
}

impl Inner {
    fn refusal(&self, critical: bool) -> Option<AppendError> {
        match &self.state {
            LedgerState::Writable => None,
            LedgerState::CriticalOnly if critical => None,
            LedgerState::CriticalOnly => Some(AppendError::Full),
            LedgerState::ReadOnly(why) => Some(AppendError::ReadOnly { why: why.clone() }),
            LedgerState::Stopped(why) => Some(AppendError::Failed { why: why.clone() }),
        }
    }

    /// The fault that is due at this append, if any.
    fn due(&mut self) -> Option<Fault> {
        self.appends += 1;
        self.fault.filter(|(at, _)| *at == self.appends).map(|(_, fault)| fault)
    }
}

/// A ledger in memory. Appends are durable at once unless [`MemoryLedger::hold`] is in force.
pub struct MemoryLedger {
    store: MemoryStore,
    inner: Mutex<Inner>,
    head: watch::Sender<Head>,
}

impl MemoryLedger {
    /// An empty ledger of `run`, in its first epoch.
    pub fn new(run: RunId) -> Self {
        MemoryStore::new(run).open()
    }

    /// Its disk, to look at or to open again.
    pub fn store(&self) -> MemoryStore {
        self.store.clone()
    }

    /// Orders `fault` for the append that is `nth` from now (1 is the next).
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        let mut inner = lock(&self.inner);
        inner.fault = Some((inner.appends + nth, fault));
    }

    /// Holds all appends back from durability until [`release`](Self::release).
    pub fn hold(&self) {
        lock(&self.inner).held.get_or_insert_default();
    }

    /// Makes durable what was held back, and holds no longer.
    pub fn release(&self) {
        // Under the lock, so that no later append overtakes what was held.
        let mut inner = lock(&self.inner);
        let held = inner.held.take().into_iter().flatten();
        held.for_each(|pending| self.commit(pending));
    }

    fn commit(&self, pending: Pending) {
        lock(&self.store.disk).records.extend(pending.records);
        self.head.send_replace(pending.head);
        // The caller may have dropped its ticket: it does not want to know.
        let _ = pending.done.send(Ok(pending.head));
    }

    fn strike(&self, inner: &mut Inner, fault: Fault, records: Vec<Record>) -> AppendError {
        let why: Arc<str> = "injected fault".into();
        inner.state = LedgerState::Stopped(why.clone());
        match fault {
            Fault::Error => AppendError::Failed { why },
            Fault::CrashBefore => AppendError::Unknown { why },
            Fault::CrashAfter => {
                lock(&self.store.disk).records.extend(records);
                AppendError::Unknown { why }
            }
            Fault::DiskFull => {
                inner.state = LedgerState::CriticalOnly;
                AppendError::Full
            }
        }
    }

    fn enqueue(&self, expected: Option<Head>, batch: Vec<NewRecord>, critical: bool) -> AppendTicket {
        let mut inner = lock(&self.inner);
        if let Some(error) = inner.refusal(critical) {
            return AppendTicket::ended(Err(error));
        }
        if let Some(size) = oversize(&batch) {
            return AppendTicket::ended(Err(AppendError::TooLarge { size }));
        }
        let actual = inner.tail;
        if let Some(expected) = expected.filter(|e| *e != actual) {
            return AppendTicket::ended(Err(AppendError::Conflict { expected, actual }));
        }
        let (records, head) = Record::link_all(actual, batch);
        let assigned = actual.index..head.index;
        if let Some(fault) = inner.due() {
            let error = self.strike(&mut inner, fault, records);
            return AppendTicket::new(assigned, Box::pin(std::future::ready(Err(error))));
        }
        inner.tail = head;
        let (done, answer) = oneshot::channel();
        let pending = Pending { records, head, done };
        match &mut inner.held {
            Some(held) => held.push(pending),
            None => self.commit(pending),
        }
        AppendTicket::new(assigned, answered(answer))
    }
}

fn answered(answer: oneshot::Receiver<AppendResult>) -> BoxFuture<'static, AppendResult> {
    let lost = || AppendError::Unknown { why: "the ledger was dropped".into() };
    Box::pin(async move { answer.await.unwrap_or_else(|_| Err(lost())) })
}

impl Ledger for MemoryLedger {
    fn append(&self, expected: Option<Head>, batch: Vec<NewRecord>) -> AppendTicket {
        self.enqueue(expected, batch, false)
    }

    fn append_critical(&self, expected: Option<Head>, batch: Vec<NewRecord>) -> AppendTicket {
        self.enqueue(expected, batch, true)
    }

    fn read(&self, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<Record>, ReadError>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let records = lock(&self.store.disk).records.iter().skip(from).take(max).cloned().collect();
        Box::pin(std::future::ready(Ok(records)))
    }

    fn head(&self) -> Head {
        *self.head.borrow()
    }

    fn tail(&self) -> Head {
        lock(&self.inner).tail
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn cursor(&self, name: &str) -> u64 {
        lock(&self.inner).cursors.get(name).copied().unwrap_or(0)
    }

    fn set_cursor(&self, name: &str, value: u64) -> BoxFuture<'static, Result<(), AppendError>> {
        let mut inner = lock(&self.inner);
        let result = inner.refusal(false).map_or(Ok(()), Err);
        if result.is_ok() {
            inner.cursors.insert(name.to_owned(), value);
            lock(&self.store.disk).cursors.insert(name.to_owned(), value);
        }
        Box::pin(std::future::ready(result))
    }

    fn state(&self) -> LedgerState {
        lock(&self.inner).state.clone()
    }

    fn epoch(&self) -> u64 {
        lock(&self.inner).epoch
    }

    fn run(&self) -> RunId {
        self.store.run
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settled, conformance, settle};
    use super::*;
    use foureyes_protocol::MessageId;

    fn run_id() -> RunId {
        RunId(MessageId::from_parts(1, [7; 10]).0)
    }

    #[tokio::test]
    async fn conforms() {
        conformance::run(|| {
            let store = MemoryStore::new(run_id());
            Box::new(move || Arc::new(store.open()))
        })
        .await;
    }

    async fn after(fault: Fault) -> (AppendError, Settled, LedgerState) {
        let ledger = MemoryLedger::new(run_id());
        ledger.fail_at(2, fault);
        assert!(ledger.append(None, vec![conformance::record(1, "a")]).await.is_ok());
        let batch = vec![conformance::record(2, "b")];
        let ticket = ledger.append(None, batch.clone());
        let assigned = ticket.assigned();
        let error = ticket.await.expect_err("the fault");
        assert!(ledger.append(None, batch.clone()).await.is_err(), "it must have stopped");
        let settled = settle(&ledger.store().open(), assigned, &batch).await.expect("read");
        (error, settled, ledger.state())
    }

    #[tokio::test]
    async fn faults_end_as_they_should() {
        let why: Arc<str> = "injected fault".into();
        let stopped = LedgerState::Stopped(why.clone());
        let unknown = AppendError::Unknown { why: why.clone() };
        let failed = AppendError::Failed { why };
        assert_eq!(after(Fault::Error).await, (failed, Settled::Absent, stopped.clone()));
        assert_eq!(after(Fault::CrashBefore).await, (unknown.clone(), Settled::Absent, stopped.clone()));
        assert_eq!(after(Fault::CrashAfter).await, (unknown, Settled::Durable, stopped));
        let full = (AppendError::Full, Settled::Absent, LedgerState::CriticalOnly);
        assert_eq!(after(Fault::DiskFull).await, full);
    }

    #[tokio::test]
    async fn a_full_disk_still_takes_a_freeze() {
        let ledger = MemoryLedger::new(run_id());
        ledger.fail_at(1, Fault::DiskFull);
        let batch = vec![conformance::record(1, "a")];
        assert_eq!(ledger.append(None, batch.clone()).await, Err(AppendError::Full));
        assert_eq!(ledger.append_critical(None, batch).await.map(|h| h.index), Ok(1));
    }

    #[tokio::test]
    async fn holds_durability_back() {
        let ledger = MemoryLedger::new(run_id());
        ledger.hold();
        let ticket = ledger.append(None, vec![conformance::record(1, "a")]);
        assert_eq!((ledger.head().index, ledger.tail().index), (0, 1));
        ledger.release();
        assert_eq!(ticket.await.map(|h| h.index), Ok(1));
        assert_eq!(ledger.head(), ledger.tail());
    }
}

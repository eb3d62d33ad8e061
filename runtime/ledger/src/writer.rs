//! The one thread that writes: takes what is enqueued, writes it in one transaction, answers when
//! the transaction is synced. While one commit is being synced the next one gathers; there is no
//! lingering.

use crate::{
    checkpoint::Checkpoint,
    files::{self, StateFiles},
    merkle::Frontier,
    rows::{self, CheckpointRow},
    schema,
};
use foureyes_ports::{
    clock::{Clock, UnixMillis},
    ledger::{AppendError, AppendResult, Head, LedgerState, Record},
};
use foureyes_protocol::RunId;
use ring::signature::Ed25519KeyPair;
use rusqlite::{Connection, ErrorCode};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// A checkpoint is signed when this many records are not covered by one,
pub const CHECKPOINT_RECORDS: u64 = 64;
/// or this long (in milliseconds) after the first of them.
pub const CHECKPOINT_MS: u64 = 1_000;
/// A group takes no more jobs than this,
const GROUP_JOBS: usize = 1_024;
/// nor more bytes than about this.
const GROUP_BYTES: usize = 4 << 20;

/// What the writer is asked to do.
pub enum Job {
    /// Write linked records; the head is the one after them.
    Append { records: Vec<Record>, head: Head, done: oneshot::Sender<AppendResult> },
    /// Write a cursor.
    Cursor { name: String, value: u64, done: oneshot::Sender<Result<(), AppendError>> },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { records, .. } => records.iter().map(|r| r.bytes.len()).sum(),
            Self::Cursor { .. } => 0,
        }
    }

    fn fail(self, error: AppendError) {
        // Who dropped the ticket does not want to know.
        match self {
            Self::Append { done, .. } => drop(done.send(Err(error))),
            Self::Cursor { done, .. } => drop(done.send(Err(error))),
        }
    }

    fn succeed(self) {
        match self {
            Self::Append { head, done, .. } => drop(done.send(Ok(head))),
            Self::Cursor { done, .. } => drop(done.send(Ok(()))),
        }
    }
}

/// What the callers and the writer share. Jobs are sent under its lock, so that the order of the
/// jobs is the order of the tails.
pub struct Chain {
    /// The head with all that is enqueued.
    pub tail: Head,
    /// Whether appends are taken.
    pub state: LedgerState,
    /// Bytes of the records that are enqueued and not yet written.
    pub queued: usize,
    /// To the writer; gone when the ledger closes.
    pub jobs: Option<mpsc::Sender<Job>>,
}

/// Locks what is shared. It is consistent after every statement, so a panic elsewhere harms nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where in a commit a test may let it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Before the first row is written.
    Begin,
    /// Before the commit.
    Commit,
    /// After the commit, before its answer.
    Committed,
}

/// Lets a step fail; for tests.
pub type FaultHook = Arc<dyn Fn(Step) -> rusqlite::Result<()> + Send + Sync>;

/// Who signs checkpoints, for which run and epoch.
pub struct Signer {
    /// The key.
    pub key: Ed25519KeyPair,
    /// The state directory's name.
    pub run: RunId,
    /// The epoch.
    pub epoch: u64,
}

/// The writer's own state.
pub struct Writer {
    /// None after a failure: a handle that failed is never used again.
    pub db: Option<Connection>,
    /// The state directory.
    pub files: StateFiles,
    /// Shared with the callers.
    pub chain: Arc<Mutex<Chain>>,
    /// Durable heads.
    pub head: Arc<watch::Sender<Head>>,
    /// What comes.
    pub jobs: mpsc::Receiver<Job>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Signs checkpoints.
    pub signer: Signer,
    /// The tree over all durable records.
    pub frontier: Frontier,
    /// The size of the last checkpoint in the table.
    pub signed: Option<u64>,
    /// Since when there are records that the checkpoint file does not cover.
    pub dirty_since: Option<UnixMillis>,
    /// The newest checkpoint's text, while it is not yet in the file.
    pub unpublished: Option<String>,
    /// Lets steps fail; for tests.
    pub faults: Option<FaultHook>,
}

/// A failed commit: what its callers are told, and what becomes of the ledger.
struct Failure {
    error: AppendError,
    state: LedgerState,
}

/// What a transaction has made, to be taken over once it is durable.
struct Written {
    frontier: Frontier,
    note: Option<String>,
}

impl Writer {
    /// Works until the callers are gone, then signs a last checkpoint.
    pub fn run(mut self) {
        while let Some(group) = self.next_group() {
            self.commit(group);
        }
        self.publish(true);
        self.fold_log();
    }

    /// Moves the write-ahead log into the database, so that the closed file alone is the ledger also
    /// while readers are open. If that fails the next opening does it.
    fn fold_log(&self) {
        let fold = |db: &Connection| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Some(Err(error)) = self.db.as_ref().map(fold) {
            tracing::warn!(%error, "failed to fold the write-ahead log into the ledger");
        }
    }

    /// The next jobs; publishes a checkpoint whenever one is due. None when the callers are gone.
    fn next_group(&mut self) -> Option<Vec<Job>> {
        loop {
            self.publish(false);
            let received = match self.until_due() {
                Some(wait) => self.jobs.recv_timeout(wait),
                None => self.jobs.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(first) => return Some(self.gather(first)),
                Err(mpsc::RecvTimeoutError::Timeout) => self.publish(true),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn gather(&self, first: Job) -> Vec<Job> {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_JOBS && bytes < GROUP_BYTES {
            let Ok(job) = self.jobs.try_recv() else { break };
            bytes += job.bytes();
            group.push(job);
        }
        group
    }

    /// How long until a checkpoint must be published; none if there is nothing to publish.
    fn until_due(&self) -> Option<Duration> {
        let due = self.dirty_since?.saturating_add(CHECKPOINT_MS);
        Some(Duration::from_millis(due.saturating_sub(self.clock.now_ms())))
    }

    fn commit(&mut self, group: Vec<Job>) {
        let bytes: usize = group.iter().map(Job::bytes).sum();
        let result = self.write(&group);
        match result {
            Ok(written) => self.take_over(written, group, bytes),
            Err(failure) => self.stop(failure, group),
        }
    }

    fn take_over(&mut self, written: Written, group: Vec<Job>, bytes: usize) {
        let grown = written.frontier.size() > self.frontier.size();
        self.frontier = written.frontier;
        if grown {
            self.dirty_since.get_or_insert(self.clock.now_ms());
        }
        if let Some(note) = written.note {
            self.signed = Some(self.frontier.size());
            self.unpublished = Some(note);
        }
        lock(&self.chain).queued -= bytes;
        let last = group.iter().rev().find_map(|job| match job {
            Job::Append { head, .. } => Some(*head),
            Job::Cursor { .. } => None,
        });
        // The head first: whose append has ended must see it.
        if let Some(head) = last {
            self.head.send_replace(head);
        }
        group.into_iter().for_each(Job::succeed);
    }

    /// Fail-stop: the handle is dropped, all that waits fails, and the next appends are refused.
    fn stop(&mut self, failure: Failure, group: Vec<Job>) {
        tracing::error!(error = %failure.error, "the ledger's writer stops");
        self.db = None;
        let mut chain = lock(&self.chain);
        let later = match &failure.state {
            LedgerState::CriticalOnly => AppendError::Full,
            _ => AppendError::Failed { why: failure.error.to_string().into() },
        };
        chain.state = failure.state;
        chain.tail = *self.head.borrow();
        chain.queued = 0;
        // Under the lock nothing new is enqueued: what waits links to what has just failed.
        let waiting: Vec<Job> = self.jobs.try_iter().collect();
        drop(chain);
        group.into_iter().for_each(|job| job.fail(failure.error.clone()));
        waiting.into_iter().for_each(|job| job.fail(later.clone()));
    }

    fn write(&mut self, group: &[Job]) -> Result<Written, Failure> {
        if self.db.is_none() {
            self.db = Some(self.reopen()?);
        }
        let db = self.db.as_ref().ok_or_else(|| stopped("the database is closed"))?;
        self.step(Step::Begin).and_then(|()| db.execute_batch("BEGIN IMMEDIATE")).map_err(before_commit)?;
        let written = self.fill(db, group).map_err(before_commit)?;
        // From here on the answer may be lost after the fact.
        self.step(Step::Commit)
            .and_then(|()| db.execute_batch("COMMIT"))
            .and_then(|()| self.step(Step::Committed))
            .map_err(at_commit)?;
        Ok(written)
    }

    fn step(&self, step: Step) -> rusqlite::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |hook| hook(step))
    }

    fn fill(&self, db: &Connection, group: &[Job]) -> rusqlite::Result<Written> {
        let mut frontier = self.frontier.clone();
        let mut head = *self.head.borrow();
        for job in group {
            match job {
                Job::Append { records, head: after, .. } => {
                    for record in records {
                        rows::insert_record(db, record)?;
                        frontier.push(&record.hash);
                    }
                    head = *after;
                }
                Job::Cursor { name, value, .. } => rows::set_cursor(db, name, *value)?,
            }
        }
        let note = if self.must_sign(&frontier) { Some(self.sign(db, head, &frontier)?) } else { None };
        Ok(Written { frontier, note })
    }

    /// Whether too many records are not covered. The very first ones always are: a ledger with
    /// records and without a checkpoint is not one of ours.
    fn must_sign(&self, frontier: &Frontier) -> bool {
        match self.signed {
            Some(signed) => frontier.size() - signed >= CHECKPOINT_RECORDS,
            None => frontier.size() > 0,
        }
    }

    fn sign(&self, db: &Connection, head: Head, frontier: &Frontier) -> rusqlite::Result<String> {
        let Signer { key, run, epoch } = &self.signer;
        let checkpoint = Checkpoint { run: *run, epoch: *epoch, head, root: frontier.root() };
        let note = checkpoint.sign(key);
        let row = CheckpointRow { size: head.index, note: note.clone(), frontier: frontier.to_bytes() };
        rows::insert_checkpoint(db, &row)?;
        Ok(note)
    }

    /// Signs what is not covered and writes the newest checkpoint into its file, if that is due or
    /// `now`.
    fn publish(&mut self, now: bool) {
        let due = now || self.until_due().is_some_and(|wait| wait.is_zero());
        if !due || self.dirty_since.is_none() || self.db.is_none() {
            return;
        }
        if self.signed != Some(self.frontier.size()) && !self.sign_alone() {
            return;
        }
        self.dirty_since = None;
        let Some(note) = self.unpublished.take() else { return };
        if let Err(error) = files::write_atomically(&self.files.checkpoint(), note.as_bytes()) {
            // The table has it: the file is a copy to carry away.
            tracing::warn!(%error, "failed to write the checkpoint file");
        }
    }

    fn sign_alone(&mut self) -> bool {
        let Some(db) = self.db.as_ref() else { return false };
        let signed = self.sign(db, *self.head.borrow(), &self.frontier);
        match signed {
            Ok(note) => {
                self.signed = Some(self.frontier.size());
                self.unpublished = Some(note);
                true
            }
            Err(error) => {
                self.stop(before_commit(error), vec![]);
                false
            }
        }
    }

    /// After a full disk: gives the reserved space back and opens the database anew. Only what was
    /// durable may be in it.
    fn reopen(&self) -> Result<Connection, Failure> {
        let io = |e: &dyn std::fmt::Display| stopped(&e.to_string());
        files::release_reserve(&self.files.reserve()).map_err(|e| io(&e))?;
        let db = schema::open_writer(&self.files.database()).map_err(|e| io(&e))?;
        let mut last = None;
        let durable = *self.head.borrow();
        rows::visit(&db, durable.index.saturating_sub(1), 2, |record| {
            last = Some(record.head());
            true
        })
        .map_err(|e| io(&e))?;
        let same = last.unwrap_or(Head::genesis(self.signer.run)) == durable;
        if same { Ok(db) } else { Err(stopped("after a full disk the database is not at its head")) }
    }
}

fn stopped(why: &str) -> Failure {
    let why: Arc<str> = why.into();
    Failure { error: AppendError::Failed { why: why.clone() }, state: LedgerState::Stopped(why) }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Nothing of the transaction can be in the database: it had not begun to commit.
fn before_commit(error: rusqlite::Error) -> Failure {
    if is_full(&error) {
        return Failure { error: AppendError::Full, state: LedgerState::CriticalOnly };
    }
    stopped(&error.to_string())
}

/// A commit that found the disk full has not written its commit frame; any other failure may have
/// come after it.
fn at_commit(error: rusqlite::Error) -> Failure {
    if is_full(&error) {
        return before_commit(error);
    }
    let why: Arc<str> = error.to_string().into();
    Failure { error: AppendError::Unknown { why: why.clone() }, state: LedgerState::Stopped(why) }
}

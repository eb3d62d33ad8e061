//! Opening a ledger: lock, key, tables, verification, epoch, writer.

use crate::{
    files::{self, DirLock, LockRefusal, StateFiles},
    key::{self, KeyError},
    recover::{self, Damage, Known, Recovered},
    rows, schema,
    sqlite::{Parts, SqliteLedger},
    writer::{Chain, FaultHook, Signer, Writer},
};
use foureyes_ports::{
    clock::{Clock, Entropy},
    ledger::{Head, LedgerState},
};
use foureyes_protocol::{MessageId, RunId};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rusqlite::Connection;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
};
use tokio::sync::watch;

/// How to open a ledger.
#[derive(Clone)]
pub struct OpenOptions {
    /// The time, for the run's id and for checkpoints.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the run's id.
    pub entropy: Arc<dyn Entropy>,
    /// Verify every record before writing, not only those after the last signed checkpoint.
    pub full_verify: bool,
    pub(crate) faults: Option<FaultHook>,
    pub(crate) max_pages: Option<u32>,
}

impl OpenOptions {
    /// The usual: verify from the last signed checkpoint.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, full_verify: false, faults: None, max_pages: None }
    }
}

/// Why a ledger could not be opened at all. A ledger that opens but does not verify is read-only
/// ([`LedgerState::ReadOnly`]).
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another runtime works on this state directory.
    #[error("another runtime (process {pid}) works on {dir}: stop it first")]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// The other's process id.
        pid: String,
    },
    /// A file or folder.
    #[error("failed to open the ledger in {dir}")]
    Io {
        /// The state directory.
        dir: PathBuf,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// The database.
    #[error("failed to open the database of the ledger in {dir}: restore it from a copy if it is damaged")]
    Database {
        /// The state directory.
        dir: PathBuf,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It was written by a newer version.
    #[error(
        "the ledger in {dir} has format {found}, this program writes {}: use the newer one",
        schema::FORMAT
    )]
    Format {
        /// The state directory.
        dir: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The tables have no run id or epoch.
    #[error("the ledger in {dir} has no valid {what}: restore it from a copy")]
    Meta {
        /// The state directory.
        dir: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

/// Opens the ledger in `dir` for the next epoch; makes it if there is none. Blocks for the disk.
///
/// A ledger that does not verify opens read-only, in its last epoch.
///
/// # Errors
/// [`OpenError`], above all if another runtime works on `dir`.
pub fn open(dir: &Path, options: &OpenOptions) -> Result<SqliteLedger, OpenError> {
    let opening = Opening { dir, files: StateFiles::in_dir(dir), options };
    files::create_dir(dir).map_err(|e| opening.io(e))?;
    let lock = opening.lock()?;
    // SQLite gives the files beside it the same permissions.
    files::create_private(&opening.files.database()).map_err(|e| opening.io(e))?;
    let db = schema::open_writer(&opening.files.database()).map_err(|e| opening.database(e))?;
    let (run, key) = opening.identity(&db)?;
    match opening.verify(&db, run, key.public_key().as_ref()) {
        Ok(recovered) => opening.writable(lock, db, run, key, recovered),
        Err(damage) => opening.read_only(lock, db, run, &damage),
    }
}

struct Opening<'a> {
    dir: &'a Path,
    files: StateFiles,
    options: &'a OpenOptions,
}

impl Opening<'_> {
    fn io(&self, source: io::Error) -> OpenError {
        OpenError::Io { dir: self.dir.to_owned(), source }
    }

    fn database(&self, source: rusqlite::Error) -> OpenError {
        OpenError::Database { dir: self.dir.to_owned(), source }
    }

    fn meta_error(&self, what: &'static str) -> OpenError {
        OpenError::Meta { dir: self.dir.to_owned(), what }
    }

    fn lock(&self) -> Result<DirLock, OpenError> {
        DirLock::take(&self.files.lock()).map_err(|refusal| match refusal {
            LockRefusal::Held(pid) => OpenError::Locked { dir: self.dir.to_owned(), pid },
            LockRefusal::Io(source) => self.io(source),
        })
    }

    /// The run's id and key: made at the first start, loaded ever after.
    fn identity(&self, db: &Connection) -> Result<(RunId, Ed25519KeyPair), OpenError> {
        let format = db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(|e| self.database(e))?;
        match format {
            0 => self.first_start(db),
            schema::FORMAT => Ok((self.run(db)?, key::load(&self.files)?)),
            found => Err(OpenError::Format { dir: self.dir.to_owned(), found }),
        }
    }

    /// The tables come last and in one transaction: a crash before them is a first start again.
    fn first_start(&self, db: &Connection) -> Result<(RunId, Ed25519KeyPair), OpenError> {
        let mut random = [0; 10];
        self.options.entropy.fill(&mut random);
        let run = RunId(MessageId::from_parts(self.options.clock.now_ms(), random).0);
        let key = key::create(&self.files, run)?;
        let create = || {
            db.execute_batch("BEGIN IMMEDIATE")?;
            schema::create(db)?;
            rows::set_meta(db, "run", run.0.as_bytes())?;
            rows::set_meta(db, "epoch", &0u64.to_be_bytes())?;
            db.execute_batch("COMMIT")
        };
        create().map_err(|e| self.database(e))?;
        Ok((run, key))
    }

    fn run(&self, db: &Connection) -> Result<RunId, OpenError> {
        let stored = rows::meta(db, "run").map_err(|e| self.database(e))?;
        let id = stored.and_then(|bytes| uuid::Uuid::from_slice(&bytes).ok());
        id.map(RunId).ok_or_else(|| self.meta_error("run id"))
    }

    fn last_epoch(&self, db: &Connection) -> Result<u64, OpenError> {
        let stored = rows::meta(db, "epoch").map_err(|e| self.database(e))?;
        let bytes = stored.and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or_else(|| self.meta_error("epoch"))
    }

    fn verify(&self, db: &Connection, run: RunId, public: &[u8]) -> Result<Recovered, Damage> {
        let newest = match fs::read_to_string(self.files.checkpoint()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            // What cannot be read as text is no checkpoint, and is told as such.
            read => Some(read.unwrap_or_default()),
        };
        let full = self.options.full_verify;
        recover::recover(db, &Known { run, public, newest: newest.as_deref(), full })
    }

    fn writable(
        &self,
        lock: DirLock,
        db: Connection,
        run: RunId,
        key: Ed25519KeyPair,
        at: Recovered,
    ) -> Result<SqliteLedger, OpenError> {
        let epoch = self.last_epoch(&db)? + 1;
        rows::set_meta(&db, "epoch", &epoch.to_be_bytes()).map_err(|e| self.database(e))?;
        files::keep_reserve(&self.files.reserve()).map_err(|e| self.io(e))?;
        if let Some(pages) = self.options.max_pages {
            db.pragma_update(None, "max_page_count", pages).map_err(|e| self.database(e))?;
        }
        let cursors = rows::cursors(&db).map_err(|e| self.database(e))?;
        let last = rows::last_checkpoint(&db).map_err(|e| self.database(e))?;
        let (sender, jobs) = mpsc::channel();
        let state = LedgerState::Writable;
        let chain = Arc::new(Mutex::new(Chain { tail: at.head, state, queued: 0, jobs: Some(sender) }));
        let head = Arc::new(watch::Sender::new(at.head));
        let writer = Writer {
            db: Some(db),
            files: self.files.clone(),
            chain: chain.clone(),
            head: head.clone(),
            jobs,
            clock: self.options.clock.clone(),
            signer: Signer { key, run, epoch },
            frontier: at.frontier,
            signed: at.signed,
            // What a crash left unsigned or unpublished is made up for.
            dirty_since: (at.head.index > 0).then(|| self.options.clock.now_ms()),
            unpublished: last.map(|row| row.note),
            faults: self.options.faults.clone(),
        };
        let start = thread::Builder::new().name("ledger-writer".into()).spawn(move || writer.run());
        let thread = Some(start.map_err(|e| self.io(e))?);
        self.assemble(lock, run, epoch, Shared { chain, head, cursors, thread })
    }

    fn read_only(
        &self,
        lock: DirLock,
        db: Connection,
        run: RunId,
        damage: &Damage,
    ) -> Result<SqliteLedger, OpenError> {
        let why = format!("it does not verify ({damage}): keep it as it is and look into it");
        tracing::error!(%why, dir = %self.dir.display(), "the ledger opens read-only");
        let epoch = self.last_epoch(&db)?;
        let mut tail = Head::genesis(run);
        // What the file claims, for those who look at it; a damaged one may not tell.
        let last = "SELECT idx, hash FROM records ORDER BY idx DESC LIMIT 1";
        if let Ok((index, hash)) =
            db.query_row(last, [], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, [u8; 32]>(1)?)))
        {
            tail = Head { index: index.cast_unsigned() + 1, hash: foureyes_protocol::Digest(hash) };
        }
        let cursors = rows::cursors(&db).unwrap_or_default();
        let state = LedgerState::ReadOnly(why.into());
        let chain = Arc::new(Mutex::new(Chain { tail, state, queued: 0, jobs: None }));
        let head = Arc::new(watch::Sender::new(tail));
        self.assemble(lock, run, epoch, Shared { chain, head, cursors, thread: None })
    }

    fn assemble(&self, lock: DirLock, run: RunId, epoch: u64, s: Shared) -> Result<SqliteLedger, OpenError> {
        let reader = schema::open_reader(&self.files.database()).map_err(|e| self.database(e))?;
        Ok(SqliteLedger::assemble(Parts {
            run,
            epoch,
            chain: s.chain,
            head: s.head,
            cursors: s.cursors,
            reader,
            thread: s.thread,
            lock,
        }))
    }
}

struct Shared {
    chain: Arc<Mutex<Chain>>,
    head: Arc<watch::Sender<Head>>,
    cursors: HashMap<String, u64>,
    thread: Option<thread::JoinHandle<()>>,
}

//! The verifier: reads a ledger, running or copied, and says whether it is what was written.
//!
//! It shares no parsing, hashing of records or tree code with the writer, so that a fault there does
//! not hide itself; only SQLite, SHA-256 and Ed25519 are the same. It never writes and never locks a
//! running runtime out.
//!
//! What it finds by itself: any change, loss, addition or reordering of records up to the last
//! checkpoint, and of all later ones that is not a consistent re-computation. What it finds only with
//! an earlier checkpoint in hand (or the `checkpoint` file beside the database): a tail cut back to an
//! older checkpoint, and an old copy restored. What needs a checkpoint kept elsewhere: a history
//! rewritten with the signing key.

mod note;
mod rows;
mod tree;

use crate::schema::open_reader;
use note::{Note, VerifierKey};
use rows::Row;
use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};
use tree::Tree;

/// A ledger signs a checkpoint whenever this many records are not covered by one.
const MAX_UNSIGNED: u64 = 64;

/// What to verify against.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// The public key (`keys/ledger.vkey`). None: the file in the `keys` folder beside the database, or
    /// `ledger.vkey` beside it. A key from the same disk as the ledger shows no more than that the two
    /// belong together: keep one elsewhere.
    pub key: Option<String>,
    /// Checkpoints that were kept elsewhere.
    pub earlier: Vec<String>,
    /// A checkpoint file that must exist. None: `checkpoint` beside the database, if it is there.
    pub checkpoint_file: Option<PathBuf>,
}

/// A ledger that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The number of records.
    pub records: u64,
    /// The hash of the last record, hexadecimal.
    pub head: String,
    /// The number of signed checkpoints in it.
    pub checkpoints: u64,
    /// How many of the last records no checkpoint covers yet.
    pub unsigned: u64,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.head[..12.min(self.head.len())];
        write!(f, "OK {} records, head {head}, {} checkpoints", self.records, self.checkpoints)
    }
}

/// A ledger that does not verify, or cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct VerifyFailure {
    /// The first record that is wrong; none where it cannot be said.
    pub record: Option<u64>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for VerifyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            Some(record) => write!(f, "FAILED at record {record}: {}", self.why),
            None => write!(f, "FAILED: {}", self.why),
        }
    }
}

fn failed(record: impl Into<Option<u64>>, why: impl Into<String>) -> VerifyFailure {
    VerifyFailure { record: record.into(), why: why.into() }
}

impl From<rusqlite::Error> for VerifyFailure {
    fn from(error: rusqlite::Error) -> Self {
        failed(None, format!("the file is damaged: {error}"))
    }
}

/// Verifies the ledger in the database `path`.
///
/// # Errors
/// [`VerifyFailure`] with the first record that is wrong.
pub fn verify_file(path: &Path, options: &VerifyOptions) -> Result<VerifyReport, VerifyFailure> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let key = VerifierKey::parse(&key_text(dir, options)?)
        .ok_or_else(|| failed(None, "the key is no ledger's key"))?;
    // Before the database: a running ledger may sign a newer checkpoint meanwhile.
    let kept = kept_notes(dir, options, &key)?;
    let mut db = open_reader(path)?;
    let snapshot = db.transaction()?;
    check_file(&snapshot)?;
    let run = rows::run(&snapshot)?;
    if key.name != format!("foureyes/{run}") {
        return Err(failed(None, format!("it is the ledger of run {run}, the key is that of {}", key.name)));
    }
    let mut walk = Walk::new(run, &key);
    walk.expect_stored(rows::checkpoints(&snapshot)?)?;
    kept.into_iter().for_each(|note| walk.expect(note, "kept"));
    rows::each(&snapshot, |row| walk.step(row))?;
    walk.finish()
}

fn key_text(dir: &Path, options: &VerifyOptions) -> Result<String, VerifyFailure> {
    if let Some(key) = &options.key {
        return Ok(key.clone());
    }
    let places = [dir.join("keys").join("ledger.vkey"), dir.join("ledger.vkey")];
    let found = places.iter().find_map(|place| fs::read_to_string(place).ok());
    found.ok_or_else(|| failed(None, "there is no public key to check signatures with: name one"))
}

/// The checkpoints from outside the database.
fn kept_notes(dir: &Path, options: &VerifyOptions, key: &VerifierKey) -> Result<Vec<Note>, VerifyFailure> {
    let mut texts = options.earlier.clone();
    let named = options.checkpoint_file.clone();
    let file = named.clone().unwrap_or_else(|| dir.join("checkpoint"));
    match fs::read_to_string(&file) {
        Ok(text) => texts.push(text),
        Err(e) if named.is_none() && e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(None, format!("the checkpoint {} cannot be read: {e}", file.display()))),
    }
    let open = |text: &String| {
        Note::open(text, key)
            .map_err(|why| failed(None, format!("the checkpoint that was kept is no good: {why}")))
    };
    texts.iter().map(open).collect()
}

fn check_file(db: &rusqlite::Connection) -> Result<(), VerifyFailure> {
    let answer: String = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
    if answer == "ok" { Ok(()) } else { Err(failed(None, format!("the file is damaged: {answer}"))) }
}

/// What a checkpoint says about the ledger at its size.
struct Expected {
    note: Note,
    whence: &'static str,
    frontier: Option<Vec<u8>>,
}

/// The walk over the records.
struct Walk<'a> {
    key: &'a VerifierKey,
    expected: BTreeMap<u64, Vec<Expected>>,
    checkpoints: u64,
    covered: u64,
    tree: Tree,
    head: [u8; 32],
}

impl<'a> Walk<'a> {
    fn new(run: uuid::Uuid, key: &'a VerifierKey) -> Self {
        let head = rows::first_prev(run);
        Self { key, expected: BTreeMap::new(), checkpoints: 0, covered: 0, tree: Tree::default(), head }
    }

    fn expect_stored(&mut self, stored: Vec<rows::Stored>) -> Result<(), VerifyFailure> {
        let mut epoch = 0;
        for row in stored {
            let wrong =
                |why: &str| failed(row.size.saturating_sub(1), format!("its checkpoint is wrong: {why}"));
            let note = Note::open(&row.note, self.key).map_err(|why| wrong(&why))?;
            if note.size != row.size || note.size == 0 {
                return Err(wrong("it has another size"));
            }
            if note.epoch < epoch {
                return Err(wrong("its epoch is older than that of the one before"));
            }
            epoch = note.epoch;
            self.checkpoints += 1;
            self.covered = note.size;
            let frontier = Some(row.frontier);
            self.expected.entry(note.size).or_default().push(Expected { note, whence: "stored", frontier });
        }
        Ok(())
    }

    fn expect(&mut self, note: Note, whence: &'static str) {
        self.expected.entry(note.size).or_default().push(Expected { note, whence, frontier: None });
    }

    fn step(&mut self, row: Row) -> Result<(), VerifyFailure> {
        let at = self.tree.size();
        if row.index != at {
            return Err(failed(at, format!("it is missing: record {} comes next", row.index)));
        }
        if row.prev != self.head {
            return Err(failed(at, "it does not link to the record before it"));
        }
        row.check().map_err(|why| failed(at, why))?;
        self.head = row.hash;
        self.tree.add(&row.hash);
        let here = self.expected.remove(&self.tree.size()).unwrap_or_default();
        here.iter().try_for_each(|expected| self.compare(at, expected))
    }

    fn compare(&self, at: u64, expected: &Expected) -> Result<(), VerifyFailure> {
        let Expected { note, whence, frontier } = expected;
        if note.root != self.tree.root() || note.chain != self.head {
            let why =
                format!("the records up to here are not those of the {whence} checkpoint of {}", note.size);
            return Err(failed(at, why));
        }
        if frontier.as_ref().is_some_and(|stored| *stored != self.tree.edge()) {
            return Err(failed(at, "the stored edge of the tree is damaged"));
        }
        Ok(())
    }

    fn finish(self) -> Result<VerifyReport, VerifyFailure> {
        let records = self.tree.size();
        if let Some((size, notes)) = self.expected.first_key_value() {
            let whence = notes.first().map_or("kept", |n| n.whence);
            let why =
                format!("the tail is cut: a {whence} checkpoint has {size} records, the ledger {records}");
            return Err(failed(records, why));
        }
        let unsigned = records - self.covered;
        if records > 0 && (self.checkpoints == 0 || unsigned >= MAX_UNSIGNED) {
            let why = format!(
                "{unsigned} records are signed by no checkpoint, though one is due each {MAX_UNSIGNED}"
            );
            return Err(failed(self.covered, why));
        }
        Ok(VerifyReport { records, head: hex::encode(self.head), checkpoints: self.checkpoints, unsigned })
    }
}

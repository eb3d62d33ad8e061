//! Records and checkpoints as rows of the database.

use foureyes_ports::ledger::Record;
use foureyes_protocol::Digest;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

const INSERT_RECORD: &str = "INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_CHECKPOINT: &str = "INSERT INTO checkpoints VALUES (?1, ?2, ?3)";
const INSERT_CURSOR: &str =
    "INSERT INTO cursors VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const SELECT_RECORDS: &str =
    "SELECT idx, at_ms, prev, body_sha, hash, bytes FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
const LAST_CHECKPOINT: &str = "SELECT size, note, frontier FROM checkpoints ORDER BY size DESC LIMIT 1";

/// A checkpoint as stored: the signed text, and the tree's frontier to go on from.
pub struct CheckpointRow {
    /// The number of records.
    pub size: u64,
    /// The signed text.
    pub note: String,
    /// The frontier's digests.
    pub frontier: Vec<u8>,
}

/// Numbers beyond `i64` keep their bits: SQLite's integers are signed.
fn stored(value: u64) -> i64 {
    value.cast_signed()
}

pub fn insert_record(db: &Connection, r: &Record) -> rusqlite::Result<()> {
    let (index, at) = (stored(r.index), stored(r.at_ms));
    let row = params![index, at, r.prev.0, r.body_sha.0, r.hash.0, &r.bytes[..]];
    db.prepare_cached(INSERT_RECORD)?.execute(row).map(drop)
}

pub fn insert_checkpoint(db: &Connection, row: &CheckpointRow) -> rusqlite::Result<()> {
    db.prepare_cached(INSERT_CHECKPOINT)?.execute(params![stored(row.size), row.note, row.frontier]).map(drop)
}

pub fn set_cursor(db: &Connection, name: &str, value: u64) -> rusqlite::Result<()> {
    db.prepare_cached(INSERT_CURSOR)?.execute(params![name, stored(value)]).map(drop)
}

pub fn cursors<C: FromIterator<(String, u64)>>(db: &Connection) -> rusqlite::Result<C> {
    let mut select = db.prepare("SELECT name, value FROM cursors")?;
    let rows = select.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?.cast_unsigned())))?;
    rows.collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let digest = |at| row.get::<_, [u8; 32]>(at).map(Digest);
    Ok(Record {
        index: number(0)?,
        at_ms: number(1)?,
        prev: digest(2)?,
        body_sha: digest(3)?,
        hash: digest(4)?,
        bytes: row.get::<_, Vec<u8>>(5)?.into(),
    })
}

/// Calls `visit` with each record from index `from` on, at most `max`, until it says no.
pub fn visit(
    db: &Connection,
    from: u64,
    max: u64,
    mut visit: impl FnMut(Record) -> bool,
) -> rusqlite::Result<()> {
    // Indices are below 2^63; beyond them there is nothing to find.
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut select = db.prepare_cached(SELECT_RECORDS)?;
    let mut rows = select.query([signed(from), signed(max)])?;
    while let Some(row) = rows.next()? {
        if !visit(record(row)?) {
            break;
        }
    }
    Ok(())
}

pub fn last_checkpoint(db: &Connection) -> rusqlite::Result<Option<CheckpointRow>> {
    let read = |row: &Row<'_>| {
        let size = row.get::<_, i64>(0)?.cast_unsigned();
        Ok(CheckpointRow { size, note: row.get(1)?, frontier: row.get(2)? })
    };
    db.query_row(LAST_CHECKPOINT, [], read).optional()
}

/// The signed text of the checkpoint of that size, if there is one.
pub fn checkpoint_note(db: &Connection, size: u64) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT note FROM checkpoints WHERE size = ?1", [stored(size)], |r| r.get(0)).optional()
}

pub fn meta(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |r| r.get(0)).optional()
}

pub fn set_meta(db: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    db.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![name, value]).map(drop)
}

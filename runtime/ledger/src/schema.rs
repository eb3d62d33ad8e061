//! The tables and how connections to them are opened.

use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// The version of the tables, stored as SQLite's `user_version`.
pub const FORMAT: i64 = 1;

/// The triggers keep an accident from changing what is written. They are no evidence: that is the
/// chain and the checkpoints.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE records (
    idx INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, prev BLOB NOT NULL,
    body_sha BLOB NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL, frontier BLOB NOT NULL) STRICT;
CREATE TABLE cursors (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TRIGGER records_stay BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
CREATE TRIGGER records_last BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'records are never deleted'); END;
CREATE TRIGGER checkpoints_stay BEFORE UPDATE ON checkpoints
    BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoints_last BEFORE DELETE ON checkpoints
    BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
";

/// Opens the database for writing; makes it if there is none. Write-ahead log, every commit synced.
pub fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "trusted_schema", "OFF")?;
    db.pragma_update(None, "cell_size_check", "ON")?;
    db.set_prepared_statement_cache_capacity(16);
    Ok(db)
}

/// Makes the tables in an empty database.
pub fn create(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(TABLES)?;
    db.pragma_update(None, "user_version", FORMAT)
}

/// Opens a database to read it, never writing into it and never locking a writer out. Works on a
/// lone copy too: without a write-ahead log beside it the file is taken to stand still.
pub fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let still = if beside(path, "-wal").exists() { "" } else { "&immutable=1" };
    let db = Connection::open_with_flags(format!("file:{}?mode=ro{still}", uri_path(path)), flags)?;
    db.pragma_update(None, "trusted_schema", "OFF")?;
    db.pragma_update(None, "cell_size_check", "ON")?;
    Ok(db)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The path as SQLite wants it in a URI: every byte that could mean something else as `%xx`.
fn uri_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    let encode = |&b: &u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02x}") };
    path.as_os_str().as_bytes().iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_cannot_be_changed_by_accident() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = open_writer(&dir.path().join("a b?c#%.db")).expect("open");
        create(&db).expect("create");
        db.execute("INSERT INTO records VALUES (0, 1, x'', x'', x'', x'')", []).expect("insert");
        db.execute("INSERT INTO checkpoints VALUES (1, '', x'')", []).expect("insert");
        for change in ["UPDATE records SET at_ms = 2", "DELETE FROM records"] {
            let refused = db.execute(change, []).expect_err(change).to_string();
            assert!(refused.contains("records are never"), "{refused}");
        }
        for change in ["UPDATE checkpoints SET note = 'x'", "DELETE FROM checkpoints"] {
            db.execute(change, []).expect_err(change);
        }
        let reader = open_reader(&dir.path().join("a b?c#%.db")).expect("open");
        let count: i64 = reader.query_row("SELECT count(*) FROM records", [], |r| r.get(0)).expect("count");
        assert_eq!(count, 1);
    }
}

//! A consistent copy of a ledger's database in one file, also of one that a runtime is writing.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Copies the database to `to`, which must not exist. Files beside it (checkpoint, keys) are not copied.
///
/// # Errors
/// What SQLite says.
pub fn copy(database: &Path, to: &Path) -> Result<(), rusqlite::Error> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map(drop)
}

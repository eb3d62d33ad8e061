//! Export of the records as JSON lines, for other tools.

use crate::{rows, schema};
use foureyes_ports::ledger::Record;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::Path,
};

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger could not be read.
    #[error("failed to read the ledger: verify it")]
    Read(#[from] rusqlite::Error),
    /// The lines could not be written.
    #[error("failed to write the export")]
    Write(#[from] io::Error),
}

/// Writes each record of the database `path` as one line of JSON: `index`, `at_ms`, `prev`, `body_sha`,
/// `hash` and, as `body`, what `decode` makes of its bytes. Returns how many. Does not verify.
///
/// # Errors
/// [`ExportError`]; the lines before it are written.
pub fn export(path: &Path, out: &mut dyn Write, decode: &dyn Fn(&[u8]) -> Value) -> Result<u64, ExportError> {
    let db = schema::open_reader(path)?;
    let mut count = 0;
    let mut written = Ok(());
    rows::visit(&db, 0, u64::MAX, |record| {
        written = write_line(out, &record, decode);
        count += u64::from(written.is_ok());
        written.is_ok()
    })?;
    written.and_then(|()| out.flush())?;
    Ok(count)
}

fn write_line(out: &mut dyn Write, r: &Record, decode: &dyn Fn(&[u8]) -> Value) -> io::Result<()> {
    let line = json!({
        "index": r.index, "at_ms": r.at_ms, "prev": r.prev, "body_sha": r.body_sha, "hash": r.hash,
        "body": decode(&r.bytes),
    });
    writeln!(out, "{line}")
}

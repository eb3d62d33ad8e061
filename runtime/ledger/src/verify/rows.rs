//! The verifier's own reading of rows and its own computing of record hashes.

use super::{VerifyFailure, failed};
use rusqlite::{Connection, types::ValueRef};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// SHA-256 over a domain and parts, each behind its length in 8 bytes.
fn hash(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut input = Vec::new();
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        input.extend_from_slice(&(part.len() as u64).to_be_bytes());
        input.extend_from_slice(part);
    }
    Sha256::digest(&input).into()
}

/// What the first record of a run links to.
pub fn first_prev(run: Uuid) -> [u8; 32] {
    hash("foureyes.ledger.genesis.v1", &[run.as_bytes()])
}

/// A row of the records' table.
pub struct Row {
    pub index: u64,
    at_ms: u64,
    pub prev: [u8; 32],
    body_sha: [u8; 32],
    pub hash: [u8; 32],
    bytes: Vec<u8>,
}

impl Row {
    /// Whether digest and hash are those of the other columns.
    pub fn check(&self) -> Result<(), &'static str> {
        let body: [u8; 32] = Sha256::digest(&self.bytes).into();
        if body != self.body_sha {
            return Err("its bytes are not those of its digest");
        }
        let (index, at) = (self.index.to_be_bytes(), self.at_ms.to_be_bytes());
        let linked = hash("foureyes.ledger.record.v1", &[&index, &at, &self.prev, &self.body_sha]);
        if linked == self.hash { Ok(()) } else { Err("its hash is not that of its content") }
    }

    fn parse(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Self>> {
        let parsed = || -> Option<Self> {
            Some(Self {
                index: number(row.get_ref(0).ok()?)?,
                at_ms: number(row.get_ref(1).ok()?)?,
                prev: blob(row.get_ref(2).ok()?)?.try_into().ok()?,
                body_sha: blob(row.get_ref(3).ok()?)?.try_into().ok()?,
                hash: blob(row.get_ref(4).ok()?)?.try_into().ok()?,
                bytes: blob(row.get_ref(5).ok()?)?.to_vec(),
            })
        };
        Ok(parsed())
    }
}

fn number(value: ValueRef<'_>) -> Option<u64> {
    if let ValueRef::Integer(n) = value { Some(n.cast_unsigned()) } else { None }
}

fn blob(value: ValueRef<'_>) -> Option<&[u8]> {
    if let ValueRef::Blob(bytes) = value { Some(bytes) } else { None }
}

/// Calls `step` with every record in order.
pub fn each(
    db: &Connection,
    mut step: impl FnMut(Row) -> Result<(), VerifyFailure>,
) -> Result<(), VerifyFailure> {
    let mut select =
        db.prepare("SELECT idx, at_ms, prev, body_sha, hash, bytes FROM records ORDER BY idx ASC")?;
    let mut rows = select.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let parsed =
            Row::parse(row)?.ok_or_else(|| failed(count, "its columns are not those of a record"))?;
        step(parsed)?;
        count += 1;
    }
    Ok(())
}

/// A row of the checkpoints' table.
pub struct Stored {
    pub size: u64,
    pub note: String,
    pub frontier: Vec<u8>,
}

/// All checkpoints by size.
pub fn checkpoints(db: &Connection) -> Result<Vec<Stored>, VerifyFailure> {
    let mut select = db.prepare("SELECT size, note, frontier FROM checkpoints ORDER BY size ASC")?;
    let read = |r: &rusqlite::Row<'_>| {
        Ok(Stored { size: r.get::<_, i64>(0)?.cast_unsigned(), note: r.get(1)?, frontier: r.get(2)? })
    };
    let stored = select.query_map([], read)?.collect::<rusqlite::Result<_>>()?;
    Ok(stored)
}

/// The run that the file says it is of.
pub fn run(db: &Connection) -> Result<Uuid, VerifyFailure> {
    let bytes: Vec<u8> = db.query_row("SELECT value FROM meta WHERE name = 'run'", [], |r| r.get(0))?;
    Uuid::from_slice(&bytes).map_err(|_| failed(None, "it does not say of which run it is"))
}

//! Sealed records of the driver.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// One thing that the driver says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(crate) enum Record {
    /// The driver runs; no code of the project is loaded yet.
    Begin {},
    /// The tests to run, in order; some may be missing for files that do not import.
    Collected {
        /// `(id, file)`.
        tests: Vec<(String, Option<String>)>,
    },
    /// A file that does not import.
    Broken {
        /// The file that the error points at.
        file: Option<String>,
        /// The error.
        message: String,
    },
    /// A test begins.
    Start {
        /// Which.
        id: String,
    },
    /// A test ended.
    Result {
        /// Which.
        id: String,
        /// `passed`, `failed` or `skipped`.
        status: foureyes_protocol::testrun::TestStatus,
        /// How long it took.
        millis: u64,
        /// Why it failed.
        message: Option<String>,
    },
    /// The suite is done.
    End {},
    /// The environment lacks something.
    Env {
        /// What, and what mends it.
        message: String,
    },
}

/// The records whose seals fit, in order: each seal covers its place in the sequence, so that
/// lines can be neither repeated nor moved. Other lines are skipped.
pub(crate) fn read(stdout: &[u8], nonce: &[u8; 32]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut place = 0u64;
    for line in stdout.split(|&b| b == b'\n') {
        let Some((mac, body)) = split(line) else { continue };
        if seal(nonce, place, body) != mac {
            continue;
        }
        place += 1;
        match serde_json::from_slice(body) {
            Ok(record) => records.push(record),
            Err(error) => tracing::warn!(%error, "a sealed record of the driver is not understood"),
        }
    }
    records
}

fn split(line: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (mac, rest) = line.split_at_checked(64)?;
    let mut out = [0; 32];
    hex::decode_to_slice(mac, &mut out).ok()?;
    Some((out, rest.strip_prefix(b" ")?))
}

/// The nonce on both sides: a prefix alone would allow records to be lengthened.
fn seal(nonce: &[u8; 32], place: u64, body: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(nonce).chain_update(place.to_be_bytes());
    hash.chain_update(body).chain_update(nonce).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(nonce: &[u8; 32], place: u64, body: &str) -> String {
        format!("{} {body}\n", hex::encode(seal(nonce, place, body.as_bytes())))
    }

    #[test]
    fn forged_moved_and_repeated_records_are_not_read() {
        let nonce = [7; 32];
        let (start, end) = (r#"{"t":"start","id":"a"}"#, r#"{"t":"end"}"#);
        let first = line(&nonce, 0, start);
        let stream = [
            "noise\n".to_owned(),
            line(&[8; 32], 0, end),
            line(&nonce, 1, end),
            first.clone(),
            first.replace('a', "b"),
            first.clone(),
            line(&nonce, 1, end),
        ]
        .concat();
        let want = [Record::Start { id: "a".to_owned() }, Record::End {}];
        assert_eq!(read(stream.as_bytes(), &nonce), want);
    }
}

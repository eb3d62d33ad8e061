//! References to what is stored by content outside the ledger.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// A piece of evidence: what it is, for people, and the digest under which its bytes lie in the
/// artefact store (or, where `what` says so, of a git object).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRef {
    /// What it is: `baseline`, `red run`, `diff`, `spec`…
    pub what: String,
    /// Its digest.
    pub digest: Digest,
}

/// A file of the change whose bytes are fixed from RED on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AdmittedFile {
    /// Path relative to the root.
    pub path: String,
    /// Git blob id of the admitted bytes. For a source file with inline tests: the SHA-256 of its
    /// test items, since the rest of the file may change.
    pub blob: String,
    /// Whether only the inline test items of the file are admitted.
    pub inline: bool,
}

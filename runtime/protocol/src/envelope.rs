//! The envelope: all that principals say to each other and all that the runtime decides.

use crate::{
    body::{Body, Kind},
    canonical::{self, CanonicalError},
    digest::Digest,
    ids::{Address, FeatureId, MessageId, PrincipalId, RunId},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format version that this program writes, and the only one that it reads.
pub const VERSION: u8 = 1;
/// The default limit of an envelope's bytes: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;

/// How urgent. Ordered: LOW < NORMAL < HIGH < CRITICAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Priority {
    /// Status.
    Low,
    /// Sign-off, review, lock.
    Normal,
    /// Gates, tertiary reviews.
    High,
    /// Freeze, security alert, the user's decision.
    Critical,
}

/// Where content comes from. Combining content unites the labels: it only ever gets less trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The person said it.
    User,
    /// An agent said it.
    Agent,
    /// A tool printed it.
    ToolOutput,
    /// It was fetched from the web.
    Web,
    /// It stands in a file of a repository.
    RepoFile,
}

/// An envelope. The fields stand in the order of their canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Format version, [`VERSION`].
    pub v: u8,
    /// The state directory's life.
    pub run: RunId,
    /// The runtime's life.
    pub epoch: u64,
    /// For people and for de-duplication.
    pub id: MessageId,
    /// The authenticated sender.
    pub from: PrincipalId,
    /// The receiver.
    pub to: Address,
    /// The kind; always that of the body.
    pub kind: Kind,
    /// The feature concerned.
    pub feature: Option<FeatureId>,
    /// The first message of the conversation.
    pub thread: Option<MessageId>,
    /// The message that this one answers.
    pub in_reply_to: Option<MessageId>,
    /// 1, 2, 3… for each sender within an epoch.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub sent_at: u64,
    /// When it stops to count, milliseconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// How urgent.
    pub priority: Priority,
    /// Where the content comes from.
    pub labels: BTreeSet<Label>,
    /// What it says.
    pub body: Body,
}

/// Canonical bytes with their SHA-256: shared, not copied, verified by whoever acts on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The canonical bytes.
    pub bytes: Bytes,
    /// SHA-256 of the bytes.
    pub hash: Digest,
}

/// Why a sealed envelope cannot be opened.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// The hash belongs to other bytes.
    #[error("the hash does not match the bytes")]
    Hash,
    /// The version is unknown.
    #[error("format version {0} is not supported (this program reads {VERSION})")]
    Version(u8),
    /// The kind is not that of the body.
    #[error("kind {0} stands over a body of kind {1}")]
    Kind(Kind, Kind),
    /// The bytes are not canonical.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl Envelope {
    /// Encodes and hashes.
    pub fn seal(&self) -> Sealed {
        let bytes = Bytes::from(canonical::to_bytes(self));
        let hash = Digest::of(&bytes);
        Sealed { bytes, hash }
    }

    /// Whether it no longer counts at `now_ms`.
    pub fn expired(&self, now_ms: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now_ms)
    }
}

impl Sealed {
    /// Bytes with the hash that they really have.
    pub fn of_bytes(bytes: Bytes) -> Self {
        let hash = Digest::of(&bytes);
        Self { bytes, hash }
    }

    /// Verifies the hash and decodes strictly.
    ///
    /// # Errors
    /// [`OpenError`]; size is checked before anything else, the hash before decoding.
    pub fn open(&self, limit: usize) -> Result<Envelope, OpenError> {
        if self.bytes.len() > limit {
            return Err(CanonicalError::TooLarge { found: self.bytes.len(), limit }.into());
        }
        if Digest::of(&self.bytes) != self.hash {
            return Err(OpenError::Hash);
        }
        if let Some(version) = peek_version(&self.bytes).filter(|v| *v != VERSION) {
            return Err(OpenError::Version(version));
        }
        let envelope: Envelope = canonical::from_bytes(&self.bytes, limit)?;
        match envelope.body.kind() {
            kind if kind == envelope.kind => Ok(envelope),
            kind => Err(OpenError::Kind(envelope.kind, kind)),
        }
    }
}

/// The version, which stands first, read without decoding the rest: a later version may have fields
/// that this program does not know.
fn peek_version(bytes: &[u8]) -> Option<u8> {
    let map = *bytes.first()?;
    let after_map = match map {
        0x80..=0x8f => 1,
        0xde => 3,
        _ => return None,
    };
    let rest = bytes.get(after_map..)?;
    match rest {
        [0xa1, b'v', version @ 0..=0x7f, ..] => Some(*version),
        [0xa1, b'v', 0xcc, version, ..] => Some(*version),
        _ => None,
    }
}

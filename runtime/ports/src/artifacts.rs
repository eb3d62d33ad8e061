//! The store of bulk that is no message (diffs, test output, specs): named by content.

use bytes::Bytes;
use foureyes_protocol::Digest;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The most bytes that one artefact may have (64 MiB).
pub const MAX_ARTIFACT_BYTES: usize = 64 << 20;

/// Why an artefact could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is larger than [`MAX_ARTIFACT_BYTES`].
    #[error("an artefact of {size} bytes is over the limit of {MAX_ARTIFACT_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// What is stored under this name has another content.
    #[error("artefact {digest} is damaged: its content has another digest")]
    Damaged {
        /// The name.
        digest: Digest,
    },
    /// The disk.
    #[error("failed to {what} artefact {digest}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The name.
        digest: Digest,
        /// The disk's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A content-addressed store. Both calls may block for the disk.
pub trait ArtifactStore: Send + Sync {
    /// Stores `bytes`, durably, and returns their name. Storing the same again does nothing (and
    /// mends a damaged copy).
    ///
    /// # Errors
    /// [`ArtifactError`] when too large or when the disk fails; nothing is half-stored.
    fn put(&self, bytes: &[u8]) -> Result<Digest, ArtifactError>;

    /// The bytes of that name, verified against it; none if there are none.
    ///
    /// # Errors
    /// [`ArtifactError::Damaged`] if the content has changed, or the disk's error.
    fn get(&self, digest: &Digest) -> Result<Option<Bytes>, ArtifactError>;
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryArtifacts(Mutex<HashMap<Digest, Bytes>>);

impl ArtifactStore for MemoryArtifacts {
    fn put(&self, bytes: &[u8]) -> Result<Digest, ArtifactError> {
        within_limit(bytes.len() as u64)?;
        let digest = Digest::of(bytes);
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.entry(digest).or_insert_with(|| Bytes::copy_from_slice(bytes));
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> Result<Option<Bytes>, ArtifactError> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(map.get(digest).cloned())
    }
}

/// Refuses what is larger than [`MAX_ARTIFACT_BYTES`].
///
/// # Errors
/// [`ArtifactError::TooLarge`].
pub fn within_limit(size: u64) -> Result<(), ArtifactError> {
    if size > MAX_ARTIFACT_BYTES as u64 { Err(ArtifactError::TooLarge { size }) } else { Ok(()) }
}

/// What every store must do, as a battery. Panics at the first breach.
pub fn conformance(store: &dyn ArtifactStore) {
    let absent = store.get(&Digest::of(b"never stored")).expect("get");
    assert_eq!(absent, None);
    for content in [b"".as_slice(), b"a", &[0xff; 100_000]] {
        let digest = store.put(content).expect("put");
        assert_eq!(digest, Digest::of(content));
        assert_eq!(store.put(content).expect("put again"), digest);
        assert_eq!(store.get(&digest).expect("get").as_deref(), Some(content));
    }
    let size = MAX_ARTIFACT_BYTES as u64 + 1;
    let refused = store.put(&vec![0; MAX_ARTIFACT_BYTES + 1]);
    assert!(matches!(refused, Err(ArtifactError::TooLarge { size: s }) if s == size));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_conforms() {
        conformance(&MemoryArtifacts::default());
    }
}

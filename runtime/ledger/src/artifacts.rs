//! Artefacts as files: `<folder>/ab/cdef…`, named by their digest.

use crate::files;
use bytes::Bytes;
use foureyes_ports::artifacts::{ArtifactError, ArtifactStore, within_limit};
use foureyes_protocol::Digest;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// A store in a folder. Several processes may share it: files appear whole and are never changed.
#[derive(Clone, Debug)]
pub struct FileArtifacts(PathBuf);

impl FileArtifacts {
    /// The store in `dir`, which is made if there is none.
    ///
    /// # Errors
    /// The disk's error.
    pub fn open(dir: &Path) -> io::Result<Self> {
        files::create_dir(dir)?;
        Ok(Self(dir.to_owned()))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.0.join(&name[..2]).join(&name[2..])
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let shard = path.parent().unwrap_or(&self.0);
        if !shard.exists() {
            files::create_dir(shard)?;
            File::open(&self.0)?.sync_all()?;
        }
        files::write_atomically(path, bytes)
    }

    /// Refuses by its size before it is read what cannot be one of ours.
    fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => within_limit(metadata.map_err(Failure::Io)?.len()).map_err(|_| Failure::TooLarge)?,
        }
        fs::read(path).map(Some).map_err(Failure::Io)
    }
}

enum Failure {
    Io(io::Error),
    TooLarge,
}

impl ArtifactStore for FileArtifacts {
    fn put(&self, bytes: &[u8]) -> Result<Digest, ArtifactError> {
        within_limit(bytes.len() as u64)?;
        let digest = Digest::of(bytes);
        // What is there already is checked, not only its name: a damaged copy is written anew.
        if matches!(self.get(&digest), Ok(Some(_))) {
            return Ok(digest);
        }
        let written = self.write(&self.path(&digest), bytes);
        written.map_err(|source| ArtifactError::Io { what: "store", digest, source })?;
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> Result<Option<Bytes>, ArtifactError> {
        let digest = *digest;
        match Self::read(&self.path(&digest)) {
            Ok(Some(bytes)) if Digest::of(&bytes) == digest => Ok(Some(bytes.into())),
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(Failure::TooLarge) => Err(ArtifactError::Damaged { digest }),
            Err(Failure::Io(source)) => Err(ArtifactError::Io { what: "read", digest, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::artifacts::{MAX_ARTIFACT_BYTES, conformance};
    use std::os::unix::fs::PermissionsExt as _;

    fn store() -> (tempfile::TempDir, FileArtifacts) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = FileArtifacts::open(&dir.path().join("artifacts")).expect("open");
        (dir, store)
    }

    #[test]
    fn conforms() {
        conformance(&store().1);
    }

    #[test]
    fn damage_is_told_and_mended_by_storing_again() {
        let (_dir, store) = store();
        let digest = store.put(b"content").expect("put");
        let path = store.path(&digest);
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"other").expect("write");
        assert!(matches!(store.get(&digest), Err(ArtifactError::Damaged { .. })));
        let huge = fs::OpenOptions::new().write(true).open(&path).expect("open");
        huge.set_len(MAX_ARTIFACT_BYTES as u64 + 1).expect("grow");
        assert!(matches!(store.get(&digest), Err(ArtifactError::Damaged { .. })));
        store.put(b"content").expect("put again");
        assert_eq!(store.get(&digest).expect("get").as_deref(), Some(b"content".as_slice()));
    }

    #[test]
    fn many_may_store_the_same_at_once() {
        let (_dir, store) = store();
        let put = || {
            for i in 0..20u8 {
                store.put(&[i; 1000]).expect("put");
            }
        };
        std::thread::scope(|s| (0..4).for_each(|_| drop(s.spawn(put))));
        for i in 0..20u8 {
            let stored = store.get(&Digest::of(&[i; 1000])).expect("get");
            assert_eq!(stored.as_deref(), Some([i; 1000].as_slice()));
        }
    }
}

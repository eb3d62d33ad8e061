//! The key that signs checkpoints: made at the first start, kept for the owner only.

use crate::{checkpoint::verifier_key, files};
use foureyes_protocol::RunId;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("failed to read or write the ledger's key {path}")]
    Io {
        /// The key file.
        path: PathBuf,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// Others may read it, or it belongs to somebody else.
    #[error("the ledger's key {path} is open to others: chmod 600 it, and check who has read it")]
    Open {
        /// The key file.
        path: PathBuf,
    },
    /// The file is no key.
    #[error("the ledger's key {path} is damaged: restore it from a copy")]
    Damaged {
        /// The key file.
        path: PathBuf,
    },
    /// The ledger has records but its key is gone.
    #[error("the ledger's key {path} is missing: restore it from a copy")]
    Missing {
        /// The key file.
        path: PathBuf,
    },
}

/// Makes a new key for `run` and stores it with its public half.
pub fn create(state: &files::StateFiles, run: RunId) -> Result<Ed25519KeyPair, KeyError> {
    let path = state.private_key();
    let damaged = || KeyError::Damaged { path: path.clone() };
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| damaged())?;
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| damaged())?;
    let public = verifier_key(run, key.public_key().as_ref()) + "\n";
    files::create_dir(&state.keys())
        .and_then(|()| files::write_atomically(&path, document.as_ref()))
        .and_then(|()| files::write_atomically(&state.public_key(), public.as_bytes()))
        .map_err(|source| KeyError::Io { path: path.clone(), source })?;
    Ok(key)
}

/// Loads the key.
pub fn load(state: &files::StateFiles) -> Result<Ed25519KeyPair, KeyError> {
    let path = state.private_key();
    let bytes = read_private(&path)?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| KeyError::Damaged { path })
}

fn read_private(path: &Path) -> Result<Vec<u8>, KeyError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned() },
        _ => KeyError::Io { path: path.to_owned(), source },
    };
    let metadata = fs::metadata(path).map_err(fail)?;
    let foreign = metadata.uid() != nix::unistd::geteuid().as_raw();
    if foreign || metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned() });
    }
    fs::read(path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn comes_back_and_refuses_open_or_damaged_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = files::StateFiles::in_dir(dir.path());
        assert!(matches!(load(&state), Err(KeyError::Missing { .. })));
        let made = create(&state, RunId(Uuid::nil())).expect("create");
        let loaded = load(&state).expect("load");
        assert_eq!(made.public_key().as_ref(), loaded.public_key().as_ref());
        let path = state.private_key();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(load(&state), Err(KeyError::Open { .. })));
        fs::write(&path, b"no key").expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        assert!(matches!(load(&state), Err(KeyError::Damaged { .. })));
    }
}

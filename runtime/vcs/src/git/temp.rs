//! Private scratch directories inside the state directory.

use super::{GitRepository, command::io_error, private_dir};
use foureyes_ports::vcs::Result;
use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A directory that goes away with its value.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl GitRepository {
    /// A fresh private directory, on the file system of the repository.
    pub(super) fn temp_dir(&self) -> Result<TempDir> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = self.state.join("tmp").join(format!("{}-{number}", process::id()));
        private_dir(&dir)?;
        Ok(TempDir(dir))
    }

    /// Removes what an earlier process left. One process at a time owns a state directory; what
    /// this process itself has open stays.
    pub(super) fn empty_temp(&self) -> Result<()> {
        let tmp = self.state.join("tmp");
        private_dir(&tmp)?;
        let mine = format!("{}-", process::id());
        let entries = fs::read_dir(&tmp).map_err(|e| io_error("reading the scratch directory", e))?;
        for entry in entries.flatten().filter(|e| !e.file_name().to_string_lossy().starts_with(&mine)) {
            fs::remove_dir_all(entry.path()).map_err(|e| io_error("emptying the scratch directory", e))?;
        }
        Ok(())
    }
}

//! What a player remembers over restarts, as small files in its home directory.

use serde_json::Value;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Their directory below the home directory.
pub(crate) const MARKS: &str = ".agents-play";

/// Marks and notes below one directory.
#[derive(Clone, Debug)]
pub(super) struct Marks(PathBuf);

impl Marks {
    pub(super) fn below(home: &Path) -> Self {
        Self(home.join(MARKS))
    }

    /// Leaves the mark; whether it was new. It is on disk before this returns, so that what follows
    /// is never begun twice.
    pub(super) fn leave(&self, name: &str) -> io::Result<bool> {
        fs::create_dir_all(&self.0)?;
        match fs::File::create_new(self.0.join(file_name(name))) {
            Ok(mark) => mark.sync_all().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.join(file_name(name)).exists()
    }

    /// Keeps something under a name.
    pub(super) fn note(&self, name: &str, what: &Value) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        fs::write(self.0.join(file_name(name)), what.to_string())
    }

    /// What was kept under a name.
    pub(super) fn noted(&self, name: &str) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.0.join(file_name(name))).ok()?).ok()
    }
}

/// The name without anything that means something in a path.
pub(crate) fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

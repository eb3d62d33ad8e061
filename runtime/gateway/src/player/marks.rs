//! What a player remembers over restarts, as small files in its home directory.

use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Marks and notes below one directory.
#[derive(Clone, Debug)]
pub(super) struct Marks(PathBuf);

impl Marks {
    pub(super) fn below(home: &Path) -> Self {
        Self(home.join(".agents-play"))
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

    /// Keeps what a question was about, for its answer.
    pub(super) fn note_question(&self, id: &str, feature: &str, title: &str, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let note = json!({"feature": feature, "title": title, "text": text});
        fs::write(self.question(id), note.to_string())
    }

    /// What a question was about.
    pub(super) fn noted_question(&self, id: &str) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.question(id)).ok()?).ok()
    }

    fn question(&self, id: &str) -> PathBuf {
        self.0.join(file_name(&format!("question-{id}")))
    }
}

/// The name without anything that means something in a path.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

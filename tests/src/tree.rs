//! Files below a directory: what they are, and where a text stands in them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// A file as it was found: its content, its mode and when it was changed.
pub type Found = (Vec<u8>, u32, i64, i64);

/// Every file below `dir`. Links are not followed.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(dir, &mut found);
    found
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    // Files come and go while a team works.
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()) {
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => walk(&path, found),
            Ok(meta) if meta.is_file() => found.push(path),
            _ => {}
        }
    }
}

/// Every file below `dir` with what is in it.
///
/// # Panics
/// When one cannot be read.
pub fn picture(dir: &Path) -> BTreeMap<PathBuf, Found> {
    let look = |path: PathBuf| {
        let meta = path.metadata().expect("a file");
        let content = fs::read(&path).expect("a file");
        (path, (content, meta.mode(), meta.mtime(), meta.mtime_nsec()))
    };
    files(dir).into_iter().map(look).collect()
}

/// Files below `dir` that hold these bytes.
///
/// # Panics
/// When there is no grep.
pub fn holding(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--files-with-matches", "--fixed-strings", "--text", "--no-messages", "-e"]);
    let output = grep.arg(text).arg(dir).env("LC_ALL", "C").output().expect("grep starts");
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect()
}

/// Files below `dir` whose name holds `mark`.
pub fn named(dir: &Path, mark: &str) -> Vec<PathBuf> {
    let is = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().contains(mark));
    files(dir).into_iter().filter(is).collect()
}

/// Whether the bytes hold this text.
pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

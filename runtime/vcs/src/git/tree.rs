//! Listing trees and composing new ones.

use super::{
    GitRepository,
    command::{GitCommand, io_error, malformed},
    parse_id,
    shape::unsafe_path,
    temp::TempDir,
};
use foureyes_ports::vcs::{NewBlob, Result, TreeEntry, VcsError};
use foureyes_protocol::CommitId;
use std::{collections::BTreeMap, fs};

/// The fields of `-z` output.
pub(super) struct Fields<'a>(std::slice::Split<'a, u8, fn(&u8) -> bool>);

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.split(|b| *b == 0))
    }

    /// The next field, which must be a path.
    pub fn path(&mut self) -> Result<String> {
        let field = self.next().ok_or_else(|| malformed("output of git", b"a path is missing"))?;
        utf8_path(field)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.next()
    }
}

/// A path of a tree as text.
pub(super) fn utf8_path(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| VcsError::UnsafePath {
        path: String::from_utf8_lossy(bytes).into_owned(),
        why: "it is not UTF-8",
    })
}

/// Refuses a path that leaves the tree or names a repository's own files.
pub(super) fn check_path(path: &str) -> Result<()> {
    match unsafe_path(path) {
        Some(why) => Err(VcsError::UnsafePath { path: path.to_owned(), why }),
        None => Ok(()),
    }
}

/// A temporary index, with the directory that holds it.
struct Index<'r> {
    repository: &'r GitRepository,
    dir: TempDir,
}

impl Index<'_> {
    fn git(&self, subcommand: &str) -> GitCommand {
        self.repository.git(subcommand).env("GIT_INDEX_FILE", self.dir.path().join("index"))
    }

    /// The tree that comes of `base` with these edits (mode 0 removes).
    fn write(&self, base: &CommitId, edits: &[TreeEntry], removed: &[&str]) -> Result<CommitId> {
        self.git("read-tree").arg(base.as_str()).run()?;
        let zero = "0".repeat(base.as_str().len());
        let gone = removed.iter().map(|path| format!("0 {zero}\t{path}\0"));
        let put = edits.iter().map(|e| format!("{:06o} {}\t{}\0", e.mode, e.id, e.path));
        let input: String = gone.chain(put).collect();
        self.git("update-index").args(["--replace", "-z", "--index-info"]).input(input.into_bytes()).run()?;
        parse_id(&self.git("write-tree").line()?)
    }
}

impl GitRepository {
    fn temp_index(&self) -> Result<Index<'_>> {
        Ok(Index { repository: self, dir: self.temp_dir()? })
    }

    /// All files, sorted by path.
    pub(super) fn list(&self, tree: &CommitId) -> Result<Vec<TreeEntry>> {
        let out = self.git("ls-tree").args(["-r", "-z", "--full-tree", tree.as_str()]).run()?;
        let mut fields = Fields::new(&out).filter(|field| !field.is_empty());
        let mut entries: Vec<TreeEntry> = fields.by_ref().map(parse_entry).collect::<Result<_>>()?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// `base` with the given paths as in `overlay`.
    pub(super) fn compose(&self, base: &CommitId, overlay: &CommitId, paths: &[String]) -> Result<CommitId> {
        paths.iter().try_for_each(|path| check_path(path))?;
        let there: BTreeMap<String, TreeEntry> =
            self.list(overlay)?.into_iter().map(|e| (e.path.clone(), e)).collect();
        let edits: Vec<TreeEntry> = paths.iter().filter_map(|p| there.get(p).cloned()).collect();
        let removed: Vec<&str> =
            paths.iter().filter(|p| !there.contains_key(*p)).map(String::as_str).collect();
        self.temp_index()?.write(base, &edits, &removed)
    }

    /// `base` with these files.
    pub(super) fn compose_blobs(&self, base: &CommitId, blobs: &[NewBlob]) -> Result<CommitId> {
        blobs.iter().try_for_each(|blob| check_path(&blob.path))?;
        let index = self.temp_index()?;
        let ids = self.write_blobs(&index.dir, blobs)?;
        let entry =
            |(blob, id): (&NewBlob, CommitId)| TreeEntry { path: blob.path.clone(), mode: blob.mode, id };
        let edits: Vec<TreeEntry> = blobs.iter().zip(ids).map(entry).collect();
        index.write(base, &edits, &[])
    }

    /// Writes contents as blobs, all through one process that reads them from files.
    fn write_blobs(&self, dir: &TempDir, blobs: &[NewBlob]) -> Result<Vec<CommitId>> {
        let mut input = Vec::new();
        for (number, blob) in blobs.iter().enumerate() {
            let path = dir.path().join(format!("blob-{number}"));
            fs::write(&path, &blob.content).map_err(|e| io_error("writing a temporary file", e))?;
            input.extend_from_slice(path.as_os_str().as_encoded_bytes());
            input.push(b'\n');
        }
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let text =
            self.git("hash-object").args(["-w", "--no-filters", "--stdin-paths"]).input(input).line()?;
        text.lines().map(parse_id).collect()
    }
}

/// `<mode> <kind> <id> TAB <path>`.
fn parse_entry(field: &[u8]) -> Result<TreeEntry> {
    let bad = || malformed("output of git ls-tree", field);
    let tab = field.iter().position(|b| *b == b'\t').ok_or_else(bad)?;
    let head = std::str::from_utf8(&field[..tab]).map_err(|_| bad())?;
    let [mode, _, id] = head.split(' ').collect::<Vec<_>>()[..] else { return Err(bad()) };
    let mode = u32::from_str_radix(mode, 8).map_err(|_| bad())?;
    Ok(TreeEntry { path: utf8_path(&field[tab + 1..])?, mode, id: parse_id(id)? })
}

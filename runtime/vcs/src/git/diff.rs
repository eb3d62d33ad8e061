//! Raw differences of two trees and their text. Attributes never count: none are read.

use super::{
    GitRepository,
    command::{GitCommand, malformed},
    tree::{self, Fields},
};
use foureyes_ports::vcs::{DiffText, Result};
use foureyes_protocol::CommitId;
use std::collections::HashMap;

/// One raw difference, as git prints it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawChange {
    pub old_mode: u32,
    pub new_mode: u32,
    pub old_blob: String,
    pub new_blob: String,
    pub letter: u8,
    pub old_path: Option<String>,
    pub path: String,
}

/// Lines added and deleted by path; none where git takes the file for binary.
pub(super) type Counts = HashMap<String, Option<(u64, u64)>>;

impl GitRepository {
    /// A `diff-tree` that depends on the two trees alone.
    fn diff_tree(&self, base: &CommitId, head: &CommitId) -> GitCommand {
        self.git("diff-tree").args([
            "-r",
            "-M50%",
            "-l2000",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--full-index",
            "--diff-algorithm=myers",
            "--ignore-submodules=none",
            "--submodule=short",
            "--no-relative",
            base.as_str(),
            head.as_str(),
        ])
    }

    /// The differences of two trees with their line counts.
    pub(super) fn raw_changes(&self, base: &CommitId, head: &CommitId) -> Result<(Vec<RawChange>, Counts)> {
        let out = self.diff_tree(base, head).args(["--raw", "--numstat", "-z", "--"]).run()?;
        parse_raw(&out)
    }

    /// The text of a difference.
    pub(super) fn diff(
        &self,
        base: &CommitId,
        head: &CommitId,
        paths: &[String],
        cap: usize,
    ) -> Result<DiffText> {
        paths.iter().try_for_each(|path| tree::check_path(path))?;
        let command = self.diff_tree(base, head).args(["-p", "--src-prefix=a/", "--dst-prefix=b/", "--"]);
        let output = command.args(paths).truncate_at(cap).output()?;
        if !output.truncated && !output.status.success() {
            return Err(super::command::failed("diff-tree", &output));
        }
        Ok(DiffText {
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            truncated: output.truncated,
        })
    }
}

/// Raw records (`:modes blobs letter`, NUL, paths), then counts (`added TAB deleted TAB path`).
fn parse_raw(out: &[u8]) -> Result<(Vec<RawChange>, Counts)> {
    let mut fields = Fields::new(out);
    let (mut changes, mut counts) = (Vec::new(), Counts::new());
    while let Some(field) = fields.next() {
        if let Some(record) = field.strip_prefix(b":") {
            changes.push(parse_record(record, &mut fields)?);
        } else if !field.is_empty() {
            let (path, count) = parse_count(field, &mut fields)?;
            counts.insert(path, count);
        }
    }
    Ok((changes, counts))
}

fn parse_record(record: &[u8], fields: &mut Fields<'_>) -> Result<RawChange> {
    let bad = || malformed("output of git diff-tree", record);
    let text = std::str::from_utf8(record).map_err(|_| bad())?;
    let [old_mode, new_mode, old_blob, new_blob, letter] = text.split(' ').collect::<Vec<_>>()[..] else {
        return Err(bad());
    };
    let letter = *letter.as_bytes().first().ok_or_else(bad)?;
    let first = fields.path()?;
    let (old_path, path) = if letter == b'R' { (Some(first), fields.path()?) } else { (None, first) };
    let mode = |text| u32::from_str_radix(text, 8).map_err(|_| bad());
    let (old_mode, new_mode) = (mode(old_mode)?, mode(new_mode)?);
    let (old_blob, new_blob) = (old_blob.to_owned(), new_blob.to_owned());
    Ok(RawChange { old_mode, new_mode, old_blob, new_blob, letter, old_path, path })
}

fn parse_count(field: &[u8], fields: &mut Fields<'_>) -> Result<(String, Option<(u64, u64)>)> {
    let bad = || malformed("counts of git diff-tree", field);
    let mut parts = field.splitn(3, |b| *b == b'\t');
    let (Some(added), Some(deleted), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad());
    };
    let path = if path.is_empty() {
        fields.path()?;
        fields.path()?
    } else {
        tree::utf8_path(path)?
    };
    let number = |b: &[u8]| std::str::from_utf8(b).ok().and_then(|t| t.parse().ok());
    let count = match (added, deleted) {
        (b"-", b"-") => None,
        _ => Some((number(added).ok_or_else(bad)?, number(deleted).ok_or_else(bad)?)),
    };
    Ok((path, count))
}

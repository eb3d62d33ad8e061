//! What is about to be committed, read from the index.

use crate::{HookError, git::Repository};
use foureyes_protocol::{
    ChangeSummary, CommitId, FileChange,
    change::{FileStatus, MODE_SUBMODULE},
};
use std::collections::HashMap;

/// git's options that keep its output plain, whatever the person's settings are.
const PLAIN: [&str; 6] = [
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--find-renames",
    "--no-relative",
    "--ignore-submodules=none",
];

/// A line that the change adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddedLine {
    /// Its number in the file, from 1.
    pub(crate) number: u64,
    /// Its text, without its end.
    pub(crate) text: String,
}

/// The index against one commit or tree.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    /// The changed files, sorted by path.
    pub(crate) files: Vec<FileChange>,
    /// The added lines of each text file, by path.
    pub(crate) added: HashMap<String, Vec<AddedLine>>,
}

impl Staged {
    /// Reads the change from `base` to the index.
    pub(crate) fn read(repository: &Repository, base: &str) -> Result<Self, HookError> {
        let mut args = vec!["diff", "--cached", "--raw", "--numstat", "-z", "--no-abbrev"];
        args.extend(PLAIN);
        args.push(base);
        let mut files = parse(&String::from_utf8_lossy(&repository.run(&args)?));
        let mut added = HashMap::new();
        for file in files.iter_mut().filter(|file| has_text(file)) {
            let lines = added_lines(repository, base, file)?;
            file.widest_line = lines.iter().map(|line| line.text.len() as u64).max().unwrap_or(0);
            added.insert(file.path.clone(), lines);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files, added })
    }

    /// The same as the rules take it. Who contributed is not known before the push.
    pub(crate) fn summary(&self) -> ChangeSummary {
        // The rules that are asked here look at files alone; the index has no commit yet.
        let none = nothing();
        ChangeSummary {
            base: none.clone(),
            base_tree: none.clone(),
            head: none.clone(),
            head_tree: none,
            files: self.files.clone(),
            contributors: Vec::new(),
        }
    }
}

/// git's own id for "no object".
fn nothing() -> CommitId {
    // Forty zeros are forty hexadecimal digits, which is all that is checked.
    CommitId::new(&"0".repeat(40)).expect("forty hexadecimal digits are an id")
}

fn has_text(file: &FileChange) -> bool {
    !file.binary && file.added > 0 && file.new_mode != MODE_SUBMODULE
}

/// `--raw -z` records (`:modes blobs status`, then one path or two), then `--numstat -z` records.
fn parse(output: &str) -> Vec<FileChange> {
    let mut files: Vec<FileChange> = Vec::new();
    let mut tokens = output.split('\0').filter(|token| !token.is_empty());
    while let Some(token) = tokens.next() {
        if let Some(record) = token.strip_prefix(':') {
            files.extend(raw(record, &mut tokens));
        } else {
            count(&mut files, token, &mut tokens);
        }
    }
    files
}

fn raw<'a>(record: &str, tokens: &mut impl Iterator<Item = &'a str>) -> Option<FileChange> {
    let fields: Vec<&str> = record.split(' ').collect();
    let [old_mode, new_mode, old_blob, new_blob, letter] = fields[..] else { return None };
    let status = match letter.as_bytes().first()? {
        b'A' => FileStatus::Added,
        b'D' => FileStatus::Deleted,
        b'R' => FileStatus::Renamed,
        _ => FileStatus::Modified,
    };
    let first = tokens.next()?.to_owned();
    let (path, old_path) = match status {
        FileStatus::Renamed => (tokens.next()?.to_owned(), Some(first)),
        _ => (first, None),
    };
    let mode = |octal: &str| u32::from_str_radix(octal, 8).unwrap_or(0);
    let blob = |mode: u32, id: &str| (mode != 0).then(|| id.to_owned());
    let (old_mode, new_mode) = (mode(old_mode), mode(new_mode));
    let (old_blob, new_blob) = (blob(old_mode, old_blob), blob(new_mode, new_blob));
    let counted = (0, 0, false, 0);
    let (added, deleted, binary, widest_line) = counted;
    Some(FileChange {
        path,
        old_path,
        status,
        old_mode,
        new_mode,
        old_blob,
        new_blob,
        added,
        deleted,
        binary,
        widest_line,
    })
}

/// `added TAB deleted TAB path`, with an empty path and two more tokens for a rename; `-` for binary.
fn count<'a>(files: &mut [FileChange], record: &str, tokens: &mut impl Iterator<Item = &'a str>) {
    let mut fields = record.splitn(3, '\t');
    let (added, deleted) = (fields.next().unwrap_or("-"), fields.next().unwrap_or("-"));
    let path = match fields.next() {
        Some("") => tokens.nth(1),
        path => path,
    };
    let Some(file) = files.iter_mut().find(|file| Some(file.path.as_str()) == path) else { return };
    file.binary = added == "-";
    file.added = added.parse().unwrap_or(0);
    file.deleted = deleted.parse().unwrap_or(0);
}

fn added_lines(repository: &Repository, base: &str, file: &FileChange) -> Result<Vec<AddedLine>, HookError> {
    let mut args = vec!["diff", "--cached", "--unified=0"];
    args.extend(PLAIN);
    args.extend([base, "--"]);
    let names: Vec<String> =
        file.old_path.iter().chain([&file.path]).map(|path| format!(":(top,literal){path}")).collect();
    args.extend(names.iter().map(String::as_str));
    Ok(added_of(&String::from_utf8_lossy(&repository.run(&args)?)))
}

/// The `+` lines of the hunks of one file's patch.
fn added_of(patch: &str) -> Vec<AddedLine> {
    let mut lines = Vec::new();
    let mut number = None;
    for line in patch.split('\n') {
        if let Some(start) = hunk_start(line) {
            number = Some(start);
        } else if let (Some(at), Some(text)) = (number.as_mut(), line.strip_prefix('+')) {
            lines.push(AddedLine { number: *at, text: text.trim_end_matches('\r').to_owned() });
            *at += 1;
        }
    }
    lines
}

/// `@@ -1,2 +3,4 @@`: 3.
fn hunk_start(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    rest.split([',', ' ']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_every_kind() {
        let id = "1".repeat(40);
        let output = format!(
            ":000000 100644 {id} {id} A\0a b.py\0:100644 100755 {id} {id} M\0m\0:100644 000000 {id} {id} D\0d\0\
             :100644 100644 {id} {id} R090\0old\0new\0\
             5\t0\ta b.py\0-\t-\tm\x000\t7\td\x001\t2\t\0old\0new\0"
        );
        let files = parse(&output);
        let seen: Vec<_> =
            files.iter().map(|f| (f.path.as_str(), f.status, f.added, f.deleted, f.binary)).collect();
        assert_eq!(
            seen,
            [
                ("a b.py", FileStatus::Added, 5, 0, false),
                ("m", FileStatus::Modified, 0, 0, true),
                ("d", FileStatus::Deleted, 0, 7, false),
                ("new", FileStatus::Renamed, 1, 2, false),
            ]
        );
        assert_eq!(files[0].old_blob, None);
        assert!(files[1].mode_changed());
        assert_eq!(files[3].old_path.as_deref(), Some("old"));
    }

    #[test]
    fn added_lines_have_their_numbers() {
        let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,0 +2,2 @@\n+one\n+++two\r\n@@ -9 +12 @@ fn\n-old\n+new\n";
        let lines: Vec<(u64, String)> = added_of(patch).into_iter().map(|l| (l.number, l.text)).collect();
        assert_eq!(lines, [(2, "one".into()), (3, "++two".into()), (12, "new".into())]);
    }
}

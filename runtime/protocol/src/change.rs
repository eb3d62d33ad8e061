//! What a change is, computed from raw git objects: the facts that size, risk, kind and approvals
//! are judged on.

use crate::{digest::Digest, ids::CommitId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What happened to a path between two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// New.
    Added,
    /// Content or mode differs.
    Modified,
    /// Gone.
    Deleted,
    /// Moved, perhaps edited; [`FileChange::old_path`] names the source.
    Renamed,
}

/// One path of a change. Modes are git's octal numbers (`0o100644` = 33188; 0 where absent).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The path after the change (before it, for a deletion), `/`-separated, relative to the root.
    pub path: String,
    /// The path before, for a rename.
    pub old_path: Option<String>,
    /// What happened.
    pub status: FileStatus,
    /// Mode before; 0 for an added file.
    pub old_mode: u32,
    /// Mode after; 0 for a deleted file.
    pub new_mode: u32,
    /// Blob before, absent for an added file.
    pub old_blob: Option<String>,
    /// Blob after, absent for a deleted file.
    pub new_blob: Option<String>,
    /// Lines added (0 for a binary file).
    pub added: u64,
    /// Lines deleted (0 for a binary file).
    pub deleted: u64,
    /// Not text (a NUL byte in either side), so lines mean nothing.
    pub binary: bool,
    /// The longest line that the change adds, in bytes.
    pub widest_line: u64,
}

/// git's mode of a symbolic link.
pub const MODE_SYMLINK: u32 = 0o120_000;
/// git's mode of a submodule.
pub const MODE_SUBMODULE: u32 = 0o160_000;

impl FileChange {
    /// Added plus deleted lines: gross, so that adding and deleting the same lines counts.
    pub fn lines(&self) -> u64 {
        self.added + self.deleted
    }

    /// Whether the mode of an existing file changed (executable bit, kind of file).
    pub fn mode_changed(&self) -> bool {
        self.old_mode != 0 && self.new_mode != 0 && self.old_mode != self.new_mode
    }

    /// Whether either side is a submodule.
    pub fn is_submodule(&self) -> bool {
        self.old_mode == MODE_SUBMODULE || self.new_mode == MODE_SUBMODULE
    }

    /// Whether either side is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.old_mode == MODE_SYMLINK || self.new_mode == MODE_SYMLINK
    }
}

/// A change: the cumulative difference of a branch against its merge base, renames followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSummary {
    /// The merge base with the target branch.
    pub base: CommitId,
    /// The tree of the merge base.
    pub base_tree: CommitId,
    /// The tip of the branch.
    pub head: CommitId,
    /// The tree of the tip.
    pub head_tree: CommitId,
    /// The changed paths, sorted by path.
    pub files: Vec<FileChange>,
    /// Everybody who authored or committed a commit of the change (names of principals).
    pub contributors: Vec<String>,
}

impl ChangeSummary {
    /// Added plus deleted lines of all files.
    pub fn lines(&self) -> u64 {
        self.files.iter().map(FileChange::lines).sum()
    }

    /// The digest of the content: merge base and, for each path, mode and blob before and after.
    /// An approval names this, so that it holds for these bytes and no others.
    pub fn content(&self) -> Digest {
        let line = |f: &FileChange| {
            let (old, new) = (f.old_blob.as_deref().unwrap_or("-"), f.new_blob.as_deref().unwrap_or("-"));
            let from = f.old_path.as_deref().unwrap_or("");
            format!(
                "{:o} {:o} {old} {new} {}:{from}{}:{}",
                f.old_mode,
                f.new_mode,
                from.len(),
                f.path.len(),
                f.path
            )
        };
        let lines: Vec<String> = self.files.iter().map(line).collect();
        let parts = std::iter::once(self.base.as_str().as_bytes()).chain(lines.iter().map(String::as_bytes));
        Digest::of_parts("foureyes.change.v1", parts)
    }
}

/// What the rules made of a change's paths, once, when it was pushed. Lists of paths are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFacts {
    /// The risk, computed from the paths and never claimed.
    pub risk: Risk,
    /// Lines that count for the threshold.
    pub lines: u64,
    /// Files that count for the threshold.
    pub files: u64,
    /// Why the change is above the 4-eyes threshold; empty when it is below.
    pub above: Vec<String>,
    /// Test files.
    pub test_files: Vec<String>,
    /// Source files of which only inline test items changed.
    pub inline_tests: Vec<String>,
    /// Test infrastructure: matches the test globs but is no test file.
    pub test_infrastructure: Vec<String>,
    /// Documentation.
    pub docs: Vec<String>,
    /// What users see: needs the sign-off of docs.
    pub user_facing: Vec<String>,
    /// What needs the user.
    pub protected: Vec<String>,
    /// What needs four eyes whatever its size.
    pub critical: Vec<String>,
    /// Dependency manifests and lock files.
    pub manifests: Vec<String>,
}

impl ChangeFacts {
    /// Whether the change needs two sign-offs.
    pub fn above_threshold(&self) -> bool {
        !self.above.is_empty()
    }

    /// Whether this path belongs to the tests of the change.
    pub fn is_test(&self, path: &str) -> bool {
        self.test_files.iter().chain(&self.inline_tests).any(|p| p == path)
    }
}

/// How much harm a change can do. Ordered: LOW < MEDIUM < HIGH < CRITICAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Risk {
    /// Comments, docs, fixtures.
    Low,
    /// Everything else.
    Medium,
    /// Public API, user-facing, data models.
    High,
    /// Auth, payment, crypto, schema, production configuration: also the user.
    Critical,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Risk::Low => "LOW",
            Risk::Medium => "MEDIUM",
            Risk::High => "HIGH",
            Risk::Critical => "CRITICAL",
        })
    }
}

/// The kind of a change, named by the spec and checked by the runtime from the diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// New behaviour.
    Feature,
    /// Mended behaviour.
    Fix,
    /// Same behaviour, other code.
    Refactor,
    /// Documentation only.
    Docs,
    /// Test files only.
    Tests,
    /// Dependency manifests and lock files.
    Deps,
    /// Removal of behaviour and its tests.
    Remove,
    /// The inverse of a merged change.
    Revert,
    /// What the configured formatter makes of the base.
    Format,
    /// CI, tooling, protected paths.
    Chore,
}

impl ChangeKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [ChangeKind; 10] = [
        ChangeKind::Feature,
        ChangeKind::Fix,
        ChangeKind::Refactor,
        ChangeKind::Docs,
        ChangeKind::Tests,
        ChangeKind::Deps,
        ChangeKind::Remove,
        ChangeKind::Revert,
        ChangeKind::Format,
        ChangeKind::Chore,
    ];

    /// The name as written in specs.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Feature => "feature",
            ChangeKind::Fix => "fix",
            ChangeKind::Refactor => "refactor",
            ChangeKind::Docs => "docs",
            ChangeKind::Tests => "tests",
            ChangeKind::Deps => "deps",
            ChangeKind::Remove => "remove",
            ChangeKind::Revert => "revert",
            ChangeKind::Format => "format",
            ChangeKind::Chore => "chore",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ChangeKind {
    type Err = crate::ids::InvalidName;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let rule = "one of feature, fix, refactor, docs, tests, deps, remove, revert, format, chore";
        Self::ALL.into_iter().find(|k| k.as_str() == s).ok_or_else(|| crate::ids::InvalidName {
            what: "kind of change",
            text: s.to_owned(),
            rule,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> CommitId {
        CommitId::new(&digit.to_string().repeat(40)).unwrap()
    }

    fn change() -> ChangeSummary {
        let file = FileChange {
            path: "src/a.rs".to_owned(),
            old_path: Some("src/b.rs".to_owned()),
            status: FileStatus::Renamed,
            old_mode: 0o100_644,
            new_mode: 0o100_644,
            old_blob: Some("1".repeat(40)),
            new_blob: Some("2".repeat(40)),
            added: 3,
            deleted: 2,
            binary: false,
            widest_line: 9,
        };
        ChangeSummary {
            base: commit('a'),
            base_tree: commit('b'),
            head: commit('c'),
            head_tree: commit('d'),
            files: vec![file],
            contributors: vec!["dev-a".to_owned()],
        }
    }

    #[test]
    fn the_content_is_every_byte_that_lands() {
        type Edit = fn(&mut ChangeSummary);
        let edits: [(&str, Edit); 10] = [
            ("base", |c| c.base = commit('e')),
            ("path", |c| c.files[0].path = "src/c.rs".to_owned()),
            ("old path", |c| c.files[0].old_path = Some("src/c.rs".to_owned())),
            ("no old path", |c| c.files[0].old_path = None),
            ("old mode", |c| c.files[0].old_mode = 0o100_755),
            ("new mode", |c| c.files[0].new_mode = 0o100_755),
            ("old blob", |c| c.files[0].old_blob = None),
            ("new blob", |c| c.files[0].new_blob = Some("3".repeat(40))),
            ("deletion", |c| c.files[0].new_blob = None),
            ("one more file", |c| c.files.push(c.files[0].clone())),
        ];
        let mut seen = std::collections::BTreeSet::from([change().content()]);
        for (what, edit) in edits {
            let mut edited = change();
            edit(&mut edited);
            assert!(seen.insert(edited.content()), "{what}");
        }
    }

    #[test]
    fn the_content_is_nothing_else() {
        // Another message or author of the same bytes, on the same base, is the same content.
        let mut other = change();
        other.head = commit('f');
        other.head_tree = commit('f');
        other.contributors.clear();
        other.files[0].added = 99;
        assert_eq!(other.content(), change().content());
    }

    #[test]
    fn a_path_cannot_pass_for_two() {
        let pair = |path: &str, old: Option<&str>| {
            let mut c = change();
            c.files[0].path = path.to_owned();
            c.files[0].old_path = old.map(str::to_owned);
            c.content()
        };
        let all = [
            pair("a", Some("b")),
            pair("b", Some("a")),
            pair("1:ab", None),
            pair("b1:a", None),
            pair("ab", None),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn lines_count_gross() {
        assert_eq!(change().lines(), 5);
        assert!(!change().files[0].mode_changed());
        let link = FileChange { new_mode: MODE_SYMLINK, ..change().files[0].clone() };
        assert!(link.mode_changed() && link.is_symlink() && !link.is_submodule());
        let submodule = FileChange { old_mode: 0, new_mode: MODE_SUBMODULE, ..link };
        assert!(!submodule.mode_changed() && submodule.is_submodule());
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in ChangeKind::ALL {
            assert_eq!(kind.to_string().parse::<ChangeKind>().unwrap(), kind);
        }
        assert!("Feature".parse::<ChangeKind>().unwrap_err().to_string().contains("one of feature"));
        assert!(Risk::Low < Risk::Medium && Risk::Medium < Risk::High && Risk::High < Risk::Critical);
    }
}

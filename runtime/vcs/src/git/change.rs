//! What a change is: its files, lines and contributors, from raw objects.

use super::{
    GitRepository,
    diff::{Counts, RawChange},
    history::Commits,
    objects::{Header, read_capped},
    parse_id,
};
use foureyes_ports::vcs::{CommitInfo, Result, VcsError};
use foureyes_protocol::{
    ChangeSummary, CommitId, FileChange, PrincipalId,
    change::{FileStatus, MODE_SUBMODULE},
};
use std::{
    collections::{BTreeSet, HashMap},
    io::Read,
};

/// Bytes of a file that is still read as text; git's own threshold is set to the same.
const TEXT_CAP: u64 = 16 << 20;
/// Bytes of all files of a change.
const CHANGE_CAP: u64 = 256 << 20;
/// git looks this far for a NUL byte.
const BINARY_PROBE: usize = 8000;

/// The sides of a file whose bytes were read; none for a side that is absent, a submodule or larger
/// than [`TEXT_CAP`].
type Sides = HashMap<String, Option<Vec<u8>>>;

/// The objects of a change, all read by one process.
struct Facts {
    trees: Vec<CommitId>,
    commits: Commits,
    sides: Sides,
    total: u64,
}

impl Facts {
    /// A side that is larger than [`TEXT_CAP`] is left unread.
    fn take_side(&mut self, id: &str, header: &Header, bytes: &mut dyn Read) -> Result<()> {
        let content = if header.size > TEXT_CAP { None } else { Some(read_capped(header, bytes, TEXT_CAP)?) };
        self.total += content.as_ref().map_or(0, Vec::len) as u64;
        if self.total > CHANGE_CAP {
            return Err(VcsError::TooLarge { what: "files of the change".to_owned(), limit: CHANGE_CAP });
        }
        self.sides.insert(id.to_owned(), content);
        Ok(())
    }
}

impl GitRepository {
    /// The cumulative change of `head` against its one merge base with `main`.
    pub(super) fn summarize(&self, main: &CommitId, head: &CommitId) -> Result<ChangeSummary> {
        let base = self.merge_base(main, head)?;
        let commits = self.range(main, head)?;
        let (raw, counts) = self.raw_changes(&base, head)?;
        let facts = self.read_facts([&base, head], commits, &raw)?;
        if let Some(octopus) = facts.commits.all.iter().find(|c| c.parents.len() > 2) {
            return Err(VcsError::Octopus(octopus.id.clone()));
        }
        let files = raw.iter().map(|change| file_change(change, &counts, &facts.sides));
        let mut files = files.collect::<Result<Vec<_>>>()?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let contributors = contributors(&facts.commits.all);
        let Ok([base_tree, head_tree]) = <[CommitId; 2]>::try_from(facts.trees) else {
            return Err(VcsError::NoSuchObject(format!("tree of {base} or {head}")));
        };
        Ok(ChangeSummary { base, base_tree, head: head.clone(), head_tree, files, contributors })
    }

    fn merge_base(&self, main: &CommitId, head: &CommitId) -> Result<CommitId> {
        let (main, head) = (main.clone(), head.clone());
        let output = self.git("merge-base").args(["--all", main.as_str(), head.as_str()]).output()?;
        match output.status.code() {
            Some(0) => {}
            Some(1) => return Err(VcsError::NoMergeBase { main, head }),
            _ => return Err(super::command::failed("merge-base", &output)),
        }
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().collect::<Vec<_>>()[..] {
            [one] => parse_id(one),
            ref several => Err(VcsError::SeveralMergeBases { main, head, count: several.len() }),
        }
    }

    /// Reads the two trees' ids, the commits and both sides of every changed file.
    fn read_facts(&self, ends: [&CommitId; 2], commits: Vec<String>, raw: &[RawChange]) -> Result<Facts> {
        let mut facts =
            Facts { trees: Vec::new(), commits: Commits::new(self.format), sides: Sides::new(), total: 0 };
        let mut names: Vec<String> = ends.iter().map(|id| format!("{id}^{{tree}}")).collect();
        let (trees, blobs_from) = (names.len(), names.len() + commits.len());
        names.extend(commits);
        names.extend(blobs(raw));
        self.each_object(&names, &mut |place, header, bytes| {
            let name = &names[place];
            if (trees..blobs_from).contains(&place) {
                return facts.commits.take(name, header, bytes);
            }
            let header = header.ok_or_else(|| VcsError::NoSuchObject(name.clone()))?;
            if place < trees {
                facts.trees.push(parse_id(&header.id)?);
                return Ok(());
            }
            facts.take_side(name, header, bytes)
        })?;
        Ok(facts)
    }
}

/// The blobs of both sides, each once.
fn blobs(raw: &[RawChange]) -> BTreeSet<String> {
    let sides = raw.iter().flat_map(|c| [(c.old_mode, &c.old_blob), (c.new_mode, &c.new_blob)]);
    sides.filter(|(mode, _)| *mode != 0 && *mode != MODE_SUBMODULE).map(|(_, id)| id.clone()).collect()
}

/// Everybody who authored or committed one of these; whoever has no principal's address is the user.
fn contributors(commits: &[CommitInfo]) -> Vec<String> {
    let people = commits.iter().flat_map(|c| [&c.author, &c.committer]);
    let names = people.map(|who| who.principal().unwrap_or_else(PrincipalId::user).to_string());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn file_change(raw: &RawChange, counts: &Counts, sides: &Sides) -> Result<FileChange> {
    let side = |mode: u32, blob: &String| (mode != 0).then(|| sides.get(blob)).flatten();
    let (old, new) = (side(raw.old_mode, &raw.old_blob), side(raw.new_mode, &raw.new_blob));
    let binary = [old, new].into_iter().flatten().any(|s| s.as_deref().is_none_or(is_binary));
    let (old, new) = (text_of(old), text_of(new));
    // git calling a file binary that holds no NUL byte would be an attribute's doing: count it all.
    let counted = counts.get(&raw.path).copied().flatten().unwrap_or((lines(new), lines(old)));
    let same = raw.old_blob == raw.new_blob;
    let (added, deleted) = if binary || same { (0, 0) } else { counted };
    let present = |mode: u32, blob: &String| (mode != 0).then(|| blob.clone());
    Ok(FileChange {
        path: raw.path.clone(),
        old_path: raw.old_path.clone(),
        status: status(raw)?,
        old_mode: raw.old_mode,
        new_mode: raw.new_mode,
        old_blob: present(raw.old_mode, &raw.old_blob),
        new_blob: present(raw.new_mode, &raw.new_blob),
        added,
        deleted,
        binary,
        widest_line: if binary { 0 } else { widest_added(old, new) },
    })
}

fn text_of(side: Option<&Option<Vec<u8>>>) -> &[u8] {
    side.and_then(Option::as_deref).unwrap_or_default()
}

fn status(raw: &RawChange) -> Result<FileStatus> {
    match raw.letter {
        b'A' => Ok(FileStatus::Added),
        b'M' | b'T' => Ok(FileStatus::Modified),
        b'D' => Ok(FileStatus::Deleted),
        b'R' => Ok(FileStatus::Renamed),
        other => Err(super::command::malformed("status of git diff-tree", &[other])),
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(BINARY_PROBE)].contains(&0)
}

fn split_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

fn lines(bytes: &[u8]) -> u64 {
    split_lines(bytes).count() as u64
}

/// The longest line of `new` that occurs in it more often than in `old`.
fn widest_added(old: &[u8], new: &[u8]) -> u64 {
    let mut had: HashMap<&[u8], usize> = HashMap::new();
    split_lines(old).for_each(|line| *had.entry(line).or_default() += 1);
    let mut widest = 0;
    for line in split_lines(new) {
        match had.get_mut(line) {
            Some(left) if *left > 0 => *left -= 1,
            _ => widest = widest.max(line.len()),
        }
    }
    widest as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_added_line_is_one_that_was_not_there() {
        for (old, new, width) in [
            ("", "abc\nde\n", 3),
            ("abcdef\n", "abcdef\nx\n", 1),
            ("abcdef\n", "abcdef\nabcdef\n", 6),
            ("a\n", "", 0),
            ("a\n", "no line feed", 12),
            ("a\r\n", "a\n", 1),
        ] {
            assert_eq!(widest_added(old.as_bytes(), new.as_bytes()), width, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a_nul_byte_within_the_probe_means_binary() {
        assert!(!is_binary(b"text"));
        assert!(is_binary(b"a\0b"));
        let mut late = vec![b'a'; BINARY_PROBE];
        late.push(0);
        assert!(!is_binary(&late));
    }
}

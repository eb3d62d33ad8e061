//! What a change is: its files, lines and contributors, from raw objects.

use super::{
    GitRepository,
    diff::{Counts, RawChange},
    objects::read_capped,
    parse_id,
};
use foureyes_ports::vcs::{CommitInfo, Result, VcsError};
use foureyes_protocol::{
    ChangeSummary, CommitId, FileChange, PrincipalId,
    change::{FileStatus, MODE_SUBMODULE},
};
use std::collections::{BTreeSet, HashMap};

/// Bytes of a file that is still read as text; git's own threshold is set to the same.
const TEXT_CAP: u64 = 16 << 20;
/// Bytes of all files of a change.
const CHANGE_CAP: u64 = 256 << 20;
/// git looks this far for a NUL byte.
const BINARY_PROBE: usize = 8000;

/// The sides of a file whose bytes were read; none for a side that is absent, a submodule or larger
/// than [`TEXT_CAP`].
type Sides = HashMap<String, Option<Vec<u8>>>;

impl GitRepository {
    /// The cumulative change of `head` against its one merge base with `main`.
    pub(super) fn summarize(&self, main: &CommitId, head: &CommitId) -> Result<ChangeSummary> {
        let base = self.merge_base(main, head)?;
        let commits = self.history(main, head)?;
        if let Some(octopus) = commits.iter().find(|c| c.parents.len() > 2) {
            return Err(VcsError::Octopus(octopus.id.clone()));
        }
        let (raw, counts) = self.raw_changes(&base, head)?;
        let sides = self.read_sides(&raw)?;
        let mut files =
            raw.iter().map(|change| file_change(change, &counts, &sides)).collect::<Result<Vec<_>>>()?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let (base_tree, head_tree) = self.trees(&base, head)?;
        let contributors = contributors(&commits);
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

    fn trees(&self, base: &CommitId, head: &CommitId) -> Result<(CommitId, CommitId)> {
        let ids = [format!("{base}^{{tree}}"), format!("{head}^{{tree}}")];
        let mut found = Vec::with_capacity(2);
        self.each_object(&ids, &mut |place, header, _| {
            let header = header.ok_or_else(|| VcsError::NoSuchObject(ids[place].clone()))?;
            found.push(parse_id(&header.id)?);
            Ok(())
        })?;
        match <[CommitId; 2]>::try_from(found) {
            Ok([base, head]) => Ok((base, head)),
            Err(_) => Err(VcsError::NoSuchObject(ids.join(" "))),
        }
    }

    /// Reads both sides of every changed file, as far as they are text-sized.
    fn read_sides(&self, raw: &[RawChange]) -> Result<Sides> {
        let old = raw.iter().map(|c| (c.old_mode, &c.old_blob));
        let new = raw.iter().map(|c| (c.new_mode, &c.new_blob));
        let present = |(mode, _): &(u32, &String)| *mode != 0 && *mode != MODE_SUBMODULE;
        let ids: BTreeSet<&String> = old.chain(new).filter(present).map(|(_, id)| id).collect();
        let ids: Vec<String> = ids.into_iter().cloned().collect();
        let (mut sides, mut total) = (Sides::new(), 0);
        self.each_object(&ids, &mut |place, header, bytes| {
            let header = header.ok_or_else(|| VcsError::NoSuchObject(ids[place].clone()))?;
            let content =
                if header.size > TEXT_CAP { None } else { Some(read_capped(header, bytes, TEXT_CAP)?) };
            total += content.as_ref().map_or(0, Vec::len) as u64;
            if total > CHANGE_CAP {
                return Err(VcsError::TooLarge { what: "files of the change".to_owned(), limit: CHANGE_CAP });
            }
            sides.insert(ids[place].clone(), content);
            Ok(())
        })?;
        Ok(sides)
    }
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

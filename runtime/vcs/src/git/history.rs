//! The commits of a range.

use super::{
    GitRepository,
    command::malformed,
    commit_object,
    objects::{Header, read_capped},
    parse_id,
};
use foureyes_ports::vcs::{CommitInfo, ObjectFormat, Result, VcsError};
use foureyes_protocol::CommitId;
use std::io::Read;

/// Commits in one range.
const COMMITS: usize = 10_000;
/// Bytes of all commit objects of one range.
const COMMITS_BYTES: u64 = 64 << 20;

/// Commits read so far, within the bound of a range.
pub(super) struct Commits {
    format: ObjectFormat,
    total: u64,
    /// In the order of reading.
    pub all: Vec<CommitInfo>,
}

impl Commits {
    /// None yet.
    pub fn new(format: ObjectFormat) -> Self {
        Self { format, total: 0, all: Vec::new() }
    }

    /// Takes the next.
    pub fn take(&mut self, id: &str, header: Option<&Header>, bytes: &mut dyn Read) -> Result<()> {
        let header = header.ok_or_else(|| VcsError::NoSuchObject(id.to_owned()))?;
        self.total += header.size;
        if self.total > COMMITS_BYTES {
            return Err(VcsError::TooLarge { what: "commits of the range".to_owned(), limit: COMMITS_BYTES });
        }
        let raw = read_capped(header, bytes, super::COMMIT_CAP)?;
        self.all.push(commit_object::parse(&parse_id(id)?, &raw, self.format)?);
        Ok(())
    }
}

impl GitRepository {
    /// Every commit reachable from `head` and not from `main`, parents first.
    pub(super) fn history(&self, main: &CommitId, head: &CommitId) -> Result<Vec<CommitInfo>> {
        let ids = self.range(main, head)?;
        let mut commits = Commits::new(self.format);
        self.each_object(&ids, &mut |place, header, bytes| commits.take(&ids[place], header, bytes))?;
        Ok(commits.all)
    }

    /// The ids of the same.
    pub(super) fn range(&self, main: &CommitId, head: &CommitId) -> Result<Vec<String>> {
        let list =
            self.git("rev-list").args(["--topo-order", "--reverse", &format!("--max-count={}", COMMITS + 1)]);
        let out = list.args([head.as_str(), &format!("^{main}"), "--"]).run()?;
        let text = String::from_utf8(out).map_err(|_| malformed("list of commits", b"not UTF-8"))?;
        let ids: Vec<String> = text.lines().map(str::to_owned).collect();
        if ids.len() > COMMITS {
            return Err(VcsError::TooLarge {
                what: "number of commits of the range".to_owned(),
                limit: COMMITS as u64,
            });
        }
        Ok(ids)
    }
}

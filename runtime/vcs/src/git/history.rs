//! The commits of a range.

use super::{GitRepository, command::malformed, commit_object, objects::read_capped, parse_id};
use foureyes_ports::vcs::{CommitInfo, Result, VcsError};
use foureyes_protocol::CommitId;

/// Commits in one range.
const COMMITS: usize = 10_000;
/// Bytes of all commit objects of one range.
const COMMITS_BYTES: u64 = 64 << 20;

impl GitRepository {
    /// Every commit reachable from `head` and not from `main`, parents first.
    pub(super) fn history(&self, main: &CommitId, head: &CommitId) -> Result<Vec<CommitInfo>> {
        let ids = self.range(main, head)?;
        let mut total = 0;
        let mut commits = Vec::with_capacity(ids.len());
        self.each_object(&ids, &mut |place, header, bytes| {
            let header = header.ok_or_else(|| VcsError::NoSuchObject(ids[place].clone()))?;
            total += header.size;
            if total > COMMITS_BYTES {
                return Err(VcsError::TooLarge {
                    what: "commits of the range".to_owned(),
                    limit: COMMITS_BYTES,
                });
            }
            let raw = read_capped(header, bytes, super::COMMIT_CAP)?;
            commits.push(commit_object::parse(&parse_id(&ids[place])?, &raw, self.format)?);
            Ok(())
        })?;
        Ok(commits)
    }

    fn range(&self, main: &CommitId, head: &CommitId) -> Result<Vec<String>> {
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

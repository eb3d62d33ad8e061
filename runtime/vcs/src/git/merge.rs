//! Merging without a work tree.

use super::{
    GitRepository,
    command::{failed, malformed},
    explain, parse_id,
    tree::Fields,
};
use foureyes_ports::vcs::{Merge, Result, VcsError};
use foureyes_protocol::CommitId;
use std::collections::BTreeSet;

impl GitRepository {
    /// Merges two commits; writes the tree, moves nothing.
    pub(super) fn merge_trees(&self, main: &CommitId, head: &CommitId) -> Result<Merge> {
        let merge = self.git("merge-tree").args(["--write-tree", "-z", "--name-only", "--no-messages"]);
        let output = merge.args([main.as_str(), head.as_str()]).output()?;
        let conflict = match output.status.code() {
            Some(0) => false,
            Some(1) => true,
            _ => {
                let unrelated = VcsError::NoMergeBase { main: main.clone(), head: head.clone() };
                return Err(explain(failed("merge-tree", &output), "unrelated histories", unrelated));
            }
        };
        let mut fields = Fields::new(&output.stdout);
        let tree = fields.next().ok_or_else(|| malformed("output of git merge-tree", b"nothing"))?;
        if !conflict {
            return Ok(Merge::Clean { tree: parse_id(&String::from_utf8_lossy(tree))? });
        }
        let paths: BTreeSet<String> =
            fields.filter(|f| !f.is_empty()).map(super::tree::utf8_path).collect::<Result<_>>()?;
        Ok(Merge::Conflict { paths: paths.into_iter().collect() })
    }
}

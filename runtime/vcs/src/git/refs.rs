//! Reading refs and moving them by compare-and-swap.

use super::{GitRepository, command::malformed, parse_id, shape::bad_ref_name};
use foureyes_ports::vcs::{RefUpdate, Result, VcsError};
use foureyes_protocol::CommitId;
use std::collections::BTreeMap;

/// Refuses a name that cannot be a ref's.
pub(super) fn check_name(name: &str) -> Result<()> {
    match bad_ref_name(name) {
        Some(why) => Err(VcsError::BadRefName { name: name.to_owned(), why: why.to_owned() }),
        None => Ok(()),
    }
}

impl GitRepository {
    /// The value of one ref.
    pub(super) fn value(&self, name: &str) -> Result<Option<CommitId>> {
        check_name(name)?;
        let output =
            self.git("rev-parse").args(["--verify", "--quiet", "--end-of-options", name]).output()?;
        if !output.status.success() {
            return Ok(None);
        }
        parse_id(String::from_utf8_lossy(&output.stdout).trim_end()).map(Some)
    }

    /// All refs below a prefix.
    pub(super) fn refs_below(&self, prefix: &str) -> Result<BTreeMap<String, CommitId>> {
        let out = self.git("for-each-ref").args(["--format=%(objectname) %(refname)", "--", prefix]).run()?;
        let text = String::from_utf8(out).map_err(|_| malformed("ref name", b"not UTF-8"))?;
        let parse = |line: &str| {
            let (id, name) =
                line.split_once(' ').ok_or_else(|| malformed("list of refs", line.as_bytes()))?;
            Ok((name.to_owned(), parse_id(id)?))
        };
        text.lines().map(parse).collect()
    }

    /// Moves all or none.
    pub(super) fn move_refs(&self, updates: &[RefUpdate]) -> Result<()> {
        let mut input = String::new();
        for update in updates {
            check_name(&update.name)?;
            input += &self.instruction(update);
        }
        let moved =
            self.git("update-ref").args(["--no-deref", "-z", "--stdin"]).input(input.into_bytes()).run();
        moved.map(drop).map_err(|error| self.moved_meanwhile(updates).unwrap_or(error))
    }

    /// One line of `update-ref -z --stdin`; an all-zero value stands for "absent".
    fn instruction(&self, update: &RefUpdate) -> String {
        let zero = self.zero();
        let text = |id: &Option<CommitId>| id.as_ref().map_or(zero.clone(), CommitId::to_string);
        let (name, old) = (&update.name, text(&update.old));
        match &update.new {
            Some(new) => format!("update {name}\0{new}\0{old}\0"),
            None => format!("delete {name}\0{old}\0"),
        }
    }

    /// The id that stands for "no object".
    pub(super) fn zero(&self) -> String {
        "0".repeat(super::command::empty_tree(self.format).len())
    }

    /// The first ref that is not where its update expects it.
    fn moved_meanwhile(&self, updates: &[RefUpdate]) -> Option<VcsError> {
        let text = |id: &Option<CommitId>| id.as_ref().map_or("absent".to_owned(), CommitId::to_string);
        updates.iter().find_map(|update| {
            let found = self.value(&update.name).ok()?;
            (found != update.old).then(|| VcsError::RefMoved {
                name: update.name.clone(),
                expected: text(&update.old),
                found: text(&found),
            })
        })
    }
}

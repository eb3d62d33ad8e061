//! Importing the target branch from the user's repository.

use super::{
    GitRepository, parse_id,
    refs::check_name,
    user_repo::{commit_at, inspect, same_format},
};
use foureyes_ports::vcs::{Import, ImportKind, RefUpdate, Result, UserRepo, Vcs as _, VcsError};
use foureyes_protocol::CommitId;
use std::{path::Path, time::Duration};

/// Where the branch as imported last is remembered.
const IMPORTED: &str = "refs/foureyes/imported";
/// A first import of a large repository takes a while.
const FETCH_LIMIT: Duration = Duration::from_secs(1800);

impl GitRepository {
    /// Brings the authoritative branch up to the user's where that is a fast-forward.
    pub(super) fn import(&self, path: &Path, target: Option<&str>) -> Result<Import> {
        let user = inspect(&self.git, path)?;
        same_format(&user, self.format)?;
        let branch = target_branch(&user, target)?;
        let new = self.user_commit(&user, &branch)?;
        let old = self.value(&branch)?;
        let imported = self.value(IMPORTED)?;
        if imported.as_ref() != Some(&new) {
            self.fetch_commit(&user, &new)?;
        }
        let kind = self.relation(old.as_ref(), &new, imported.as_ref())?;
        self.record(&branch, &old, &new, imported, kind)?;
        Ok(Import { branch, old, new, kind })
    }

    fn user_commit(&self, user: &UserRepo, branch: &str) -> Result<CommitId> {
        let found = commit_at(&self.git, user, branch)?;
        let repo = user.root.clone();
        match found {
            Some(id) => parse_id(&id),
            None if user.head_branch.as_deref() == Some(branch) => {
                Err(VcsError::Unborn { repo, branch: branch.to_owned() })
            }
            None => Err(VcsError::NoSuchRef { repo, name: branch.to_owned() }),
        }
    }

    /// Fetches one commit with all it reaches; no ref moves, tags are left.
    fn fetch_commit(&self, user: &UserRepo, commit: &CommitId) -> Result<()> {
        let fetch =
            self.git("fetch").args(["-q", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]);
        let fetch = fetch.args(["--no-recurse-submodules", "--update-shallow"]).arg(&user.git_dir);
        fetch.arg(commit.as_str()).allow_protocols("file").limit(FETCH_LIMIT).run().map(drop)
    }

    fn relation(
        &self,
        old: Option<&CommitId>,
        new: &CommitId,
        imported: Option<&CommitId>,
    ) -> Result<ImportKind> {
        let Some(old) = old else { return Ok(ImportKind::First) };
        if old == new {
            return Ok(ImportKind::Unchanged);
        }
        if self.is_ancestor(old, new)? {
            return Ok(ImportKind::FastForward);
        }
        let kept = imported.map_or(Ok(false), |last| self.is_ancestor(last, new))?;
        match (kept, self.is_ancestor(new, old)?) {
            (false, _) => Ok(ImportKind::Rewritten),
            (true, true) => Ok(ImportKind::Ahead),
            (true, false) => Ok(ImportKind::Diverged),
        }
    }

    /// Moves what the kind says, in one transaction.
    fn record(
        &self,
        branch: &str,
        old: &Option<CommitId>,
        new: &CommitId,
        imported: Option<CommitId>,
        kind: ImportKind,
    ) -> Result<()> {
        let to_new = |name: &str, old: Option<CommitId>| RefUpdate {
            name: name.to_owned(),
            old,
            new: Some(new.clone()),
        };
        let mut updates = Vec::new();
        if matches!(kind, ImportKind::First | ImportKind::FastForward) {
            updates.push(to_new(branch, old.clone()));
        }
        if kind != ImportKind::Rewritten && imported.as_ref() != Some(new) {
            updates.push(to_new(IMPORTED, imported));
        }
        if !updates.is_empty() {
            self.move_refs(&updates)?;
        }
        if kind == ImportKind::First {
            self.git("symbolic-ref").args(["HEAD", branch]).run()?;
        }
        Ok(())
    }
}

/// The target branch's full name.
fn target_branch(user: &UserRepo, target: Option<&str>) -> Result<String> {
    let name = match target {
        Some(name) => name.to_owned(),
        None => user.head_branch.clone().ok_or_else(|| VcsError::DetachedHead(user.root.clone()))?,
    };
    check_name(&name)?;
    let collides = name == "refs/heads/feature" || name.starts_with("refs/heads/feature/");
    if collides || !name.starts_with("refs/heads/") {
        let why = "the target must be a branch outside refs/heads/feature, where features live; rename it";
        return Err(VcsError::BadRefName { name, why: why.to_owned() });
    }
    Ok(name)
}

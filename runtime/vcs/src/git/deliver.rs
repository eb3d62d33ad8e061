//! Bringing a commit to the user.
//!
//! Objects are fetched into the user's repository and refs moved by plumbing: no hook, fsmonitor or
//! filter runs. A checked-out branch is brought along by a two-tree merge that touches only paths
//! which the delivery changes and overwrites nothing of the user's; since filters are off, a file
//! that a filter would expand (Git LFS) arrives as it lies in the repository, and the user's own
//! `git lfs pull` or `git checkout` expands it. Line endings are written as stored.

use super::{
    GitRepository,
    command::{GitCommand, cut, failed},
    parse_id,
    user_repo::{commit_at, filters_off, git_in, inspect, same_format},
};
use foureyes_ports::vcs::{Delivered, DeliveryTarget, Result, UserRepo, VcsError};
use foureyes_protocol::CommitId;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const FETCH_LIMIT: Duration = Duration::from_secs(600);
/// A push waits for the network.
const PUSH_LIMIT: Duration = Duration::from_secs(120);
/// Files that say that the user is in the middle of something.
const IN_PROGRESS: [&str; 3] = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"];

/// One delivery into a local repository.
struct Local<'a> {
    repository: &'a GitRepository,
    user: UserRepo,
    settings: Vec<String>,
    branch: &'a str,
    commit: &'a CommitId,
}

impl GitRepository {
    /// Brings a commit to its target.
    pub(super) fn deliver_to(
        &self,
        path: &Path,
        target: &DeliveryTarget,
        commit: &CommitId,
    ) -> Result<Delivered> {
        let user = inspect(&self.git, path)?;
        same_format(&user, self.format)?;
        let branch = match target {
            DeliveryTarget::Branch(name) | DeliveryTarget::Main(name) => name,
            DeliveryTarget::Push { remote, branch } => return self.push(&user, remote, branch, commit),
        };
        super::refs::check_name(branch)?;
        let settings = filters_off(&self.git, &user)?;
        Local { repository: self, user, settings, branch, commit }.deliver()
    }

    /// Pushes from the authoritative repository to the remote's address: the person's transport and
    /// credentials count, the configuration of the repository that was worked on does not.
    fn push(&self, user: &UserRepo, remote: &str, branch: &str, commit: &CommitId) -> Result<Delivered> {
        super::refs::check_name(branch)?;
        let push = self.bind(self.git.command_as_user("push"));
        let push = push.args(["--no-verify", "--no-signed", "--no-recurse-submodules", "--porcelain", "--"]);
        let push = push.arg(self.remote_address(user, remote)?).arg(format!("{commit}:{branch}"));
        let output = push.allow_protocols("file:ssh:https:http:git").limit(PUSH_LIMIT).output()?;
        if !output.status.success() {
            return Err(self.push_failure(user, branch, commit, &output));
        }
        Ok(Delivered { name: branch.to_owned(), old: None, new: commit.clone(), work_tree_updated: false })
    }

    fn push_failure(
        &self,
        user: &UserRepo,
        branch: &str,
        commit: &CommitId,
        output: &super::command::Output,
    ) -> VcsError {
        let said = String::from_utf8_lossy(&output.stdout);
        if said.contains("(fetch first)") || said.contains("(non-fast-forward)") {
            let (repo, branch) = (user.root.clone(), branch.to_owned());
            return VcsError::NotFastForward { repo, branch, commit: commit.clone() };
        }
        match said.lines().find(|line| line.starts_with('!')) {
            Some(line) => VcsError::Git { what: "push".to_owned(), message: cut(line.as_bytes()) },
            None => failed("push", output),
        }
    }

    fn remote_address(&self, user: &UserRepo, remote: &str) -> Result<String> {
        let get = |key: &str| {
            let key = format!("remote.{remote}.{key}");
            let output = git_in(&self.git, user, "config", &[]).args(["--get", &key]).output()?;
            let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
            Ok::<_, VcsError>((output.status.success() && !text.is_empty()).then_some(text))
        };
        let address = match get("pushurl")? {
            Some(address) => Some(address),
            None => get("url")?,
        };
        let missing = || VcsError::NoSuchRef { repo: user.root.clone(), name: format!("remote {remote}") };
        address.map(|a| absolute_address(&user.root, a)).ok_or_else(missing)
    }
}

/// A relative path of a remote counts from the user's repository.
fn absolute_address(root: &Path, address: String) -> String {
    let before_slash = address.split('/').next().unwrap_or_default();
    if address.starts_with('/') || before_slash.contains(':') {
        return address;
    }
    root.join(address).to_string_lossy().into_owned()
}

impl Local<'_> {
    fn git(&self, subcommand: &str) -> GitCommand {
        git_in(&self.repository.git, &self.user, subcommand, &self.settings)
    }

    fn deliver(&self) -> Result<Delivered> {
        let old =
            commit_at(&self.repository.git, &self.user, self.branch)?.map(|id| parse_id(&id)).transpose()?;
        let done = |work_tree_updated| Delivered {
            name: self.branch.to_owned(),
            old: old.clone(),
            new: self.commit.clone(),
            work_tree_updated,
        };
        if old.as_ref() == Some(self.commit) {
            return Ok(done(false));
        }
        self.fetch()?;
        if let Some(old) = &old {
            self.require_fast_forward(old)?;
        }
        match (self.checked_out_at()?, &old) {
            (Some(tree), Some(old)) => self.bring_work_tree(&tree, old).map(|()| done(true)),
            (Some(tree), None) => Err(VcsError::Unborn { repo: tree, branch: self.branch.to_owned() }),
            (None, _) => self.move_ref(old.as_ref()).map(|()| done(false)),
        }
    }

    fn fetch(&self) -> Result<()> {
        let fetch =
            self.git("fetch").args(["-q", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]);
        let fetch = fetch.arg("--no-recurse-submodules").arg(self.repository.dir()).arg(self.commit.as_str());
        fetch.allow_protocols("file").limit(FETCH_LIMIT).run().map(drop)
    }

    fn require_fast_forward(&self, old: &CommitId) -> Result<()> {
        let ancestor = self.git("merge-base").args(["--is-ancestor", old.as_str(), self.commit.as_str()]);
        if ancestor.test()? {
            return Ok(());
        }
        let (repo, branch) = (self.user.root.clone(), self.branch.to_owned());
        Err(VcsError::NotFastForward { repo, branch, commit: self.commit.clone() })
    }

    /// The work tree, linked ones included, that has the branch checked out.
    fn checked_out_at(&self) -> Result<Option<PathBuf>> {
        if self.user.head_branch.as_deref() == Some(self.branch) && !self.user.bare {
            return Ok(Some(self.user.root.clone()));
        }
        let list = self.git("worktree").args(["list", "--porcelain", "-z"]).run()?;
        let wanted = format!("branch {}", self.branch);
        let mut tree = None;
        for field in list.split(|b| *b == 0).map(String::from_utf8_lossy) {
            if let Some(path) = field.strip_prefix("worktree ") {
                tree = Some(PathBuf::from(path));
            } else if field == wanted && tree.as_deref() != Some(&self.user.git_dir) {
                return Ok(tree);
            }
        }
        Ok(None)
    }

    /// Work tree first, ref second: a crash between the two shows the user the delivery as staged
    /// edits, never its inverse.
    fn bring_work_tree(&self, tree: &Path, old: &CommitId) -> Result<()> {
        let there =
            if tree == self.user.root { self.user.clone() } else { inspect(&self.repository.git, tree)? };
        self.require_clean(&there)?;
        self.switch(&there, old, self.commit)?;
        self.move_ref(Some(old)).inspect_err(|_| {
            // The ref moved meanwhile: give the user the files back as they were.
            let _ = self.switch(&there, self.commit, old);
        })
    }

    fn require_clean(&self, there: &UserRepo) -> Result<()> {
        let status = git_in(&self.repository.git, there, "status", &self.settings);
        let status = status.args(["--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=all"]);
        let busy = IN_PROGRESS.iter().any(|name| there.git_dir.join(name).exists());
        if busy || !status.run()?.is_empty() {
            return Err(VcsError::DirtyWorkTree { repo: there.root.clone(), branch: self.branch.to_owned() });
        }
        Ok(())
    }

    /// Brings index and files from one commit to another; refuses to overwrite what is neither.
    fn switch(&self, there: &UserRepo, from: &CommitId, to: &CommitId) -> Result<()> {
        let refresh = git_in(&self.repository.git, there, "update-index", &self.settings);
        refresh.args(["-q", "--refresh", "--ignore-submodules"]).env("GIT_OPTIONAL_LOCKS", "1").output()?;
        let read = git_in(&self.repository.git, there, "read-tree", &self.settings);
        let output = read.args(["-m", "-u", from.as_str(), to.as_str()]).limit(FETCH_LIMIT).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(self.switch_failure(there, &output))
    }

    fn switch_failure(&self, there: &UserRepo, output: &super::command::Output) -> VcsError {
        let repo = there.root.clone();
        let quoted = |marker: &str| {
            let line = output.stderr.lines().find(|l| l.contains(marker))?;
            Some(line.split('\'').nth(1).unwrap_or_default().to_owned())
        };
        if let Some(path) = quoted("ntracked working tree file") {
            return VcsError::UntrackedInTheWay { repo, path };
        }
        if quoted("not uptodate").is_some() || quoted("would be overwritten").is_some() {
            return VcsError::DirtyWorkTree { repo, branch: self.branch.to_owned() };
        }
        failed("read-tree", output)
    }

    fn move_ref(&self, old: Option<&CommitId>) -> Result<()> {
        let expected = old.map_or_else(|| self.repository.zero(), CommitId::to_string);
        let update = self.git("update-ref").args(["-m", "foureyes: deliver", "--no-deref", self.branch]);
        let moved = update.args([self.commit.as_str(), &expected]).run();
        moved.map(drop).map_err(|error| self.moved_meanwhile(old).unwrap_or(error))
    }

    fn moved_meanwhile(&self, old: Option<&CommitId>) -> Option<VcsError> {
        let found = commit_at(&self.repository.git, &self.user, self.branch).ok()?;
        let expected = old.map(CommitId::to_string);
        let text = |id: Option<String>| id.unwrap_or_else(|| "absent".to_owned());
        (found != expected).then(|| VcsError::RefMoved {
            name: self.branch.to_owned(),
            expected: text(expected),
            found: text(found),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_count_from_the_repository() {
        let root = Path::new("/home/u/proj");
        for (given, address) in [
            ("../up.git", "/home/u/proj/../up.git"),
            ("/srv/x.git", "/srv/x.git"),
            ("git@host:x.git", "git@host:x.git"),
            ("https://host/x.git", "https://host/x.git"),
        ] {
            assert_eq!(absolute_address(root, given.to_owned()), address);
        }
    }
}

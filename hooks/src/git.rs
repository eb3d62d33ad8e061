//! The git program, in the repository of whoever commits. The environment is kept: while a hook
//! runs, git names the index that is being committed in it.

use crate::HookError;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The object id of the tree without files, in repositories with SHA-1 and with SHA-256.
const EMPTY_TREES: [&str; 2] = [
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
];

/// A repository, worked on from one directory.
#[derive(Debug)]
pub(crate) struct Repository {
    dir: PathBuf,
}

impl Repository {
    /// The repository around the current directory.
    pub(crate) fn here() -> Result<Self, HookError> {
        Self::at(Path::new("."))
    }

    /// The repository around a directory.
    pub(crate) fn at(dir: &Path) -> Result<Self, HookError> {
        let found = Self { dir: dir.to_owned() };
        let top = found.line(&["rev-parse", "--show-toplevel"])?;
        Ok(Self { dir: top.into() })
    }

    /// The top directory of the work tree.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What git prints.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Vec<u8>, HookError> {
        let output = self.output(args)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(HookError::Git { command: args.join(" "), message })
    }

    /// What git prints, as one line.
    pub(crate) fn line(&self, args: &[&str]) -> Result<String, HookError> {
        let bytes = self.run(args)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
    }

    /// What git prints, as one line; `None` when it answers with a failure.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<Option<String>, HookError> {
        let output = self.output(args)?;
        let line = || String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
        Ok(output.status.success().then(line))
    }

    /// A setting of git's configuration.
    pub(crate) fn setting(&self, key: &str) -> Result<Option<String>, HookError> {
        self.ask(&["config", "--get", key])
    }

    fn output(&self, args: &[&str]) -> Result<Output, HookError> {
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(["--no-pager", "--no-replace-objects"]).args(args);
        command.output().map_err(|e| HookError::file("starting", Path::new("git"), e))
    }

    /// The commit that HEAD names; the empty tree before the first commit.
    pub(crate) fn head(&self) -> Result<String, HookError> {
        if let Some(commit) = self.ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])? {
            return Ok(commit);
        }
        let format = self.line(&["rev-parse", "--show-object-format"])?;
        Ok(EMPTY_TREES[usize::from(format == "sha256")].to_owned())
    }

    /// Where the feature in hand began: the merge base with the target branch. `None` on the target
    /// branch itself, before the first commit, and where no target branch is known.
    pub(crate) fn begin(&self, head: &str) -> Result<Option<String>, HookError> {
        if self.on_target()? {
            return Ok(None);
        }
        for target in ["refs/remotes/origin/HEAD", "refs/heads/main", "refs/heads/master"] {
            let base = self.ask(&["merge-base", head, target])?;
            if base.is_some() {
                return Ok(base);
            }
        }
        Ok(None)
    }

    fn on_target(&self) -> Result<bool, HookError> {
        let branch = self.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
        let default = self.ask(&["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"])?;
        let default = default.as_deref().and_then(|name| name.strip_prefix("origin/"));
        let targets = [default, Some("main"), Some("master")];
        Ok(branch.is_some_and(|name| targets.contains(&Some(name.as_str()))))
    }

    /// The directory where git looks for hooks, `core.hooksPath` included.
    pub(crate) fn hooks_dir(&self) -> Result<PathBuf, HookError> {
        let path = self.line(&["rev-parse", "--git-path", "hooks"])?;
        Ok(self.dir.join(path))
    }
}

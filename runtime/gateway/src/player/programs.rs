//! Programs that a player runs in its clone: git above all.

use super::failure::Failure;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Where git's signing program leaves the reason of its last refusal, below the home directory.
const LAST_REFUSAL: &str = ".agents-last-refusal";

/// A clone, and the home directory beside it.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    pub work: PathBuf,
    pub home: PathBuf,
}

impl Workspace {
    /// Runs a program in the clone, without input, and returns what it printed.
    pub(super) fn run(&self, argv: &[&str]) -> Result<String, Failure> {
        let (program, args) =
            argv.split_first().ok_or_else(|| Failure::Broken("an empty command".to_owned()))?;
        let output = self.output(program, args).map_err(|e| Failure::io(&format!("running {program}"), e))?;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        match output.status.success() {
            true => Ok(out),
            false => Err(Failure::said(&self.with_refusal(if err.trim().is_empty() { out } else { err }))),
        }
    }

    // The player is a program inside the sandbox and starts others there, as any agent does.
    #[allow(clippy::disallowed_methods)]
    fn output(&self, program: &str, args: &[&str]) -> std::io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.work).stdin(Stdio::null());
        command.env("HOME", &self.home).env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "true");
        command.output()
    }

    /// What git said, with the signer's own reason where git hides it.
    fn with_refusal(&self, said: String) -> String {
        let reason = || fs::read_to_string(self.home.join(LAST_REFUSAL)).ok();
        let unsigned = said.contains("gpg failed") || said.contains("failed to write commit");
        match unsigned.then(reason).flatten() {
            Some(reason) => format!("{reason}\n{said}"),
            None => said,
        }
    }

    pub(super) fn git(&self, args: &[&str]) -> Result<String, Failure> {
        let argv: Vec<&str> = std::iter::once("git").chain(args.iter().copied()).collect();
        self.run(&argv).map(|out| out.trim_end().to_owned())
    }

    /// Removes the lock files that a git left which was killed: when the player starts, no other
    /// program of its sandbox runs.
    pub(super) fn unlock(&self) {
        let git = self.work.join(".git");
        for dir in [git.clone(), git.join("refs/heads"), git.join("refs/heads/feature")] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|e| e == "lock") {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    /// Whether git says yes to a question.
    pub(super) fn asks(&self, args: &[&str]) -> bool {
        self.git(args).is_ok()
    }

    /// The branch that changes land on, as the clone knows it.
    pub(super) fn target(&self) -> String {
        let head = self.git(&["symbolic-ref", "-q", "--short", "refs/remotes/origin/HEAD"]);
        if let Some(name) = head.ok().as_deref().and_then(|h| h.strip_prefix("origin/")) {
            return name.to_owned();
        }
        let exists =
            |name: &&str| self.asks(&["rev-parse", "-q", "--verify", &format!("refs/remotes/origin/{name}")]);
        ["main", "master", "trunk"].into_iter().find(exists).unwrap_or("main").to_owned()
    }

    /// Fetches and is on the feature's branch afterwards; made from the branch of the same name at the
    /// origin, else from `base`, else from the target branch. What lies about from another feature is
    /// thrown away: whoever left it makes it again.
    pub(super) fn branch(&self, feature: &str, base: &str) -> Result<(), Failure> {
        let branch = format!("feature/{feature}");
        self.git(&["fetch", "-q", "origin"])?;
        let remote = format!("refs/remotes/origin/{branch}");
        let published = self.asks(&["rev-parse", "-q", "--verify", &remote]);
        if self.git(&["symbolic-ref", "-q", "--short", "HEAD"]).is_ok_and(|now| now == branch)
            && self.asks(&["rev-parse", "-q", "--verify", "HEAD"])
        {
            self.catch_up(&remote, published);
            return Ok(());
        }
        self.git(&["reset", "-q", "--hard"])?;
        self.git(&["clean", "-qfd"])?;
        if self.asks(&["rev-parse", "-q", "--verify", &format!("refs/heads/{branch}")]) {
            self.git(&["switch", "-q", &branch])?;
            self.catch_up(&remote, published);
            return Ok(());
        }
        let target = format!("refs/remotes/origin/{}", self.target());
        let start = match (published, base) {
            (true, _) => remote.as_str(),
            (false, "") => target.as_str(),
            (false, base) => base,
        };
        self.git(&["switch", "-q", "--no-track", "-c", &branch, start]).map(drop)
    }

    /// Takes in what others pushed, where that is a fast-forward; else the push will say.
    fn catch_up(&self, remote: &str, published: bool) {
        if published {
            let _ = self.git(&["merge", "-q", "--ff-only", remote]);
        }
    }

    /// Writes a file of the clone.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        inside(path)?;
        let file = self.work.join(path);
        let write = || {
            fs::create_dir_all(file.parent().unwrap_or(&self.work))?;
            fs::write(&file, text)
        };
        write().map_err(|e| Failure::io(&format!("writing {path}"), e))
    }

    /// Commits what changed; `None` when nothing did.
    pub(super) fn commit(&self, message: &str) -> Result<Option<String>, Failure> {
        self.git(&["add", "-A"])?;
        let merging = self.asks(&["rev-parse", "-q", "--verify", "MERGE_HEAD"]);
        if self.asks(&["diff", "--cached", "--quiet"]) && !merging {
            return Ok(None);
        }
        self.git(&["commit", "-q", "-m", message])?;
        self.git(&["rev-parse", "--short", "HEAD"]).map(Some)
    }
}

/// Refuses a path that does not lie in the clone.
pub(crate) fn inside(path: &str) -> Result<(), Failure> {
    let inside = Path::new(path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    match inside && !path.is_empty() {
        true => Ok(()),
        false => Err(Failure::Broken(format!("{path} does not lie in the clone"))),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

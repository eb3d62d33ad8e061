//! Real repositories in temporary directories, for the tests of this module.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use super::{GitRepository, find_git};
use foureyes_ports::vcs::{Identity, Judge, ObjectFormat, PushLimits, PushOutcome, Result, Vcs, Visible};
use foureyes_protocol::{CommitId, PrincipalId};
use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Every git of this machine: one on PATH, and the distribution's where that is another.
pub fn gits() -> Vec<PathBuf> {
    let mut all = vec![find_git().expect("git is installed")];
    let system = PathBuf::from("/usr/bin/git");
    if system.exists() && !all.contains(&system) {
        all.push(system);
    }
    all
}

/// A user's repository with an authoritative one beside it.
pub struct Bench {
    pub dir: TempDir,
    pub program: PathBuf,
    pub user: PathBuf,
    pub repo: GitRepository,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(&find_git().expect("git"), "main", ObjectFormat::Sha1)
    }

    pub fn with(program: &Path, branch: &str, format: ObjectFormat) -> Self {
        let dir = TempDir::new().expect("temporary directory");
        let user = dir.path().join("wörk dir");
        let repo =
            GitRepository::init_authoritative(program, &dir.path().join("state"), format).expect("init");
        let bench = Self { dir, program: program.to_owned(), user, repo };
        let name = if format == ObjectFormat::Sha1 { "sha1" } else { "sha256" };
        fs::create_dir(&bench.user).expect("mkdir");
        bench.git(&["init", "-q", "-b", branch, &format!("--object-format={name}")]);
        bench
    }

    /// git as the user runs it, in the user's repository.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_at(&self.user, args)
    }

    pub fn git_at(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.try_git(dir, args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub fn try_git(&self, dir: &Path, args: &[&str]) -> Output {
        let mut command = plain_git(&self.program);
        command.current_dir(dir).args(args).output().expect("git runs")
    }

    /// Writes files and commits them as `who`; returns the commit.
    pub fn commit_at(&self, dir: &Path, who: &str, files: &[(&str, &str)]) -> CommitId {
        for (path, text) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            fs::write(path, text).expect("write");
        }
        self.git_at(dir, &["add", "-A"]);
        let email = format!("{who}@agents.invalid");
        let mut command = plain_git(&self.program);
        command.envs([("GIT_AUTHOR_NAME", who), ("GIT_AUTHOR_EMAIL", &email)]);
        command.envs([("GIT_COMMITTER_NAME", who), ("GIT_COMMITTER_EMAIL", &email)]);
        command.current_dir(dir).args(["commit", "-q", "--allow-empty", "-m", "change"]);
        assert!(command.status().expect("git runs").success());
        self.head_at(dir)
    }

    pub fn commit(&self, files: &[(&str, &str)]) -> CommitId {
        self.commit_at(&self.user.clone(), "dev-a", files)
    }

    pub fn head_at(&self, dir: &Path) -> CommitId {
        id(&self.git_at(dir, &["rev-parse", "HEAD"]))
    }

    /// Imports and returns the tip of the target branch.
    pub fn import(&self) -> CommitId {
        self.repo.import_main(&self.user, None).expect("import").new
    }

    /// Puts a commit of the user's repository into the authoritative one, under a branch.
    pub fn take(&self, branch: &str) -> CommitId {
        let tip = self.head_at(&self.user);
        let url = self.repo.dir().to_str().expect("utf-8").to_owned();
        self.git(&["push", "-q", "-f", &url, &format!("HEAD:{branch}")]);
        tip
    }

    /// A clone that an agent would have, with the helper pointed at nothing.
    pub fn plain_clone(&self, name: &str) -> PathBuf {
        let dir = self.dir.path().join(name);
        let from = self.repo.dir().to_str().expect("utf-8").to_owned();
        self.git(&["clone", "-q", &from, dir.to_str().expect("utf-8")]);
        dir
    }

    /// Runs a push from `dir` against the served repository, through the real remote protocol.
    pub fn push(&self, dir: &Path, args: &[&str], judge: Judge<'_>) -> (Result<PushOutcome>, Output) {
        self.push_limited(dir, args, &PushLimits::default(), judge)
    }

    pub fn push_limited(
        &self,
        dir: &Path,
        args: &[&str],
        limits: &PushLimits,
        judge: Judge<'_>,
    ) -> (Result<PushOutcome>, Output) {
        let role = PrincipalId::new("dev-a").expect("name");
        self.dial(dir, &[&["push", "fd::7"], args].concat(), |stream| {
            self.repo.serve_push(&role, stream, limits, judge)
        })
    }

    pub fn fetch(&self, dir: &Path, args: &[&str], visible: &Visible) -> (Result<()>, Output) {
        let time = Duration::from_secs(20);
        self.dial(dir, args, |stream| self.repo.serve_fetch(stream, visible, time))
    }

    /// Runs the client on one end of a socket pair (git's own `fd::` transport) and a service on
    /// the other.
    fn dial<T: Send>(
        &self,
        dir: &Path,
        args: &[&str],
        serve: impl FnOnce(&UnixStream) -> Result<T>,
    ) -> (Result<T>, Output) {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let mut command = plain_git(Path::new("/bin/sh"));
        command.args(["-c", r#"exec "$@" 7<&0"#, "sh"]).arg(&self.program).args(args);
        command.current_dir(dir).stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let client = command.spawn().expect("git runs");
        drop(command);
        let result = serve(&ours);
        drop(ours);
        (result, client.wait_with_output().expect("client"))
    }
}

pub fn id(text: &str) -> CommitId {
    CommitId::new(text).expect("object id")
}

pub fn system_at(seconds: i64) -> Identity {
    Identity::of(&PrincipalId::system(), seconds)
}

/// git without this machine's configuration.
pub fn plain_git(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "dev-a"),
        ("GIT_AUTHOR_EMAIL", "dev-a@agents.invalid"),
        ("GIT_COMMITTER_NAME", "dev-a"),
        ("GIT_COMMITTER_EMAIL", "dev-a@agents.invalid"),
    ]);
    command
}

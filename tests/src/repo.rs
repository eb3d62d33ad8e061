//! A user's repository, made with the real git.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A repository in a directory of its own.
#[derive(Clone, Debug)]
pub struct Repo {
    /// The work tree.
    pub path: PathBuf,
}

impl Repo {
    /// An empty repository whose unborn branch is `branch`.
    ///
    /// # Panics
    /// When git fails.
    pub fn init(path: &Path, branch: &str) -> Self {
        fs::create_dir_all(path).expect("the repository's directory");
        let repo = Self { path: path.to_owned() };
        repo.git(&["init", "-q", "-b", branch]);
        repo
    }

    /// A repository with these files as its first commit.
    ///
    /// # Panics
    /// When git fails.
    pub fn with(path: &Path, branch: &str, files: &[(&str, &str)]) -> Self {
        let repo = Self::init(path, branch);
        repo.commit("The base", files);
        repo
    }

    /// Writes a file of the work tree.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, file: &str, text: &str) {
        let file = self.path.join(file);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder");
        fs::write(&file, text).expect("a file of the repository");
    }

    /// Writes these files and commits everything; returns the commit.
    ///
    /// # Panics
    /// When git fails.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (file, text) in files {
            self.write(file, text);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// What git prints, without the end of its last line.
    ///
    /// # Panics
    /// When git fails.
    pub fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {args:?} in {}: {said}", self.path.display());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// git, however it ends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn try_git(&self, args: &[&str]) -> Output {
        git_in(&self.path).args(args).output().expect("git starts")
    }

    /// Subjects of the first-parent history of a ref, newest first.
    ///
    /// # Panics
    /// When git fails.
    pub fn subjects(&self, name: &str) -> Vec<String> {
        let log = self.git(&["log", "--first-parent", "--format=%s", name]);
        log.lines().map(str::to_owned).collect()
    }

    /// The text of a file at a ref; `None` where there is none.
    pub fn show(&self, name: &str, file: &str) -> Option<String> {
        let output = self.try_git(&["show", &format!("{name}:{file}")]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// git that knows nothing of this machine's configuration.
pub fn git_in(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=You", "-c", "user.email=you@example.org", "-c", "commit.gpgsign=false"])
        .args(["-c", "safe.directory=*", "-c", "protocol.file.allow=always"]);
    git
}

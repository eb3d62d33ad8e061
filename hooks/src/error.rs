//! Why a hook stops a commit, or cannot be installed.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A refusal or a failure. Each says what mends it.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Implementation files without a test.
    #[error("{}\nwrite the test first, or `git config agents.testFirst exists` for work that existing tests cover", .0.join("\n"))]
    NoTest(Vec<String>),
    /// What looks like a secret.
    #[error("{}\nremove it from the file (and, if it is real, replace it where it is used)", .0.join("\n"))]
    Secrets(Vec<String>),
    /// A subject that is not in conventional form.
    #[error(
        "the subject {0:?} is not in conventional form; write `type(scope): what`, with one of the types {1}"
    )]
    Subject(String, String),
    /// A setting with a value that it cannot have.
    #[error("`{key}` is {value:?}; set it with `git config {key} {choices}`")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        choices: &'static str,
    },
    /// A name that is no hook of ours.
    #[error("there is no hook {0:?}; run it as `agents-hook pre-commit`, `commit-msg` or `post-commit`")]
    UnknownHook(String),
    /// Inside an agent's sandbox, where the runtime decides.
    #[error("hooks are not installed inside an agent's sandbox; the runtime checks every push itself")]
    InSandbox,
    /// A hook of this repository that was kept aside already has that name.
    #[error("{} is in the way; move it elsewhere and run this again", .0.display())]
    InTheWay(PathBuf),
    /// git failed.
    #[error("`git {command}` failed: {message}")]
    Git {
        /// The arguments.
        command: String,
        /// What it wrote.
        message: String,
    },
    /// A file could not be used.
    #[error("{doing} {} failed: {why}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        why: io::Error,
    },
}

impl HookError {
    pub(crate) fn file(doing: &'static str, path: &Path, why: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), why }
    }
}

//! What the starter is told: everything it does, decided beforehand and checked by the adapter.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The starter's whole work, handed over as one JSON argument.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct StarterPlan {
    /// Staging of directories below a private mount, before the uid is dropped.
    pub staging: Option<Staging>,
    /// Uid and gid to become; the runtime's own when absent.
    pub uid: Option<u32>,
    /// Limits of each process.
    pub limits: ProcessLimits,
    /// Program to execute: bubblewrap, or the agent itself without a wall.
    pub program: PathBuf,
    /// Options that are given through a descriptor, so that they are on no command line.
    pub options: Vec<String>,
    /// Small files shown inside.
    pub files: Vec<DataFile>,
    /// Plain arguments after the options.
    pub args: Vec<String>,
    /// The program's whole environment.
    pub env: Vec<(String, String)>,
    /// Directory to go to first.
    pub cwd: Option<PathBuf>,
}

/// Directories that an ordinary uid could not reach where they lie.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Staging {
    /// Where the private mount goes.
    pub root: PathBuf,
    /// What is bound below it, each under its name.
    pub binds: Vec<StagedBind>,
}

/// One directory or file in the staging area.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct StagedBind {
    /// Path on the host.
    pub host: PathBuf,
    /// Name below the staging root.
    pub name: String,
}

/// Limits that every process of the sandbox inherits; none can be raised again inside.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct ProcessLimits {
    /// RLIMIT_DATA in bytes.
    pub data: u64,
    /// RLIMIT_FSIZE in bytes.
    pub file: u64,
    /// RLIMIT_NOFILE.
    pub open_files: u64,
    /// RLIMIT_NPROC; counts all processes of the host uid.
    pub processes: Option<u64>,
}

/// A file whose content exists in memory only.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Path inside.
    pub inside: String,
    /// Its text.
    pub content: String,
}

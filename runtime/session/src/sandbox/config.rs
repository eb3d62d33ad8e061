//! What a sandbox adapter is told at its construction.

use foureyes_protocol::PrincipalId;
use std::path::PathBuf;

/// First host uid of the roles, unless configured otherwise.
const UID_BASE: u32 = 300_000;

/// Where the sandbox finds its parts and whom it is for.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The multi-call binary, usually the runtime's own executable.
    pub binary: PathBuf,
    /// The runtime's private directory (0700): holds the unreadable copy of the binary. No bind
    /// may show it or a directory above it.
    pub state_dir: PathBuf,
    /// Directory on which the starter of a root runtime mounts its private staging area. Every
    /// directory above it must be searchable by all.
    pub run_root: PathBuf,
    /// Name of the repository that the roles belong to; one block of uids each.
    pub repository: String,
    /// Every owner that a sandbox will be asked for, roles and gate slots, in a stable order: the
    /// position decides the uid.
    pub owners: Vec<PrincipalId>,
    /// First uid of the range in which the blocks lie.
    pub uid_base: u32,
    /// bubblewrap's path; searched for in the usual directories when absent.
    pub bwrap: Option<PathBuf>,
}

impl SandboxConfig {
    /// The usual places: staging on `/run/agents`, uids from 300000, bubblewrap from the system.
    pub fn new(binary: PathBuf, state_dir: PathBuf, repository: &str, owners: Vec<PrincipalId>) -> Self {
        Self {
            binary,
            state_dir,
            run_root: PathBuf::from("/run/agents"),
            repository: repository.to_owned(),
            owners,
            uid_base: UID_BASE,
            bwrap: None,
        }
    }
}

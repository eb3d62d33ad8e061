//! The wall around whatever an agent wrote or runs.

use foureyes_protocol::PrincipalId;
use std::path::{Path, PathBuf};

/// How strong the wall is. Printed at every start; see `docs/security.md` for what each may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// One uid and no sandbox: rules are advice.
    Advisory,
    /// One bubblewrap sandbox a process tree, network unshared, one socket.
    Sandboxed,
    /// As `Sandboxed`, and an ordinary uid of its own for each role.
    SeparateUid,
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Tier::Advisory => "ADVISORY",
            Tier::Sandboxed => "SANDBOXED",
            Tier::SeparateUid => "SEPARATE-UID",
        })
    }
}

/// What a sandbox is for; decides what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An agent: a pipe or a PTY and exactly one socket of the runtime.
    Agent,
    /// A gate run: no socket, no keys, no network, output on pipes.
    GateRun,
    /// Fetching dependencies: as a gate run, with the forwarder to the runtime's proxy.
    Prepare,
}

/// A directory or file of the host that is visible inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Absolute path on the host.
    pub host: PathBuf,
    /// Absolute path inside.
    pub inside: PathBuf,
    /// Whether the inside may write to it.
    pub writable: bool,
}

/// Limits of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Data segment of each process, in bytes (RLIMIT_DATA).
    pub memory_bytes: u64,
    /// Processes and threads in the sandbox.
    pub processes: u32,
    /// Largest file, in bytes (RLIMIT_FSIZE).
    pub file_bytes: u64,
    /// Open files a process (RLIMIT_NOFILE).
    pub open_files: u64,
    /// Size of the private /tmp, in bytes.
    pub tmp_bytes: u64,
}

/// What shall run inside, and with what.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// The role (or `gate-<n>`) that this sandbox belongs to: decides its uid and its directories.
    pub owner: PrincipalId,
    /// What it is for.
    pub purpose: Purpose,
    /// Writable home on the host, shown as `/home/agent`.
    pub home: PathBuf,
    /// Writable working directory on the host, shown as `/work`.
    pub work: PathBuf,
    /// Directory that holds the agent's one socket `rt.sock`, shown read-only as `/run/rt`.
    pub socket_dir: Option<PathBuf>,
    /// Toolchains, prepared dependencies and the like.
    pub binds: Vec<Bind>,
    /// The whole environment inside, besides PATH, HOME, LANG and TERM that the adapter sets
    /// (a PATH given here replaces the adapter's).
    pub env: Vec<(String, String)>,
    /// Program and arguments, as seen inside.
    pub argv: Vec<String>,
    /// Working directory, as seen inside.
    pub cwd: PathBuf,
    /// Limits.
    pub limits: Limits,
    /// Whether stdin, stdout and stderr are a PTY (job control needs the session kept).
    pub tty: bool,
    /// TCP port on the inside's loopback that pid 1 forwards to the socket, when given.
    pub forward_port: Option<u16>,
}

/// A process to start on the host: exactly this argv, with an EMPTY environment, no inherited
/// descriptors but 0 to 2, from a thread that lives as long as the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<std::ffi::OsString>,
    /// Environment of the *launcher* (usually empty; never holds a secret).
    pub env: Vec<(String, String)>,
}

/// One row of the self-test: an attack tried from inside, and whether the wall held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WallCheck {
    /// What was tried, such as `open a sibling's /proc/<pid>/fd/0`.
    pub attack: String,
    /// Whether it was refused.
    pub held: bool,
    /// What the attempt answered.
    pub detail: String,
}

/// Why a sandbox cannot be had.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SandboxError {
    /// bubblewrap is not installed.
    #[error("bubblewrap (`bwrap`) is not installed")]
    Missing,
    /// The kernel or the distribution forbids what is needed.
    #[error("this system does not allow the sandbox: {0}")]
    Forbidden(String),
    /// Something about the given directories or numbers is wrong.
    #[error("the sandbox of {owner} cannot be prepared: {why}")]
    Prepare {
        /// Whose sandbox.
        owner: String,
        /// What is wrong and what mends it.
        why: String,
    },
}

/// Builds walls. One adapter a process; the spawning itself belongs to whoever owns the stdio.
pub trait Sandbox: Send + Sync {
    /// The tier that this adapter gives on this machine.
    fn tier(&self) -> Tier;

    /// Makes and hands over what the owner needs on the host: `home`, `work` and `socket_dir`
    /// exist, belong to the owner's uid and are closed to all others. Idempotent.
    ///
    /// # Errors
    /// [`SandboxError::Prepare`] when a directory cannot be made or handed over.
    fn prepare(&self, spec: &SandboxSpec) -> Result<(), SandboxError>;

    /// The process to start for this spec. Call [`Sandbox::prepare`] before.
    ///
    /// # Errors
    /// [`SandboxError`] when a path is missing or not allowed.
    fn launch(&self, spec: &SandboxSpec) -> Result<Launch, SandboxError>;

    /// Host uid of an owner's processes; `None` where it is the runtime's own.
    fn uid_of(&self, owner: &PrincipalId) -> Option<u32>;

    /// Hands a freshly bound socket file in `socket_dir` to its owner, closed to all others: to be
    /// called after each bind, since connecting needs the right to write to it.
    ///
    /// # Errors
    /// [`SandboxError::Prepare`] when the file is missing or cannot be handed over.
    fn hand_over_socket(&self, owner: &PrincipalId, socket: &Path) -> Result<(), SandboxError>;

    /// Puts the wall of a started sandbox into its last shape: what can only be set from outside
    /// once the first process lives (the ceiling of processes). `pid` is the launched process. Does
    /// nothing when the sandbox has ended meanwhile. Blocking, some milliseconds.
    ///
    /// # Errors
    /// [`SandboxError::Forbidden`] when the kernel does not allow it; the caller ends the sandbox.
    fn finish(&self, spec: &SandboxSpec, pid: u32) -> Result<(), SandboxError>;

    /// Tries the attacks of the security matrix from inside a sandbox and says what held.
    /// Blocking; at most a few seconds.
    ///
    /// # Errors
    /// [`SandboxError`] when no sandbox could be started at all.
    fn self_test(&self) -> Result<Vec<WallCheck>, SandboxError>;
}

/// One command to run to its end inside a sandbox.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The wall, the program and its arguments; `tty` must be false.
    pub spec: SandboxSpec,
    /// What the program reads on its standard input before end of file.
    pub stdin: Vec<u8>,
    /// Wall time after which the whole sandbox is killed.
    pub timeout: std::time::Duration,
    /// Bytes kept of standard output and of standard error, each; the rest is read and dropped.
    pub output_cap: usize,
}

/// How a command in a sandbox ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunResult {
    /// Exit status, when the program ended by itself. Inside a sandbox a program that was killed
    /// by signal `n` is seen as exit `128 + n`, since the sandbox's pid 1 reports it so.
    pub exit: Option<i32>,
    /// Signal that ended the sandbox itself.
    pub signal: Option<i32>,
    /// Whether the timeout ended it.
    pub timed_out: bool,
    /// The first `output_cap` bytes of standard output.
    pub stdout: Vec<u8>,
    /// The first `output_cap` bytes of standard error.
    pub stderr: Vec<u8>,
    /// Whether either output was longer than what was kept.
    pub truncated: bool,
    /// Wall time from the start to the end, in milliseconds.
    pub millis: u64,
}

/// Runs commands to their end inside sandboxes.
#[async_trait::async_trait]
pub trait SandboxRunner: Send + Sync {
    /// Prepares the owner's directories, starts the command, feeds it and waits for its end.
    /// Dropping the future kills the sandbox.
    ///
    /// # Errors
    /// [`SandboxError`] when the sandbox could not be started; a command that fails inside is an
    /// ordinary [`RunResult`].
    async fn run(&self, request: RunRequest) -> Result<RunResult, SandboxError>;
}

//! The authoritative repository: what the rules ask of version control.
//!
//! Every call blocks (a git process takes about 3 ms), so callers run it on a thread that may wait.
//! Nothing here ever runs a program that a repository names: no hook, filter, textconv, external
//! diff, fsmonitor or lazy fetch, whoever wrote the repository's configuration.

mod none;

pub use none::NoVcs;

use foureyes_protocol::{ChangeSummary, CommitId, PrincipalId};
use std::{
    collections::BTreeMap,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// What can go wrong. Each text is a fragment that says what, where and, where a person or an agent
/// can act, what mends it.
#[derive(Debug, thiserror::Error)]
pub enum VcsError {
    /// No usable git program.
    #[error("no git at least {needed} was found ({found}); install it or put it first on PATH")]
    GitVersion {
        /// What is there: a version, or why there is none.
        found: String,
        /// The oldest version that will do.
        needed: &'static str,
    },
    /// The path is not a git repository.
    #[error("{} is not a git repository; run `git init` there or name another directory", .0.display())]
    NotARepository(PathBuf),
    /// The branch has no commit yet.
    #[error("branch {branch} of {} has no commit yet; make a first commit there", repo.display())]
    Unborn {
        /// The repository.
        repo: PathBuf,
        /// The full name of the branch.
        branch: String,
    },
    /// HEAD names a commit instead of a branch, and no target branch is configured.
    #[error("HEAD of {} is detached; check a branch out there or name the target branch in the configuration", .0.display())]
    DetachedHead(PathBuf),
    /// No such ref.
    #[error("{name} does not exist in {}", repo.display())]
    NoSuchRef {
        /// The repository.
        repo: PathBuf,
        /// The full name.
        name: String,
    },
    /// A ref name that git would not take, or that collides with another.
    #[error("ref name {name:?} cannot be used: {why}")]
    BadRefName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A ref is not where the caller believed it to be; nothing was moved.
    #[error("ref {name} moved meanwhile: expected {expected}, found {found}; read it again and retry")]
    RefMoved {
        /// The full name.
        name: String,
        /// The value the caller expected (`absent` where it should not exist).
        expected: String,
        /// What was found.
        found: String,
    },
    /// The object is not in the repository, or not of the kind asked for.
    #[error("object {0} is missing or not of the kind expected")]
    NoSuchObject(String),
    /// A merge of more than two parents.
    #[error("commit {0} merges more than two parents; merge the branches one at a time")]
    Octopus(CommitId),
    /// Two histories without a common commit.
    #[error("{head} shares no commit with {main}; start the branch from the target branch")]
    NoMergeBase {
        /// Tip of the target branch.
        main: CommitId,
        /// Tip of the branch.
        head: CommitId,
    },
    /// A criss-cross history, on which no single difference says what the change is.
    #[error(
        "{head} has {count} merge bases with {main}; merge the target branch into it once more and push again"
    )]
    SeveralMergeBases {
        /// Tip of the target branch.
        main: CommitId,
        /// Tip of the branch.
        head: CommitId,
        /// How many.
        count: usize,
    },
    /// A path that is not UTF-8, leaves the tree, or names a repository's own files.
    #[error("path {path:?} is refused: {why}; rename or remove it")]
    UnsafePath {
        /// The path, lossily.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// More than the stated limit.
    #[error("{what} exceeds the limit of {limit}; make it smaller")]
    TooLarge {
        /// What was measured.
        what: String,
        /// The limit, in bytes or pieces as `what` says.
        limit: u64,
    },
    /// The user's work tree has uncommitted edits, so its checked-out branch is left alone.
    #[error("{} has uncommitted edits on {branch}; commit or stash them, then deliver again", repo.display())]
    DirtyWorkTree {
        /// The work tree.
        repo: PathBuf,
        /// The checked-out branch.
        branch: String,
    },
    /// An untracked file of the user stands where the delivery would write.
    #[error("{} holds an untracked {path:?} that the delivery would overwrite; move it away, then deliver again", repo.display())]
    UntrackedInTheWay {
        /// The work tree.
        repo: PathBuf,
        /// The path in it.
        path: String,
    },
    /// The user's branch has commits that the delivered one has not.
    #[error("{branch} of {} is not an ancestor of {commit}; import it first, so that the change is merged onto it", repo.display())]
    NotFastForward {
        /// The user's repository.
        repo: PathBuf,
        /// The branch.
        branch: String,
        /// What was to be delivered.
        commit: CommitId,
    },
    /// A git process outlived its time.
    #[error("git {what} did not end within {seconds} s")]
    TimedOut {
        /// The subcommand.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// git failed for another reason.
    #[error("git {what} failed: {message}")]
    Git {
        /// The subcommand.
        what: String,
        /// What it said, cut to one screen line.
        message: String,
    },
    /// A file or pipe failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and where.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The signer refused.
    #[error("the commit was not signed: {0}")]
    Unsigned(String),
    /// git or a client said something that is not its format.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// The offending part, cut.
        detail: String,
    },
    /// The other end of a connection asked for what is never given.
    #[error("{0}")]
    Protocol(String),
}

/// Shorthand of this module.
pub type Result<T, E = VcsError> = std::result::Result<T, E>;

/// How objects are named. A repository has one for life, the user's repository decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFormat {
    /// 40 hexadecimal digits.
    Sha1,
    /// 64 hexadecimal digits.
    Sha256,
}

/// How the user's target branch stands to the authoritative one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// There was none before.
    First,
    /// Both are equal.
    Unchanged,
    /// The user's is ahead: the authoritative one was moved to it.
    FastForward,
    /// The authoritative one is ahead: it holds landed changes that the user's branch has not yet.
    Ahead,
    /// Both went on from a common point: not moved; merge `new` onto it.
    Diverged,
    /// The user's branch no longer contains what was imported last: not moved; the user is asked.
    Rewritten,
}

/// The outcome of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The full name of the target branch, the same in both repositories.
    pub branch: String,
    /// The authoritative branch before.
    pub old: Option<CommitId>,
    /// The user's branch now; its objects are in the authoritative repository, whatever the kind.
    pub new: CommitId,
    /// The relation of the two.
    pub kind: ImportKind,
}

/// What is known of the user's repository without running anything of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRepo {
    /// Top of the work tree; the git directory for a bare repository.
    pub root: PathBuf,
    /// The directory that holds its HEAD and index.
    pub git_dir: PathBuf,
    /// Whether it has no work tree.
    pub bare: bool,
    /// Whether its history is cut off.
    pub shallow: bool,
    /// The full name of the checked-out branch; none on a detached HEAD.
    pub head_branch: Option<String>,
    /// How it names objects.
    pub object_format: ObjectFormat,
    /// Whether any remote is configured.
    pub has_remote: bool,
}

/// A work tree for one agent.
#[derive(Clone, Debug)]
pub struct CloneSpec {
    /// Where: absent or empty.
    pub dir: PathBuf,
    /// Whose: decides the identity `<role> <role@agents.invalid>`.
    pub role: PrincipalId,
    /// The full name of the branch to check out; made from `start` where it does not exist.
    pub branch: String,
    /// Where a new branch starts.
    pub start: CommitId,
    /// The key that git is told to ask for (a fingerprint).
    pub signing_key: Option<String>,
    /// For a large repository: borrow the objects of the target branch from the main-only store,
    /// which is visible to the agent, read-only, at this absolute path. `None` copies everything.
    pub borrow_at: Option<PathBuf>,
    /// Further entries for the clone's configuration (`section.key`, value).
    pub config: Vec<(String, String)>,
}

/// A name and e-mail as in a commit, with the time claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The e-mail address without brackets.
    pub email: String,
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Offset as git writes it (`+0200`).
    pub offset: String,
}

impl Identity {
    /// The domain of every principal's address; reserved, so that it never belongs to anybody.
    pub const DOMAIN: &'static str = "agents.invalid";

    /// The identity of a principal at a time, in UTC.
    pub fn of(principal: &PrincipalId, seconds: i64) -> Self {
        let email = format!("{principal}@{}", Self::DOMAIN);
        Self { name: principal.to_string(), email, seconds, offset: "+0000".to_owned() }
    }

    /// The principal that the address claims; none for an address of another domain.
    pub fn principal(&self) -> Option<PrincipalId> {
        let (local, domain) = self.email.split_once('@')?;
        (domain == Self::DOMAIN).then(|| PrincipalId::new(local).ok()).flatten()
    }
}

/// A commit, taken apart from its raw object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id.
    pub id: CommitId,
    /// Its tree.
    pub tree: CommitId,
    /// Its parents, in order.
    pub parents: Vec<CommitId>,
    /// Who claims to have written it.
    pub author: Identity,
    /// Who claims to have committed it.
    pub committer: Identity,
    /// The first line of the message, lossily.
    pub subject: String,
    /// The whole message, lossily.
    pub message: String,
    /// What a signature covers: the object without its signature header, byte for byte as git cuts it.
    pub signed_payload: Vec<u8>,
    /// The armored signature, absent where there is none.
    pub signature: Option<Vec<u8>>,
    /// Why the shape of the object must not be trusted (two signatures, a signature of the other
    /// hash, doubled headers); such a commit is refused, not verified.
    pub irregular: Option<&'static str>,
}

/// One entry of a tree, recursively listed (no directories).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Path from the root.
    pub path: String,
    /// git's mode.
    pub mode: u32,
    /// Id of the blob (of the commit, for a submodule).
    pub id: CommitId,
}

/// A file to be put into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlob {
    /// Path from the root.
    pub path: String,
    /// git's mode (`0o100644`, `0o100755` or `0o120000`).
    pub mode: u32,
    /// The bytes.
    pub content: Vec<u8>,
}

/// A unified diff, cut at a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffText {
    /// The text, lossily; unescaped, so whoever shows it redraws it.
    pub text: String,
    /// Whether the limit cut it.
    pub truncated: bool,
}

/// What a merge gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// No conflict: the merged tree, written to the repository.
    Clean {
        /// Its id.
        tree: CommitId,
    },
    /// Both sides touched the same place.
    Conflict {
        /// The paths in conflict, sorted.
        paths: Vec<String>,
    },
}

/// A commit that the runtime makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The tree that was tested.
    pub tree: CommitId,
    /// Two for a merge, one for a squash or a linear landing.
    pub parents: Vec<CommitId>,
    /// The author.
    pub author: Identity,
    /// The committer.
    pub committer: Identity,
    /// Subject and body, without trailers.
    pub message: String,
    /// Trailers in order (`Foureyes-Feature`, …).
    pub trailers: Vec<(String, String)>,
}

/// Makes the armored signature of the bytes given, or says why not.
pub type Sign<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// Where a delivery goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryTarget {
    /// A branch of the user's repository that nobody has checked out (full name); fast-forward only.
    Branch(String),
    /// The user's target branch (full name). Where it is checked out, the work tree follows,
    /// provided that it is clean.
    Main(String),
    /// A branch (full name) of a remote of the user's repository, pushed with the user's own
    /// transport and credentials.
    Push {
        /// The remote's name.
        remote: String,
        /// The full name of the branch there.
        branch: String,
    },
}

/// What a delivery did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The full name of the ref that was moved.
    pub name: String,
    /// Its value before; none where it is new or not known.
    pub old: Option<CommitId>,
    /// Its value now.
    pub new: CommitId,
    /// Whether the user's work tree was brought along.
    pub work_tree_updated: bool,
}

/// One ref that a push wants to move. `None` stands for "absent".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name.
    pub name: String,
    /// Its value now.
    pub old: Option<CommitId>,
    /// Its value to be.
    pub new: Option<CommitId>,
}

/// What a push asks for. Its shape has been checked: no deletion, no tag, no forced update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRequest {
    /// Who pushes, by the channel.
    pub role: PrincipalId,
    /// All refs it wants to move; accepted or refused as a whole.
    pub updates: Vec<RefUpdate>,
}

/// Why a push is refused: lines for its author, each of which says what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The lines.
    pub lines: Vec<String>,
}

/// Decides on a push. The second argument is the repository as it would be, with the incoming
/// objects in quarantine: nothing of them, nor of what is written through it, is kept unless the
/// answer is `Ok`. It outlives no call, and refs are never moved through it. May take seconds.
pub type Judge<'a> = &'a dyn Fn(&PushRequest, &dyn Vcs) -> Result<Permit<'a>, Refusal>;

/// What an accepting judge leaves: it is called once the objects are kept, moves the refs by calling
/// what it is given at most once, and answers before the client is told anything. So whoever judges
/// can still refuse in the instant of the move, and keep a record before the push counts as done.
pub type Permit<'a> = Box<dyn FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<Result<()>, Refusal> + 'a>;

/// A permit with nothing more to say.
#[must_use]
pub fn permit<'a>() -> Permit<'a> {
    Box::new(|go| Ok(go()))
}

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The client went away or wanted nothing.
    Nothing,
    /// All of these refs moved, in one transaction.
    Accepted(Vec<RefUpdate>),
    /// Nothing moved.
    Refused {
        /// What was wanted, as far as it could be read.
        updates: Vec<RefUpdate>,
        /// What the client was told.
        lines: Vec<String>,
    },
}

/// Which refs a reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Every branch.
    AllBranches,
    /// These refs only (full names).
    Only(Vec<String>),
}

/// Bounds of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushLimits {
    /// Bytes of the incoming pack.
    pub pack_bytes: u64,
    /// Refs in one push.
    pub refs: usize,
    /// Data segment of the process that unpacks (RLIMIT_DATA), in bytes.
    pub memory_bytes: u64,
    /// From the first byte until the objects are unpacked; the judge's own time is not counted.
    pub time: Duration,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self { pack_bytes: 256 << 20, refs: 16, memory_bytes: 512 << 20, time: Duration::from_secs(30) }
    }
}

/// One authoritative repository. Ids of trees are [`CommitId`]s too: they are object ids.
///
/// Contract: calls may run at the same time from several threads; a ref moves only from the value
/// the caller names; a failed call leaves refs as they were; what is read depends on objects
/// alone, never on attributes, replace refs, grafts or configuration inside the repositories.
pub trait Vcs: Send + Sync {
    /// How objects are named here.
    fn object_format(&self) -> ObjectFormat;

    /// What the user's repository looks like.
    ///
    /// # Errors
    /// [`VcsError::NotARepository`], or a git failure.
    fn inspect_user_repo(&self, path: &Path) -> Result<UserRepo>;

    /// Fetches the target branch (full name; the user's HEAD branch where `None`) and moves the
    /// authoritative branch of the same name if that is a fast-forward.
    ///
    /// # Errors
    /// [`VcsError::NotARepository`], [`VcsError::DetachedHead`], [`VcsError::Unborn`],
    /// [`VcsError::NoSuchRef`], [`VcsError::BadRefName`], or a git failure.
    fn import_main(&self, user_repo: &Path, target: Option<&str>) -> Result<Import>;

    /// Makes a clone for an agent. It is not chowned, and no call of this trait ever runs git in it
    /// afterwards.
    ///
    /// # Errors
    /// A git or file failure.
    fn clone_for_agent(&self, spec: &CloneSpec) -> Result<()>;

    /// Brings the main-only store, from which large clones borrow, up to `main` (a full ref name)
    /// and returns its directory, to be bound read-only at [`CloneSpec::borrow_at`].
    ///
    /// # Errors
    /// A git or file failure.
    fn refresh_main_store(&self, main: &str) -> Result<PathBuf>;

    /// The cumulative change of `head` against its merge base with `main`.
    ///
    /// # Errors
    /// [`VcsError::Octopus`], [`VcsError::SeveralMergeBases`], [`VcsError::NoMergeBase`],
    /// [`VcsError::UnsafePath`], [`VcsError::TooLarge`], or a git failure.
    fn change_summary(&self, main: &CommitId, head: &CommitId) -> Result<ChangeSummary>;

    /// Every commit reachable from `head` and not from `main`, parents before children, the
    /// commits that merges bring in included.
    ///
    /// # Errors
    /// [`VcsError::TooLarge`] above 10,000 commits, [`VcsError::Malformed`], or a git failure.
    fn commits_between(&self, main: &CommitId, head: &CommitId) -> Result<Vec<CommitInfo>>;

    /// One commit.
    ///
    /// # Errors
    /// [`VcsError::NoSuchObject`], [`VcsError::Malformed`], or a git failure.
    fn commit_info(&self, commit: &CommitId) -> Result<CommitInfo>;

    /// Whether the first is an ancestor of the second, or the same.
    ///
    /// # Errors
    /// A git failure, for example a missing object.
    fn is_ancestor(&self, ancestor: &CommitId, of: &CommitId) -> Result<bool>;

    /// The bytes of a path in a commit or tree; none where there is no such file.
    ///
    /// # Errors
    /// [`VcsError::TooLarge`] above `cap` bytes, or a git failure.
    fn read_blob(&self, commit: &CommitId, path: &str, cap: u64) -> Result<Option<Vec<u8>>>;

    /// All files of a commit or tree, sorted by path.
    ///
    /// # Errors
    /// [`VcsError::UnsafePath`], [`VcsError::TooLarge`], or a git failure.
    fn list_tree(&self, commit: &CommitId) -> Result<Vec<TreeEntry>>;

    /// The unified diff of two commits or trees, of the given paths (all where empty), at most
    /// `cap` bytes of it.
    ///
    /// # Errors
    /// A git failure.
    fn diff_text(&self, base: &CommitId, head: &CommitId, paths: &[String], cap: usize) -> Result<DiffText>;

    /// The tree that is `base` with the given paths as they are in `overlay` (added, replaced or, if
    /// absent there, deleted).
    ///
    /// # Errors
    /// [`VcsError::UnsafePath`], or a git failure.
    fn compose_tree(&self, base: &CommitId, overlay: &CommitId, paths: &[String]) -> Result<CommitId>;

    /// The tree that is `base` with these files put into it.
    ///
    /// # Errors
    /// [`VcsError::UnsafePath`], or a git failure.
    fn compose_tree_with_blobs(&self, base: &CommitId, blobs: &[NewBlob]) -> Result<CommitId>;

    /// Merges two commits without a work tree.
    ///
    /// # Errors
    /// [`VcsError::NoMergeBase`], or a git failure.
    fn merge(&self, main: &CommitId, head: &CommitId) -> Result<Merge>;

    /// Writes a commit signed by `sign`; moves no ref.
    ///
    /// # Errors
    /// [`VcsError::Unsigned`], [`VcsError::Malformed`] for a name or message that would forge
    /// headers, or a git failure.
    fn commit(&self, new: &NewCommit, sign: Sign<'_>) -> Result<CommitId>;

    /// The value of a ref; none where it does not exist.
    ///
    /// # Errors
    /// A git failure.
    fn ref_value(&self, name: &str) -> Result<Option<CommitId>>;

    /// All refs below a prefix such as `refs/heads/`.
    ///
    /// # Errors
    /// A git failure.
    fn refs(&self, prefix: &str) -> Result<BTreeMap<String, CommitId>>;

    /// Moves refs in one transaction: all or none, each only from the value that the update names.
    ///
    /// # Errors
    /// [`VcsError::RefMoved`], or a git failure.
    fn update_refs(&self, updates: &[RefUpdate]) -> Result<()>;

    /// Writes the files of a commit or tree into an empty directory, byte for byte: no filter, no
    /// line-ending conversion, no attribute. Submodules become empty directories.
    ///
    /// # Errors
    /// [`VcsError::UnsafePath`] for `.git` in any spelling and for a symbolic link that leaves the
    /// tree, [`VcsError::TooLarge`], or a git or file failure.
    fn checkout_tree(&self, tree: &CommitId, dir: &Path) -> Result<()>;

    /// Brings a commit to the user.
    ///
    /// # Errors
    /// [`VcsError::DirtyWorkTree`], [`VcsError::UntrackedInTheWay`], [`VcsError::NotFastForward`],
    /// or a git failure.
    fn deliver(&self, user_repo: &Path, target: &DeliveryTarget, commit: &CommitId) -> Result<Delivered>;

    /// Serves one push on a connection from which the request line has been read. Returns when the
    /// connection has been answered; the caller closes it.
    ///
    /// # Errors
    /// A git or file failure; the client was told that the push failed, no ref moved.
    fn serve_push(
        &self,
        role: &PrincipalId,
        connection: &UnixStream,
        limits: &PushLimits,
        judge: Judge<'_>,
    ) -> Result<PushOutcome>;

    /// Serves one fetch on a connection from which the request line has been read.
    ///
    /// # Errors
    /// A git or file failure.
    fn serve_fetch(&self, connection: &UnixStream, visible: &Visible, time: Duration) -> Result<()>;
}

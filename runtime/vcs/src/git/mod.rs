//! The authoritative repository over the git program.
//!
//! On disk, below the state directory: `authoritative.git` (bare, outside every sandbox),
//! `main.git` (only what the target branch reaches, for clones that borrow), `gitconfig` (the
//! runtime's own global configuration) and `tmp` (indexes and quarantines, emptied at opening).
//! Branches live at `refs/heads/`; `refs/foureyes/` is the runtime's own and shown to nobody.

mod change;
mod checkout;
mod clone;
mod command;
mod commit_object;
mod deliver;
mod diff;
mod history;
mod import;
mod merge;
mod objects;
mod pktline;
mod receive;
mod refs;
pub mod remote_helper;
mod shape;
mod temp;
mod tree;
mod upload;
mod user_repo;
mod version;
mod watchdog;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use shape::{RefClass, bad_ref_name, link_stays_inside, ref_class, unsafe_path};
pub use version::{MINIMUM_GIT, check_git, find_git};

use command::{Git, GitCommand, io_error};
use foureyes_ports::vcs::{
    CloneSpec, CommitInfo, Delivered, DeliveryTarget, DiffText, Import, Judge, Merge, NewBlob, NewCommit,
    ObjectFormat, PushLimits, PushOutcome, RefUpdate, Result, Sign, TreeEntry, UserRepo, Vcs, VcsError,
    Visible,
};
use foureyes_protocol::{ChangeSummary, CommitId, PrincipalId};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::DirBuilderExt, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes of one commit object.
const COMMIT_CAP: u64 = 1 << 20;

/// The runtime's own global configuration. A repository's file outranks it; it is for what only
/// a global file may say, and for processes that git starts in another repository.
const GLOBAL_CONFIG: &str = "[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
    [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[init]\n\tdefaultBranch = main\n";

/// One authoritative repository below a state directory.
#[derive(Clone, Debug)]
pub struct GitRepository {
    git: Git,
    state: PathBuf,
    dir: PathBuf,
    format: ObjectFormat,
    quarantine: Option<PathBuf>,
}

/// What the user's repository at `path` looks like, before there is an authoritative one. `state` is
/// where the fixed configuration of git lies (made when missing).
///
/// # Errors
/// [`VcsError::GitVersion`], [`VcsError::NotARepository`], or a git or file failure.
pub fn look_at(program: &Path, state: &Path, path: &Path) -> Result<UserRepo> {
    check_git(program)?;
    user_repo::inspect(&configured(program, state)?, path)
}

/// git with the one configuration that it may read.
fn configured(program: &Path, state: &Path) -> Result<Git> {
    private_dir(state)?;
    let global_config = state.join("gitconfig");
    fs::write(&global_config, GLOBAL_CONFIG).map_err(|e| io_error("writing the git configuration", e))?;
    Ok(Git { program: program.to_owned(), global_config })
}

impl GitRepository {
    /// Opens the repository below `state`, or makes it. `program` is git itself, absolute
    /// ([`find_git`]); the format counts at making only.
    ///
    /// # Errors
    /// [`VcsError::GitVersion`], or a git or file failure.
    pub fn init_authoritative(program: &Path, state: &Path, format: ObjectFormat) -> Result<Self> {
        check_git(program)?;
        let git = configured(program, state)?;
        let dir = state.join("authoritative.git");
        let mut repository = Self { git, state: state.to_owned(), dir, format, quarantine: None };
        if !repository.dir.join("HEAD").exists() {
            repository.make_bare(&repository.dir)?;
        }
        repository.format = repository.read_format()?;
        repository.empty_temp()?;
        Ok(repository)
    }

    /// The bare repository's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Packs what the pushes left, so that look-ups stay fast. Takes a while in a large repository;
    /// reading, pushing and landing go on meanwhile.
    ///
    /// # Errors
    /// A git failure.
    pub fn maintain(&self) -> Result<()> {
        let repack = self.git("repack").args(["-d", "-q", "--geometric=2", "--write-midx"]);
        repack.limit(Duration::from_secs(600)).run()?;
        self.git("pack-refs").arg("--all").run().map(drop)
    }

    fn make_bare(&self, dir: &Path) -> Result<()> {
        let format = match self.format {
            ObjectFormat::Sha1 => "sha1",
            ObjectFormat::Sha256 => "sha256",
        };
        let init = self.git.command("init").args(["-q", "--bare", "--template=", "--initial-branch=main"]);
        init.arg(format!("--object-format={format}")).arg(dir).in_dir(&self.state).run()?;
        let own = "[core]\n\tfsync = committed\n\thooksPath = /dev/null\n\tlogAllRefUpdates = true\n\
            [receive]\n\tfsckObjects = true\n[transfer]\n\thideRefs = refs/foureyes\n[gc]\n\tauto = 0\n";
        let path = dir.join("config");
        let made = fs::read_to_string(&path).map_err(|e| io_error("reading the new repository", e))?;
        fs::write(&path, format!("{made}{own}")).map_err(|e| io_error("configuring the new repository", e))
    }

    fn read_format(&self) -> Result<ObjectFormat> {
        let shown = self.git.command("rev-parse").env("GIT_DIR", &self.dir).in_dir(&self.dir);
        parse_format(&shown.arg("--show-object-format").line()?)
    }

    /// A call in the authoritative repository, quarantined objects included where there are any.
    fn git(&self, subcommand: &str) -> GitCommand {
        self.git_with(subcommand, &[])
    }

    fn git_with(&self, subcommand: &str, settings: &[String]) -> GitCommand {
        self.bind(self.git.command_with(subcommand, settings))
    }

    fn bind(&self, command: GitCommand) -> GitCommand {
        let command = command.git_dir(&self.dir, self.format);
        match &self.quarantine {
            Some(objects) => command
                .env("GIT_OBJECT_DIRECTORY", objects)
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.dir.join("objects"))
                .env("GIT_QUARANTINE_PATH", objects),
            None => command,
        }
    }

    /// The same repository with the objects of a directory added, none of which is kept.
    fn with_quarantine(&self, objects: &Path) -> Self {
        Self { quarantine: Some(objects.to_owned()), ..self.clone() }
    }
}

/// Makes a directory that only this user may enter.
fn private_dir(dir: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| io_error(&format!("making {}", dir.display()), e))
}

fn parse_format(text: &str) -> Result<ObjectFormat> {
    match text {
        "sha1" => Ok(ObjectFormat::Sha1),
        "sha256" => Ok(ObjectFormat::Sha256),
        other => Err(command::malformed("object format", other.as_bytes())),
    }
}

/// An object id that git printed.
fn parse_id(text: &str) -> Result<CommitId> {
    CommitId::new(text).map_err(|_| command::malformed("object id", text.as_bytes()))
}

impl Vcs for GitRepository {
    fn object_format(&self) -> ObjectFormat {
        self.format
    }
    fn inspect_user_repo(&self, path: &Path) -> Result<UserRepo> {
        user_repo::inspect(&self.git, path)
    }
    fn import_main(&self, user_repo: &Path, target: Option<&str>) -> Result<Import> {
        self.import(user_repo, target)
    }
    fn clone_for_agent(&self, spec: &CloneSpec) -> Result<()> {
        self.clone_agent(spec)
    }
    fn refresh_main_store(&self, main: &str) -> Result<PathBuf> {
        self.refresh_store(main)
    }
    fn change_summary(&self, main: &CommitId, head: &CommitId) -> Result<ChangeSummary> {
        self.summarize(main, head)
    }
    fn commits_between(&self, main: &CommitId, head: &CommitId) -> Result<Vec<CommitInfo>> {
        self.history(main, head)
    }
    fn commit_info(&self, commit: &CommitId) -> Result<CommitInfo> {
        commit_object::parse(commit, &self.raw_commit(commit)?, self.format)
    }
    fn is_ancestor(&self, ancestor: &CommitId, of: &CommitId) -> Result<bool> {
        self.git("merge-base").args(["--is-ancestor", ancestor.as_str(), of.as_str()]).test()
    }
    fn read_blob(&self, commit: &CommitId, path: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        tree::check_path(path)?;
        self.object(&format!("{commit}:{path}"), "blob", cap)
    }
    fn list_tree(&self, commit: &CommitId) -> Result<Vec<TreeEntry>> {
        self.list(commit)
    }
    fn diff_text(&self, base: &CommitId, head: &CommitId, paths: &[String], cap: usize) -> Result<DiffText> {
        self.diff(base, head, paths, cap)
    }
    fn compose_tree(&self, base: &CommitId, overlay: &CommitId, paths: &[String]) -> Result<CommitId> {
        self.compose(base, overlay, paths)
    }
    fn compose_tree_with_blobs(&self, base: &CommitId, blobs: &[NewBlob]) -> Result<CommitId> {
        self.compose_blobs(base, blobs)
    }
    fn merge(&self, main: &CommitId, head: &CommitId) -> Result<Merge> {
        self.merge_trees(main, head)
    }
    fn commit(&self, new: &NewCommit, sign: Sign<'_>) -> Result<CommitId> {
        self.write_commit(new, sign)
    }
    fn ref_value(&self, name: &str) -> Result<Option<CommitId>> {
        self.value(name)
    }
    fn refs(&self, prefix: &str) -> Result<BTreeMap<String, CommitId>> {
        self.refs_below(prefix)
    }
    fn update_refs(&self, updates: &[RefUpdate]) -> Result<()> {
        self.move_refs(updates)
    }
    fn checkout_tree(&self, tree: &CommitId, dir: &Path) -> Result<()> {
        self.checkout(tree, dir)
    }
    fn deliver(&self, user_repo: &Path, target: &DeliveryTarget, commit: &CommitId) -> Result<Delivered> {
        self.deliver_to(user_repo, target, commit)
    }
    fn serve_push(
        &self,
        role: &PrincipalId,
        connection: &UnixStream,
        limits: &PushLimits,
        judge: Judge<'_>,
    ) -> Result<PushOutcome> {
        receive::serve(self, role, connection, limits, judge)
    }
    fn serve_fetch(&self, connection: &UnixStream, visible: &Visible, time: Duration) -> Result<()> {
        self.upload(connection, visible, time)
    }
}

/// Turns an error text that only git knows into one that names the cause.
fn explain(error: VcsError, telling: &str, meaning: VcsError) -> VcsError {
    match &error {
        VcsError::Git { message, .. } if message.contains(telling) => meaning,
        _ => error,
    }
}

//! No repository: messages alone never touch one, so every call says that there is none.

use super::{
    CloneSpec, CommitInfo, Delivered, DeliveryTarget, DiffText, Import, Judge, Merge, NewBlob, NewCommit,
    ObjectFormat, PushLimits, PushOutcome, RefUpdate, Sign, TreeEntry, UserRepo, Vcs, VcsError, Visible,
};
use foureyes_protocol::{ChangeSummary, CommitId, PrincipalId};
use std::{
    collections::BTreeMap,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// A version control without a repository.
pub struct NoVcs;

type Result<T> = std::result::Result<T, VcsError>;

fn none<T>() -> Result<T> {
    Err(VcsError::NotARepository(PathBuf::from("no repository")))
}

impl Vcs for NoVcs {
    fn object_format(&self) -> ObjectFormat {
        ObjectFormat::Sha1
    }
    fn inspect_user_repo(&self, _: &Path) -> Result<UserRepo> {
        none()
    }
    fn import_main(&self, _: &Path, _: Option<&str>) -> Result<Import> {
        none()
    }
    fn clone_for_agent(&self, _: &CloneSpec) -> Result<()> {
        none()
    }
    fn refresh_main_store(&self, _: &str) -> Result<PathBuf> {
        none()
    }
    fn change_summary(&self, _: &CommitId, _: &CommitId) -> Result<ChangeSummary> {
        none()
    }
    fn commits_between(&self, _: &CommitId, _: &CommitId) -> Result<Vec<CommitInfo>> {
        none()
    }
    fn commit_info(&self, _: &CommitId) -> Result<CommitInfo> {
        none()
    }
    fn is_ancestor(&self, _: &CommitId, _: &CommitId) -> Result<bool> {
        none()
    }
    fn read_blob(&self, _: &CommitId, _: &str, _: u64) -> Result<Option<Vec<u8>>> {
        none()
    }
    fn list_tree(&self, _: &CommitId) -> Result<Vec<TreeEntry>> {
        none()
    }
    fn diff_text(&self, _: &CommitId, _: &CommitId, _: &[String], _: usize) -> Result<DiffText> {
        none()
    }
    fn compose_tree(&self, _: &CommitId, _: &CommitId, _: &[String]) -> Result<CommitId> {
        none()
    }
    fn compose_tree_with_blobs(&self, _: &CommitId, _: &[NewBlob]) -> Result<CommitId> {
        none()
    }
    fn merge(&self, _: &CommitId, _: &CommitId) -> Result<Merge> {
        none()
    }
    fn commit(&self, _: &NewCommit, _: Sign<'_>) -> Result<CommitId> {
        none()
    }
    fn ref_value(&self, _: &str) -> Result<Option<CommitId>> {
        none()
    }
    fn refs(&self, _: &str) -> Result<BTreeMap<String, CommitId>> {
        none()
    }
    fn update_refs(&self, _: &[RefUpdate]) -> Result<()> {
        none()
    }
    fn checkout_tree(&self, _: &CommitId, _: &Path) -> Result<()> {
        none()
    }
    fn deliver(&self, _: &Path, _: &DeliveryTarget, _: &CommitId) -> Result<Delivered> {
        none()
    }
    fn serve_push(
        &self,
        _: &PrincipalId,
        _: &UnixStream,
        _: &PushLimits,
        _: Judge<'_>,
    ) -> Result<PushOutcome> {
        none()
    }
    fn serve_fetch(&self, _: &UnixStream, _: &Visible, _: Duration) -> Result<()> {
        none()
    }
}

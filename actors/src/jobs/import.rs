//! Taking over the target branch from the user's repository.

use super::{Bench, JobError};
use foureyes_ports::{
    governance::Draft,
    vcs::{Identity, Import, ImportKind, Merge, NewCommit, RefUpdate},
};
use foureyes_protocol::{
    Address, Code, CommitId, FeatureId, PrincipalId, Priority, Reason, Risk,
    body::{Alert, Imported, MAX_PATHS},
};

impl Bench {
    /// Imports, and says what came; a rewritten branch stops and asks.
    pub(super) async fn import(&self, feature: Option<FeatureId>) -> Result<Vec<Draft>, JobError> {
        let (import, now) = self.fetch().await?;
        let old = self.features.main.clone();
        let (paths, all_paths) = self.touched(old.as_ref(), &now).await?;
        let body = Imported { source: import.branch.clone(), old, new: now, paths, all_paths };
        let draft = Draft::new(Address::system(), body);
        Ok(vec![Draft { feature, ..draft }])
    }

    /// Fetches the user's branch; the import and the target branch as it now is.
    pub(super) async fn fetch(&self) -> Result<(Import, CommitId), JobError> {
        let (repo, branch) = (self.core.facts.user_repo.clone(), self.core.facts.main_ref());
        let import = self.vcs(move |v| v.import_main(&repo, Some(&branch))).await?;
        let now = match import.kind {
            ImportKind::Ahead => import.old.clone().unwrap_or_else(|| import.new.clone()),
            ImportKind::Diverged => self.join(&import).await?,
            ImportKind::Rewritten => return Err(JobError::Refused(rewritten(&import))),
            ImportKind::First | ImportKind::Unchanged | ImportKind::FastForward => import.new.clone(),
        };
        Ok((import, now))
    }

    /// Both went on: the runtime merges the user's commits onto what has landed, signed by the gate key.
    async fn join(&self, import: &Import) -> Result<CommitId, JobError> {
        let ours = import.old.clone().ok_or(JobError::Missing("earlier import"))?;
        let theirs = import.new.clone();
        let (main, name) = (ours.clone(), self.core.facts.main_ref());
        let (signer, now_ms) = (self.core.ports.signer.clone(), self.core.ports.clock.now_ms());
        let refs = self.core.refs.clone();
        self.vcs(move |v| {
            let tree = match v.merge(&ours, &theirs)? {
                Merge::Clean { tree } => tree,
                Merge::Conflict { paths } => {
                    let message = format!("your commits conflict with what has landed in {}: merge the delivered branch into yours, then retry", paths.join(", "));
                    return Err(foureyes_ports::vcs::VcsError::Git { what: "import".to_owned(), message });
                }
            };
            let who = Identity::of(&PrincipalId::system(), (now_ms / 1_000) as i64);
            let new = NewCommit { tree, parents: vec![ours, theirs], author: who.clone(), committer: who, message: "Merge the user's commits".to_owned(), trailers: Vec::new() };
            let commit = v.commit(&new, &|payload| signer.sign_gate(payload, now_ms).map(|s| s.armor.into_bytes()).map_err(|e| e.to_string()))?;
            let update = RefUpdate { name, old: Some(main), new: Some(commit.clone()) };
            refs.unless_frozen(|| v.update_refs(&[update])).unwrap_or_else(|| Err(foureyes_ports::vcs::VcsError::Protocol("everything is frozen".to_owned())))?;
            Ok(commit)
        })
        .await
    }

    /// Paths between two commits, at most [`MAX_PATHS`].
    pub(super) async fn touched(
        &self,
        old: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<(Vec<String>, bool), JobError> {
        let Some(old) = old.filter(|o| *o != new).cloned() else { return Ok((Vec::new(), false)) };
        let new = new.clone();
        let change = self.vcs(move |v| v.change_summary(&old, &new)).await?;
        let mut paths: Vec<String> = change
            .files
            .iter()
            .flat_map(|f| std::iter::once(f.path.clone()).chain(f.old_path.clone()))
            .collect();
        let all = paths.len() > MAX_PATHS;
        paths.truncate(MAX_PATHS);
        Ok((paths, all))
    }
}

fn rewritten(import: &Import) -> Reason {
    Reason::new(
        Code::Conflict,
        format!(
            "{} of your repository no longer contains what was imported last: it was rewritten; restore it, or start a new state directory with `agents repo rm --purge`",
            import.branch
        ),
    )
}

/// An alert to the user.
pub(super) fn alert(event: &str, text: String) -> Draft {
    let alert = Alert { severity: Risk::High, event: event.to_owned(), text };
    Draft { priority: Priority::High, ..Draft::new(Address::user(), alert) }
}

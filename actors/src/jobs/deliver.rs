//! Bringing a merge to the user's repository.

use super::{Bench, JobError, import::alert};
use foureyes_ports::{
    governance::Draft,
    vcs::{DeliveryTarget, VcsError},
};
use foureyes_protocol::{Address, CommitId, FeatureId, Priority, body::Delivered};

impl Bench {
    pub(super) async fn deliver(&self, id: &FeatureId, commit: CommitId) -> Result<Vec<Draft>, JobError> {
        let (repo, target) = (self.core.facts.user_repo.clone(), self.core.facts.deliver.clone());
        // What has landed since is delivered with it: the branch only ever goes forward.
        let newest = self.features.main.clone().unwrap_or_else(|| commit.clone());
        let to = newest.clone();
        let refs = self.core.refs.clone();
        let done = self
            .vcs(move |v| {
                let deliver = || v.deliver(&repo, &target, &to);
                let frozen =
                    || Err(VcsError::Protocol("everything is frozen: nothing is delivered".to_owned()));
                match target {
                    // A freeze must not wait for another machine: it only keeps this from beginning.
                    DeliveryTarget::Push { .. } => refs.unless_frozen(|| ()).map(|()| deliver()),
                    DeliveryTarget::Branch(_) | DeliveryTarget::Main(_) => refs.unless_frozen(deliver),
                }
                .unwrap_or_else(frozen)
            })
            .await?;
        let body = Delivered { commit, to: words(&self.core.facts.deliver, &done.name) };
        let delivered =
            Draft { priority: Priority::High, ..Draft::new(Address::user(), body) }.about(id.clone());
        let stale = matches!(self.core.facts.deliver, DeliveryTarget::Main(_)) && !done.work_tree_updated;
        let note = stale.then(|| {
            alert(
                "delivered-elsewhere",
                format!("{} moved; another branch is checked out in your repository", done.name),
            )
        });
        Ok(std::iter::once(delivered).chain(note).collect())
    }
}

fn words(target: &DeliveryTarget, name: &str) -> String {
    match target {
        DeliveryTarget::Branch(_) => format!("branch {name}"),
        DeliveryTarget::Main(_) => name.to_owned(),
        DeliveryTarget::Push { remote, branch } => format!("{remote} {branch}"),
    }
}

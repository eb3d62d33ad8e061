//! Target directories to start from: copies of what runs on `main`'s own trees have built.
//!
//! A seed is written by rename, once a key, and only by trusted runs; every other run works on a
//! copy, so nothing that a branch has built is ever seen by another run.

use crate::{session, settings::Settings, tree};
use foureyes_protocol::Digest;
use std::path::{Path, PathBuf};

/// Seeds kept at a time: the present one and the one before a change of dependencies or tools.
const KEPT: usize = 2;

/// The seed of one environment and lock file.
pub(crate) struct Seed {
    dir: PathBuf,
    trusted: bool,
}

impl Seed {
    /// The seed for this environment and lock file; `None` where seeds are switched off.
    pub(crate) fn at(settings: &Settings, environment: Digest, lock: &str, trusted: bool) -> Option<Self> {
        let parts = [&environment.0[..], lock.as_bytes()];
        let key = Digest::of_parts("foureyes seed v1", parts);
        settings.seeds.then(|| Self { dir: settings.state_dir.join("seeds").join(key.to_string()), trusted })
    }

    /// Copies the seed to `target`; says whether there was one. A copy that fails half-way is
    /// removed, and the run starts empty.
    pub(crate) async fn plant(&self, target: &Path) -> bool {
        if !self.dir.is_dir() {
            return false;
        }
        let copied = session::copy(self.dir.clone(), target.to_owned()).await;
        if let Err(error) = &copied {
            tracing::warn!(%error, dir = %self.dir.display(), "the seed of a target directory is unusable");
            // What cannot be removed makes the build fail with its own message.
            let _ = std::fs::remove_dir_all(target);
        }
        copied.is_ok()
    }

    /// Keeps what a trusted run has built, if nobody did before. It is an optimisation: a failure
    /// is logged and costs only time.
    pub(crate) async fn keep(&self, target: &Path) {
        if !self.trusted || self.dir.exists() {
            return;
        }
        let (from, to) = (target.to_owned(), self.dir.clone());
        let kept = tokio::task::spawn_blocking(move || keep(&from, &to)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, dir = %self.dir.display(), "what was built could not be kept");
        }
    }
}

fn keep(from: &Path, to: &Path) -> std::io::Result<()> {
    let seeds = to.parent().unwrap_or(to);
    std::fs::create_dir_all(seeds)?;
    let draft = tempfile::Builder::new().prefix("draft-").tempdir_in(seeds)?;
    tree::copy(from, draft.path())?;
    std::fs::rename(draft.keep(), to)?;
    prune(seeds)
}

/// Removes all but the newest seeds. A run that is copying one of them sees its copy fail and
/// starts empty.
fn prune(seeds: &Path) -> std::io::Result<()> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(seeds)? {
        let entry = entry?;
        all.push((entry.metadata()?.modified()?, entry.path()));
    }
    all.sort();
    let old = all.len().saturating_sub(KEPT);
    all.iter().take(old).try_for_each(|(_, dir)| std::fs::remove_dir_all(dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::sandbox::Tier;

    #[tokio::test]
    async fn only_a_trusted_run_leaves_a_seed_and_copies_keep_their_times() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::new(dir.path().join("state"), Tier::Advisory);
        let built = dir.path().join("built");
        std::fs::create_dir_all(built.join("debug")).unwrap();
        std::fs::write(built.join("debug/a"), "a").unwrap();
        let seed = |lock: &str, trusted| Seed::at(&settings, Digest::default(), lock, trusted).unwrap();
        let target = dir.path().join("target");
        seed("lock", false).keep(&built).await;
        assert!(!seed("lock", false).plant(&target).await);
        seed("lock", true).keep(&built).await;
        assert!(!seed("other lock", false).plant(&target).await);
        assert!(seed("lock", false).plant(&target).await);
        assert_eq!(tree::newest(&target).unwrap(), tree::newest(&built).unwrap());
        for lock in ["2", "3"] {
            seed(lock, true).keep(&built).await;
        }
        assert_eq!(std::fs::read_dir(settings.state_dir.join("seeds")).unwrap().count(), KEPT);
        assert!(!seed("lock", false).plant(&dir.path().join("late")).await);
    }
}

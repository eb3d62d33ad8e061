//! What every actor is given: the ports, the accepted configuration and the shared facts.

use crate::{journal::Journal, meter::Meter};
use foureyes_config::{Config, PathRules};
use foureyes_policies::veto::Triggers;
use foureyes_ports::{
    artifacts::ArtifactStore,
    clock::{Clock, Entropy},
    ledger::Ledger,
    runner::GateRunner,
    signer::Signer,
    vcs::Vcs,
};
use foureyes_protocol::{Digest, Roster, RunId};
use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// The ports that the core works with.
#[derive(Clone)]
pub struct Ports {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Bulk by digest.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The authoritative repository.
    pub vcs: Arc<dyn Vcs>,
    /// Test runs.
    pub runner: Arc<dyn GateRunner>,
    /// Keys.
    pub signer: Arc<dyn Signer>,
}

/// Facts that hold for the whole life of the runtime.
pub struct Facts {
    /// The accepted configuration.
    pub config: Config,
    /// Its digest.
    pub policy: Digest,
    /// Its path lists, compiled.
    pub paths: PathRules,
    /// The team.
    pub roster: Roster,
    /// The state directory's life.
    pub run: RunId,
    /// The runtime's life.
    pub epoch: u64,
    /// The user's repository.
    pub user_repo: PathBuf,
    /// The target branch, such as `main`, without `refs/heads/`.
    pub target: String,
    /// Where gate runs may check out.
    pub scratch: PathBuf,
    /// The tier of the sandbox in force, as printed.
    pub tier: String,
    /// Whether there is no wall.
    pub advisory: bool,
    /// The secret of the draws: nobody but the runtime knows it.
    pub draw_secret: [u8; 32],
    /// How changes are delivered.
    pub deliver: foureyes_ports::vcs::DeliveryTarget,
    /// Version of the program.
    pub version: String,
    /// When this epoch began, milliseconds since the Unix epoch.
    pub started_ms: u64,
}

/// Ports, facts, journal and the switch that stops refs from moving.
#[derive(Clone)]
pub struct Context {
    /// The ports.
    pub ports: Ports,
    /// The facts.
    pub facts: Arc<Facts>,
    /// The records.
    pub journal: Arc<Journal>,
    /// The switch.
    pub refs: Arc<RefGuard>,
    /// What the agents use of their models.
    pub meter: Arc<Meter>,
}

impl Facts {
    /// A number that no agent can know for these bytes: a keyed hash under the runtime's secret.
    pub fn draw(&self, context: &[u8]) -> u64 {
        let digest = Digest::of_parts("foureyes.draw.v1", [self.draw_secret.as_slice(), context]);
        digest.0[..8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// The numbers of the automatic triggers.
    pub fn triggers(&self) -> Triggers {
        let f = &self.config.freeze;
        Triggers {
            bypass_attempts: f.bypass_attempts as usize,
            bypass_window_ms: f.bypass_window.0,
            forged_tokens: f.forged_tokens as usize,
            quarantines: f.quarantines as usize,
            quarantine_window_ms: f.quarantine_window.0,
        }
    }

    /// The full name of the target branch in the authoritative repository.
    pub fn main_ref(&self) -> String {
        format!("refs/heads/{}", self.target)
    }

    /// Whether this path is a dependency manifest or lock file.
    pub fn is_manifest(&self, path: &str) -> bool {
        let class = self.paths.classify(path);
        class.manifest || class.lockfile
    }
}

/// Whoever moves a ref holds this for reading; a freeze takes it for writing before its record is
/// appended. So no ref moves after the place of a freeze in the ledger.
#[derive(Debug, Default)]
pub struct RefGuard {
    frozen: RwLock<bool>,
    stopped: AtomicBool,
}

impl RefGuard {
    /// Sets or lifts the stop; waits for those who are moving a ref.
    pub fn set(&self, frozen: bool) {
        *self.frozen.write().unwrap_or_else(PoisonError::into_inner) = frozen;
    }

    /// Whether refs are stopped.
    pub fn is_stopped(&self) -> bool {
        *self.frozen.read().unwrap_or_else(PoisonError::into_inner) || self.stopped.load(Ordering::SeqCst)
    }

    /// Runs `work` unless everything is frozen; a freeze waits for its end.
    pub fn unless_frozen<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let frozen = self.frozen.read().unwrap_or_else(PoisonError::into_inner);
        (!*frozen && !self.stopped.load(Ordering::SeqCst)).then(work)
    }

    /// Stops for good: the ledger can no longer be written, so nothing may be approved.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.set(true);
    }
}

//! The work of the gates outside the ledger: git and test runs, judged by the pure rules. Each job
//! ends in drafts for the registry; a job that was cut off by a crash is planned again.

mod deliver;
mod green;
mod import;
mod land;
mod qa;
mod red;
mod runs;

use crate::{context::Context, services::registry::Registry};
use actix::Addr;
use foureyes_policies::{
    features::{Feature, Features},
    plan::Job,
};
use foureyes_ports::{governance::Draft, runner::Progress, vcs::Vcs};
use foureyes_protocol::{
    Address, Code, CommitId, Digest, FeatureId, Gate, Outcome, Priority, Reason, body::GateVerdict,
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Everything a job works with. A snapshot of the fold as it was when the job was planned.
#[derive(Clone)]
pub struct Bench {
    /// Ports and facts.
    pub core: Context,
    /// Where a job that must append in the middle of its work does so.
    pub registry: Addr<Registry>,
    /// The fold.
    pub features: Arc<Features>,
    /// Names of gate sandboxes that are free.
    pub slots: runs::Slots,
    /// Who is told how far a run is.
    pub progress: mpsc::Sender<(FeatureId, String)>,
}

pub use runs::Slots;

/// Why a job could not do its work: the environment's fault, never the author's.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Version control failed.
    #[error(transparent)]
    Vcs(#[from] foureyes_ports::vcs::VcsError),
    /// The artefact store failed.
    #[error(transparent)]
    Artifact(#[from] foureyes_ports::artifacts::ArtifactError),
    /// A file of the scratch directory.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The runtime is stopping, or a thread died.
    #[error("the work was cut off: {0}")]
    Cut(String),
    /// The core refused, for example because everything was frozen meanwhile.
    #[error("{0}")]
    Refused(Reason),
    /// There is no suite to run.
    #[error("no test command is configured and none was recognised; set `gates.suite.command`")]
    NoSuite,
    /// The ledger says less than the job needs.
    #[error("the ledger holds no {0} for this feature")]
    Missing(&'static str),
}

impl Bench {
    /// Does the job.
    ///
    /// # Errors
    /// [`JobError`]: somebody must mend the environment, then `agents feature retry`.
    pub async fn run(self, job: Job) -> Result<Vec<Draft>, JobError> {
        match job {
            Job::Import(id) => self.import(Some(id)).await,
            Job::Red(id, head) => self.red(&id, head).await,
            Job::Green(id, head) => self.green(&id, head).await,
            Job::Qa(id, head, main) => self.qa(&id, head, main).await,
            Job::Land(id, head, main) => self.land(&id, head, main).await,
            Job::Deliver(id, commit) => self.deliver(&id, commit).await,
        }
    }

    fn feature(&self, id: &FeatureId) -> Result<&Feature, JobError> {
        self.features.by_id.get(id).ok_or(JobError::Missing("request"))
    }

    /// Runs something that blocks on a thread that may.
    async fn vcs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Vcs) -> Result<T, foureyes_ports::vcs::VcsError> + Send + 'static,
    ) -> Result<T, JobError> {
        let vcs = self.core.ports.vcs.clone();
        let done = tokio::task::spawn_blocking(move || work(vcs.as_ref())).await;
        Ok(done.map_err(|e| JobError::Cut(e.to_string()))??)
    }

    fn verdict(&self, feature: &Feature, gate: Gate, outcome: Outcome) -> GateVerdict {
        let push = feature.push.as_ref();
        GateVerdict {
            gate,
            outcome,
            content: push.map_or_else(Digest::default, |p| p.content),
            head: push.map(|p| p.change.head.clone()),
            main: self.features.main.clone(),
            tree: None,
            summary: String::new(),
            reasons: Vec::new(),
            evidence: Vec::new(),
            admitted: Vec::new(),
            failing: Vec::new(),
            known_failures: feature.known_failures.clone(),
            signers: Vec::new(),
            policy: self.core.facts.policy,
            counts: true,
            millis: 0,
        }
    }

    /// A verdict that sends the feature back, or holds it when the environment is at fault.
    fn not_passed(&self, feature: &Feature, gate: Gate, reasons: Vec<Reason>) -> GateVerdict {
        let broken = reasons.iter().any(|r| r.code == Code::Broken);
        let outcome = if broken { Outcome::Broken } else { Outcome::Returned };
        let reasons: Vec<Reason> = reasons.into_iter().take(MAX_REASONS).map(shortened).collect();
        let summary = reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        GateVerdict { summary, reasons, ..self.verdict(feature, gate, outcome) }
    }
}

/// A verdict must fit an envelope whatever a suite prints: the rest stands in the evidence.
const MAX_REASONS: usize = 32;
const MAX_REASON_CHARS: usize = 4_000;

fn shortened(reason: Reason) -> Reason {
    match reason.text.char_indices().nth(MAX_REASON_CHARS) {
        Some((at, _)) => {
            Reason { text: format!("{}… (cut; see the evidence)", &reason.text[..at]), ..reason }
        }
        None => reason,
    }
}

/// A verdict goes to the author, who acts on it; a broken environment to the user.
fn tell(feature: &Feature, verdict: GateVerdict) -> Draft {
    let author = feature.author().cloned().map_or_else(Address::system, Address::One);
    let to = if verdict.outcome == Outcome::Broken { Address::user() } else { author };
    Draft { priority: Priority::High, ..Draft::new(to, verdict) }.about(feature.id.clone())
}

/// A verdict for a job that could not do its work.
pub fn broken(core: &Context, feature: &Feature, job: &Job, error: &JobError) -> Draft {
    let gate = match job {
        Job::Import(_) => Gate::Spec,
        Job::Red(..) => Gate::Red,
        Job::Green(..) => Gate::Green,
        Job::Qa(..) => Gate::Qa,
        Job::Land(..) | Job::Deliver(..) => Gate::Deploy,
    };
    let summary = format!("{error}; when it is mended: `agents feature retry {}`", feature.id);
    let push = feature.push.as_ref();
    let verdict = GateVerdict {
        gate,
        outcome: Outcome::Broken,
        content: push.map_or_else(Digest::default, |p| p.content),
        head: push.map(|p| p.change.head.clone()),
        main: None,
        tree: None,
        reasons: vec![Reason::new(Code::Broken, summary.clone())],
        summary,
        evidence: Vec::new(),
        admitted: Vec::new(),
        failing: Vec::new(),
        known_failures: feature.known_failures.clone(),
        signers: Vec::new(),
        policy: core.facts.policy,
        counts: false,
        millis: 0,
    };
    tell(feature, verdict)
}

/// The head must still be the one that the job was planned for; else its result is nobody's.
fn is_current(feature: &Feature, head: &CommitId) -> bool {
    feature.push.as_ref().is_some_and(|p| p.change.head == *head)
}

/// What a run tells while it is under way.
fn progress_text(what: &str, progress: &Progress) -> String {
    match progress.total {
        0 => format!("{what}: {}", progress.text),
        total => format!("{what}: {}/{total} {}", progress.done, progress.text),
    }
}

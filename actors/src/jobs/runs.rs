//! Test runs with evidence: checked out clean, kept by content, reused only for the same tree,
//! command and environment, and said so.

use super::{Bench, JobError, progress_text};
use foureyes_config::sections::suite::Adapter;
use foureyes_ports::{
    governance::Draft,
    runner::{AdapterKind, CommandReport, CommandRun, GateRun, Repeated, RunLimits, SuiteSpec},
};
use foureyes_protocol::{
    Address, CommitId, FeatureId, PrincipalId,
    artifact::EvidenceRef,
    body::TestEvidence,
    testrun::{RunOutcome, TestReport, TestStatus},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The gate sandboxes: as many runs at once as there are names.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Mutex<Vec<PrincipalId>>>,
    permits: Arc<Semaphore>,
}

/// A sandbox name, given back when dropped.
pub struct Slot {
    /// The name.
    pub owner: PrincipalId,
    slots: Slots,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// Slots of these names.
    pub fn new(owners: Vec<PrincipalId>) -> Self {
        let permits = Arc::new(Semaphore::new(owners.len()));
        Self { free: Arc::new(Mutex::new(owners)), permits }
    }

    async fn take(&self) -> Result<Slot, JobError> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|e| JobError::Cut(e.to_string()))?;
        let owner = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // There are as many permits as names.
        let owner = owner.ok_or_else(|| JobError::Cut("no gate sandbox is free".to_owned()))?;
        Ok(Slot { owner, slots: self.clone(), _permit: permit })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.owner.clone());
    }
}

/// A run, with the record that keeps it.
pub struct Run {
    /// What it showed.
    pub report: TestReport,
    /// The record to append; none when the evidence was there already.
    pub record: Option<Draft>,
    /// How to name it in a verdict.
    pub evidence: EvidenceRef,
    /// Whether an earlier run stands for it.
    pub reused: bool,
}

/// What a run is for.
pub struct Wanted<'a> {
    /// The feature that waits for it.
    pub feature: &'a FeatureId,
    /// `baseline`, `red run`, `green run`, `merge run`…
    pub what: &'a str,
    /// The tree.
    pub tree: CommitId,
    /// Whether it is one of the target branch's own trees.
    pub trusted: bool,
}

/// A clean checkout that is removed when dropped.
pub struct Checkout(PathBuf);

impl Checkout {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.join("tree")
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What cannot be removed (a run may leave files of another uid) is swept at the next start.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Bench {
    /// The suite: what the configuration says, else what the tree looks like.
    pub(super) async fn suite(&self, tree: &CommitId) -> Result<SuiteSpec, JobError> {
        let configured = &self.core.facts.config.gates.suite;
        let mut spec = SuiteSpec {
            adapter: adapter(configured.adapter),
            command: configured.command.clone(),
            env: configured.toolchain.env.clone().into_iter().collect(),
            writable_checkout: configured.writable_checkout,
            prepare: configured.prepare.command.clone(),
        };
        if spec.adapter == AdapterKind::Auto {
            let tree = tree.clone();
            let files: Vec<String> =
                self.vcs(move |v| v.list_tree(&tree)).await?.into_iter().map(|e| e.path).collect();
            let detected = self.core.ports.runner.detect(&files);
            spec.adapter = match detected {
                Some(d) => d.adapter,
                None if !spec.command.is_empty() => AdapterKind::Generic,
                None => return Err(JobError::NoSuite),
            };
        }
        Ok(spec)
    }

    pub(super) fn limits(&self) -> RunLimits {
        let l = &self.core.facts.config.gates.limits;
        RunLimits {
            timeout: Duration::from_millis(l.time.0),
            memory_bytes: l.memory.0,
            processes: l.processes,
            ..RunLimits::default()
        }
    }

    /// A clean checkout of a tree.
    pub(super) async fn checkout(&self, tree: &CommitId) -> Result<Checkout, JobError> {
        let mut random = [0; 8];
        self.core.ports.entropy.fill(&mut random);
        let dir = self.core.facts.scratch.join(format!("run-{}", hex::encode(random)));
        let checkout = Checkout(dir);
        let (path, tree) = (checkout.path(), tree.clone());
        std::fs::create_dir_all(&path)
            .map_err(|source| JobError::Io { what: format!("{}", path.display()), source })?;
        self.vcs(move |v| v.checkout_tree(&tree, &path)).await?;
        Ok(checkout)
    }

    /// Runs the suite on a tree, or finds the evidence of an earlier run of the same.
    pub(super) async fn evidence(&self, wanted: Wanted<'_>) -> Result<Run, JobError> {
        let suite = self.suite(&wanted.tree).await?;
        let limits = self.limits();
        let checkout = self.checkout(&wanted.tree).await?;
        let command = self.core.ports.runner.command_digest(&suite, &limits);
        let environment = self.core.ports.runner.environment_digest(&suite, &checkout.path()).await;
        if let Some(run) = self.known(&wanted, command, environment)? {
            return Ok(run);
        }
        let slot = self.slots.take().await?;
        let run = GateRun {
            owner: slot.owner.clone(),
            checkout: checkout.path(),
            tree: wanted.tree.clone(),
            trusted: wanted.trusted,
            suite,
            limits,
            progress: Some(self.told(wanted.feature, wanted.what)),
        };
        let result = self.core.ports.runner.run(run).await;
        self.keep(&wanted, result.report, &result.log)
    }

    fn known(
        &self,
        wanted: &Wanted<'_>,
        command: foureyes_protocol::Digest,
        environment: foureyes_protocol::Digest,
    ) -> Result<Option<Run>, JobError> {
        let key = (wanted.tree.clone(), command, environment);
        let Some(known) = self.features.evidence.get(&key) else { return Ok(None) };
        let Some(bytes) = self.core.ports.artifacts.get(&known.report)? else { return Ok(None) };
        let Ok(report) = TestReport::from_bytes(&bytes) else { return Ok(None) };
        let what = format!(
            "{} (reused: the {} of record {}, same tree, command and environment)",
            wanted.what, known.purpose, known.index
        );
        Ok(Some(Run {
            report,
            record: None,
            evidence: EvidenceRef { what, digest: known.report },
            reused: true,
        }))
    }

    fn keep(&self, wanted: &Wanted<'_>, mut report: TestReport, log: &[u8]) -> Result<Run, JobError> {
        let log = self.core.ports.artifacts.put(log)?;
        report.log = Some(log);
        let digest = self.core.ports.artifacts.put(&report.to_bytes())?;
        let body = TestEvidence {
            purpose: wanted.what.to_owned(),
            tree: wanted.tree.clone(),
            command: report.command,
            environment: report.environment,
            report: digest,
            log: Some(log),
            summary: summary(&report),
        };
        // A broken environment or a limit may be gone next time: such a run is no evidence to reuse.
        let lasting = matches!(report.outcome, RunOutcome::Completed { .. } | RunOutcome::BuildFailed { .. });
        let record = lasting.then(|| Draft::new(Address::system(), body).about(wanted.feature.clone()));
        Ok(Run {
            report,
            record,
            evidence: EvidenceRef { what: wanted.what.to_owned(), digest },
            reused: false,
        })
    }

    fn told(&self, feature: &FeatureId, what: &str) -> mpsc::Sender<foureyes_ports::runner::Progress> {
        let (sender, mut receiver) = mpsc::channel::<foureyes_ports::runner::Progress>(16);
        let (to, feature, what) = (self.progress.clone(), feature.clone(), what.to_owned());
        tokio::spawn(async move {
            while let Some(progress) = receiver.recv().await {
                // A display that does not keep up misses a step of a progress bar, nothing else.
                let _ = to.try_send((feature.clone(), progress_text(&what, &progress)));
            }
        });
        sender
    }

    /// Which of these tests pass sometimes and fail sometimes on the same tree.
    pub(super) async fn flaky(&self, wanted: &Wanted<'_>, ids: &[String]) -> Result<Vec<Repeated>, JobError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let suite = self.suite(&wanted.tree).await?;
        let checkout = self.checkout(&wanted.tree).await?;
        let slot = self.slots.take().await?;
        let run = GateRun {
            owner: slot.owner.clone(),
            checkout: checkout.path(),
            tree: wanted.tree.clone(),
            trusted: false,
            suite,
            limits: self.limits(),
            progress: Some(self.told(wanted.feature, "repeating")),
        };
        let times = self.core.facts.config.gates.flaky_repeats;
        let seen = self.core.ports.runner.repeat(run, ids, times).await;
        Ok(seen.into_iter().filter(Repeated::flaky).collect())
    }

    /// Runs a configured command on a tree.
    pub(super) async fn command(
        &self,
        tree: &CommitId,
        argv: &[String],
        keep_changes: bool,
    ) -> Result<(CommandReport, Checkout), JobError> {
        let checkout = self.checkout(tree).await?;
        let slot = self.slots.take().await?;
        let run = CommandRun {
            owner: slot.owner.clone(),
            checkout: checkout.path(),
            argv: argv.to_vec(),
            env: Vec::new(),
            keep_changes,
            limits: self.limits(),
        };
        Ok((self.core.ports.runner.run_command(run).await, checkout))
    }
}

fn adapter(configured: Adapter) -> AdapterKind {
    match configured {
        Adapter::Auto => AdapterKind::Auto,
        Adapter::Libtest => AdapterKind::Libtest,
        Adapter::Pytest => AdapterKind::Pytest,
        Adapter::Unittest => AdapterKind::Unittest,
        Adapter::Generic => AdapterKind::Generic,
    }
}

/// A run in one line.
pub(super) fn summary(report: &TestReport) -> String {
    let seconds = report.millis as f64 / 1_000.0;
    match &report.outcome {
        RunOutcome::Completed { exit } if !report.per_test => format!("exit code {exit}, {seconds:.1} s"),
        RunOutcome::Completed { .. } => {
            let (passed, failed, skipped) = (
                report.count(TestStatus::Passed),
                report.count(TestStatus::Failed),
                report.count(TestStatus::Skipped),
            );
            let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
            format!("{passed} passed, {failed} failed{skipped}, {seconds:.1} s")
        }
        RunOutcome::BuildFailed { files, .. } => format!("does not build ({})", files.join(", ")),
        RunOutcome::BrokenEnvironment { message } => format!("broken environment: {message}"),
        RunOutcome::LimitExceeded { message } => format!("limit: {message}"),
    }
}

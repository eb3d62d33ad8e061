//! Running a project's own test suite, and reading results that the tested code cannot forge.
//!
//! The contract of every adapter: the checkout is never trusted, everything of it runs inside a
//! sandbox without network, socket or key, and a verdict is made of what the adapter itself
//! observed (exit codes, its own sealed report), never of text that a test printed.

use async_trait::async_trait;
use bytes::Bytes;
use foureyes_protocol::{CommitId, Digest, PrincipalId, testrun::TestReport};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, path::PathBuf, sync::Mutex, time::Duration};
use tokio::sync::mpsc;

/// Who reads a suite's results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// Found out from the files of the tree.
    #[default]
    Auto,
    /// Rust's built-in test harness, one process a test.
    Libtest,
    /// pytest, with a sealed report.
    Pytest,
    /// Python's unittest, with a sealed report.
    Unittest,
    /// Any command: its exit code and nothing else.
    Generic,
}

impl AdapterKind {
    /// The name that reports carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Libtest => "libtest",
            Self::Pytest => "pytest",
            Self::Unittest => "unittest",
            Self::Generic => "generic",
        }
    }
}

/// How a project is tested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteSpec {
    /// Who reads the results.
    pub adapter: AdapterKind,
    /// The command and its arguments; empty for the adapter's default (`cargo test --workspace`,
    /// `python3 -m pytest`, `python3 -m unittest discover`).
    pub command: Vec<String>,
    /// Environment of the tests, besides what the adapter sets.
    pub env: Vec<(String, String)>,
    /// Whether tests may write into their checkout; each process then gets a copy of its own.
    pub writable_checkout: bool,
    /// The command that fetches dependencies (see [`GateRunner::prepare`]); empty for the adapter's
    /// default.
    pub prepare: Vec<String>,
}

impl SuiteSpec {
    /// The suite with the adapter's default command.
    pub fn of(adapter: AdapterKind) -> Self {
        Self { adapter, ..Self::default() }
    }
}

/// The ceilings of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Wall time of the whole run.
    pub timeout: Duration,
    /// Wall time of one test, where the adapter runs them one by one.
    pub test_timeout: Duration,
    /// Memory of each process, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at a time.
    pub processes: u32,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15 * 60),
            test_timeout: Duration::from_secs(120),
            memory_bytes: 4 << 30,
            processes: 512,
        }
    }
}

/// How far a run is. Sent with `try_send`: a slow listener loses some, the run never waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, such as `building` or a test's id.
    pub text: String,
    /// Units done.
    pub done: usize,
    /// Units in all; 0 while unknown.
    pub total: usize,
}

/// One run of a suite.
#[derive(Clone, Debug)]
pub struct GateRun {
    /// Whose sandbox it is, such as `gate-1`: runs with different owners may go on at once.
    pub owner: PrincipalId,
    /// A clean checkout on the host that belongs to this run alone until it ends. The caller
    /// removes it; times of its files may be set.
    pub checkout: PathBuf,
    /// The tree (or commit) that was checked out.
    pub tree: CommitId,
    /// Whether it is one of `main`'s own trees. Only what such a run built may speed up others.
    pub trusted: bool,
    /// How to test it.
    pub suite: SuiteSpec,
    /// The ceilings.
    pub limits: RunLimits,
    /// Who wants to know how far it is.
    pub progress: Option<mpsc::Sender<Progress>>,
}

/// A report with its log. The caller stores the log and writes its digest into the report.
#[derive(Clone, Debug)]
pub struct GateResult {
    /// What was seen; `log` is `None`.
    pub report: TestReport,
    /// What the tools printed, bounded and cleaned of control characters, as UTF-8.
    pub log: Bytes,
}

/// One command that is no suite: a linter, a type checker, a formatter, a coverage tool.
#[derive(Clone, Debug)]
pub struct CommandRun {
    /// Whose sandbox it is.
    pub owner: PrincipalId,
    /// A clean checkout on the host, as for [`GateRun::checkout`].
    pub checkout: PathBuf,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment besides what the adapter sets.
    pub env: Vec<(String, String)>,
    /// Whether the changes of a command that exits 0 shall be left in `checkout` (a formatter).
    /// It always works on a copy.
    pub keep_changes: bool,
    /// The ceilings.
    pub limits: RunLimits,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandReport {
    /// How it ended; `Completed` carries the exit code.
    pub outcome: foureyes_protocol::testrun::RunOutcome,
    /// Standard output then standard error, bounded and cleaned, as UTF-8.
    pub log: Bytes,
    /// Standard output as printed, bounded (a coverage report is read from it).
    pub stdout: Bytes,
    /// Wall time, in milliseconds.
    pub millis: u64,
}

/// How often one test passed and failed when it was repeated on the same tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The test's id.
    pub id: String,
    /// How often it passed.
    pub passed: u32,
    /// How often it failed.
    pub failed: u32,
}

impl Repeated {
    /// Whether the same tree gave both answers.
    pub fn flaky(&self) -> bool {
        self.passed > 0 && self.failed > 0
    }
}

/// One tool that gate runs need, for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolReport {
    /// Its name, such as `cargo`.
    pub tool: String,
    /// Its version line, or `None` when it was not found.
    pub version: Option<String>,
    /// Where it was found, or what would mend its absence.
    pub detail: String,
}

/// Fetches what a tree's manifests ask for, so that gate runs need no network.
#[derive(Clone, Debug)]
pub struct PrepareRun {
    /// Whose sandbox it is.
    pub owner: PrincipalId,
    /// The checkout whose manifests and lock files are staged; nothing else of it is seen.
    pub checkout: PathBuf,
    /// How it is tested: decides which files are manifests, and the command.
    pub suite: SuiteSpec,
    /// Directory with the socket of the runtime's proxy, when a network is offered.
    pub proxy: Option<Proxy>,
    /// The ceilings.
    pub limits: RunLimits,
}

/// The runtime's own way to the package registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Directory that holds the socket `rt.sock`.
    pub socket_dir: PathBuf,
    /// Port on the sandbox's loopback that is forwarded to it.
    pub port: u16,
}

/// Fetched dependencies: immutable, found again by their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Digest of everything that was staged, the command and the tool versions.
    pub key: Digest,
    /// Where the result lies on the host.
    pub dir: PathBuf,
    /// Whether it was there before.
    pub reused: bool,
}

/// Why dependencies could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The tree has no manifest of a kind that can be prepared.
    #[error("nothing to prepare: the tree holds no dependency manifest that the {0} adapter knows")]
    NoManifest(&'static str),
    /// It would need the network, and none is offered.
    #[error(
        "dependencies are not prepared and no proxy is offered; fetch them with {0}, or start with a network"
    )]
    NoNetwork(String),
    /// The command failed inside the sandbox.
    #[error("fetching dependencies failed: {0}")]
    Command(String),
    /// A tool or directory of the host is missing.
    #[error("dependencies cannot be prepared: {0}")]
    Host(String),
}

/// Runs suites and commands in sandboxes.
#[async_trait]
pub trait GateRunner: Send + Sync {
    /// Runs the suite once. Whatever goes wrong is an outcome of the report, never an error.
    /// Dropping the future ends the sandboxes.
    async fn run(&self, run: GateRun) -> GateResult;

    /// Builds once and runs each of `ids` `times` times (flaky tests); sorted by id. An id that the
    /// suite does not hold counts as failed each time.
    async fn repeat(&self, run: GateRun, ids: &[String], times: u32) -> Vec<Repeated>;

    /// Runs one command.
    async fn run_command(&self, run: CommandRun) -> CommandReport;

    /// Fetches dependencies, or finds them fetched.
    ///
    /// # Errors
    /// [`PrepareError`] says what is missing and what mends it.
    async fn prepare(&self, run: PrepareRun) -> Result<Prepared, PrepareError>;

    /// The suite that the files of a tree (paths relative to its root) suggest; `None` when they
    /// suggest none.
    fn detect(&self, files: &[String]) -> Option<SuiteSpec>;

    /// Digest of command line, limits and adapter: the same as in the report of such a run.
    fn command_digest(&self, suite: &SuiteSpec, limits: &RunLimits) -> Digest;

    /// Digest of tool versions, prepared dependencies and tier for this checkout: the same as in
    /// the report of such a run.
    async fn environment_digest(&self, suite: &SuiteSpec, checkout: &std::path::Path) -> Digest;

    /// What is installed and what is missing.
    async fn tools_report(&self) -> Vec<ToolReport>;
}

/// A runner that answers from a script, for tests of what stands above it.
#[derive(Default)]
pub struct FakeRunner {
    script: Mutex<VecDeque<TestReport>>,
    by_tree: Mutex<std::collections::HashMap<CommitId, TestReport>>,
    runs: Mutex<Vec<(CommitId, SuiteSpec)>>,
}

impl FakeRunner {
    /// The next run that no tree-bound answer fits gets this report (first in, first out).
    pub fn push(&self, report: TestReport) {
        lock(&self.script).push_back(report);
    }

    /// Each run of this report's tree gets this report.
    pub fn on_tree(&self, report: TestReport) {
        lock(&self.by_tree).insert(report.tree.clone(), report);
    }

    /// The trees and suites that were run so far, in order.
    pub fn runs(&self) -> Vec<(CommitId, SuiteSpec)> {
        lock(&self.runs).clone()
    }

    fn answer(&self, run: &GateRun) -> TestReport {
        lock(&self.runs).push((run.tree.clone(), run.suite.clone()));
        let bound = lock(&self.by_tree).get(&run.tree).cloned();
        bound.or_else(|| lock(&self.script).pop_front()).unwrap_or_else(|| unscripted(run))
    }
}

/// A poisoned lock of the fake still holds sound data: every critical section is one call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn unscripted(run: &GateRun) -> TestReport {
    TestReport {
        tree: run.tree.clone(),
        adapter: run.suite.adapter.name().to_owned(),
        command: Digest::default(),
        environment: Digest::default(),
        outcome: foureyes_protocol::testrun::RunOutcome::BrokenEnvironment {
            message: format!("the script of the fake runner has no report for {}", run.tree),
        },
        tests: Vec::new(),
        per_test: false,
        millis: 0,
        log: None,
    }
}

#[async_trait]
impl GateRunner for FakeRunner {
    async fn run(&self, run: GateRun) -> GateResult {
        GateResult { report: self.answer(&run), log: Bytes::new() }
    }

    async fn repeat(&self, run: GateRun, ids: &[String], times: u32) -> Vec<Repeated> {
        let mut seen: Vec<Repeated> =
            ids.iter().map(|id| Repeated { id: id.clone(), passed: 0, failed: 0 }).collect();
        for _ in 0..times {
            let report = self.answer(&run);
            for one in &mut seen {
                let passed = report
                    .get(&one.id)
                    .is_some_and(|t| t.status == foureyes_protocol::testrun::TestStatus::Passed);
                if passed { one.passed += 1 } else { one.failed += 1 }
            }
        }
        seen
    }

    async fn run_command(&self, _: CommandRun) -> CommandReport {
        let outcome = foureyes_protocol::testrun::RunOutcome::Completed { exit: 0 };
        CommandReport { outcome, log: Bytes::new(), stdout: Bytes::new(), millis: 0 }
    }

    async fn prepare(&self, _: PrepareRun) -> Result<Prepared, PrepareError> {
        Err(PrepareError::NoManifest("fake"))
    }

    fn detect(&self, _: &[String]) -> Option<SuiteSpec> {
        Some(SuiteSpec::of(AdapterKind::Generic))
    }

    fn command_digest(&self, _: &SuiteSpec, _: &RunLimits) -> Digest {
        Digest::default()
    }

    async fn environment_digest(&self, _: &SuiteSpec, _: &std::path::Path) -> Digest {
        Digest::default()
    }

    async fn tools_report(&self) -> Vec<ToolReport> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_protocol::testrun::RunOutcome;

    fn run(tree: &str) -> GateRun {
        GateRun {
            owner: PrincipalId::system(),
            checkout: PathBuf::from("/nowhere"),
            tree: CommitId::new(&tree.repeat(40)).unwrap(),
            trusted: false,
            suite: SuiteSpec::default(),
            limits: RunLimits::default(),
            progress: None,
        }
    }

    #[tokio::test]
    async fn fake_answers_by_tree_then_by_script_then_says_what_is_missing() {
        let fake = FakeRunner::default();
        let scripted = TestReport { outcome: RunOutcome::Completed { exit: 1 }, ..unscripted(&run("b")) };
        fake.on_tree(TestReport { outcome: RunOutcome::Completed { exit: 0 }, ..unscripted(&run("a")) });
        fake.push(scripted.clone());
        assert!(fake.run(run("a")).await.report.succeeded());
        assert_eq!(fake.run(run("b")).await.report, scripted);
        let outcome = fake.run(run("b")).await.report.outcome;
        assert!(matches!(outcome, RunOutcome::BrokenEnvironment { .. }));
        assert_eq!(fake.runs().len(), 3);
    }
}

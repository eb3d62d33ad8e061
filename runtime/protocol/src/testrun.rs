//! What a run of a test suite showed, as the runtime itself saw it.

use crate::{digest::Digest, ids::CommitId};
use serde::{Deserialize, Serialize};

/// The outcome of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestStatus {
    /// Ran and passed.
    Passed,
    /// Ran and failed (or errored, or timed out).
    Failed,
    /// Was not run: ignored, skipped, expected to fail.
    Skipped,
}

/// One test with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Stable id, unique in the suite: for libtest `<package>::<target>::<test path>`, for pytest
    /// its node id.
    pub id: String,
    /// The file that holds the test, relative to the root, where the adapter knows it.
    pub file: Option<String>,
    /// What happened.
    pub status: TestStatus,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The first lines of its output when it failed, cleaned of control characters (at most 2 KiB).
    pub message: Option<String>,
}

/// How a run as a whole ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The suite ran to its end; `exit` is the command's exit code (0 = all passed).
    Completed {
        /// The exit code of the test command.
        exit: i32,
    },
    /// The code or a test file does not build or import; `files` are the files that the errors name.
    BuildFailed {
        /// Files that the errors point at, relative to the root, sorted.
        files: Vec<String>,
        /// The first error text, cleaned (at most 4 KiB).
        message: String,
    },
    /// The environment does not work: a tool is missing, exit 126 or 127, no sandbox. Never RED.
    BrokenEnvironment {
        /// What is broken and what would mend it.
        message: String,
    },
    /// A limit was hit: time, memory, processes.
    LimitExceeded {
        /// Which limit, and the slowest tests where known.
        message: String,
    },
}

/// One run of one suite on one tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// The tree that was checked out.
    pub tree: CommitId,
    /// Which adapter read the results: `libtest`, `pytest`, `unittest` or `generic`.
    pub adapter: String,
    /// Digest of the command line, its limits and the adapter.
    pub command: Digest,
    /// Digest of the environment: tool versions, prepared dependencies, tier of the sandbox.
    pub environment: Digest,
    /// How the run ended.
    pub outcome: RunOutcome,
    /// Per-test outcomes, sorted by id; empty for the generic adapter, which claims nothing per test.
    pub tests: Vec<TestResult>,
    /// Whether `tests` says anything (false for the generic adapter).
    pub per_test: bool,
    /// How long the run took, in milliseconds.
    pub millis: u64,
    /// Digest of the full, bounded log in the artefact store.
    pub log: Option<Digest>,
}

impl TestReport {
    /// Ids of the tests with this outcome, in order.
    pub fn with_status(&self, status: TestStatus) -> impl Iterator<Item = &TestResult> {
        self.tests.iter().filter(move |t| t.status == status)
    }

    /// How many tests had this outcome.
    pub fn count(&self, status: TestStatus) -> usize {
        self.with_status(status).count()
    }

    /// The test with this id.
    pub fn get(&self, id: &str) -> Option<&TestResult> {
        self.tests.iter().find(|t| t.id == id)
    }

    /// Whether the suite ran to its end and its command said success.
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, RunOutcome::Completed { exit: 0 })
    }

    /// What two runs must have in common so that one can stand for the other.
    pub fn key(&self) -> (CommitId, Digest, Digest) {
        (self.tree.clone(), self.command, self.environment)
    }
}

impl TestReport {
    /// The bytes under which a report is kept in the artefact store.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::canonical::to_bytes(self)
    }

    /// Reads a report that the artefact store kept; its bytes are verified by their digest there.
    ///
    /// # Errors
    /// When the bytes are no report of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::canonical::CanonicalError> {
        rmp_serde::from_slice(bytes).map_err(|e| crate::canonical::CanonicalError::Decode(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_back_from_its_bytes() {
        let tree = CommitId::new(&"a".repeat(40)).unwrap();
        let test = TestResult {
            id: "t".to_owned(),
            file: None,
            status: TestStatus::Failed,
            millis: 1,
            message: None,
        };
        let report = TestReport {
            tree,
            adapter: "libtest".to_owned(),
            command: Digest::of(b"c"),
            environment: Digest::of(b"e"),
            outcome: RunOutcome::Completed { exit: -9 },
            tests: vec![test],
            per_test: true,
            millis: 5,
            log: None,
        };
        assert_eq!(TestReport::from_bytes(&report.to_bytes()), Ok(report.clone()));
        assert!(TestReport::from_bytes(b"no").is_err());
        assert!(!report.succeeded() && report.count(TestStatus::Failed) == 1 && report.get("t").is_some());
    }
}

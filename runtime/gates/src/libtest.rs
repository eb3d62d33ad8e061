//! Rust's built-in harness: build once, list each binary, run one process a test.
//!
//! Test processes see the checkout and the target directory read-only, so that no test reaches
//! another one's binary. libtest captures what a test prints (`--nocapture` would let `println!`
//! speak in libtest's place), and a pass needs exit 0 *and* libtest's frame around one test.

mod build;
mod doc;
mod list;
mod map;
mod one;
mod unit;

#[cfg(test)]
mod tests;

use crate::{
    outcome,
    session::{Session, View, io_broken},
    toolchain::Tools,
    tree,
};
use build::{Binary, Built};
use foureyes_ports::runner::SuiteSpec;
use foureyes_protocol::testrun::{RunOutcome, TestResult, TestStatus};
use futures::{StreamExt as _, future::BoxFuture, stream};
use std::collections::BTreeSet;

/// The target directory, as seen inside.
const TARGET: &str = "/work/target";

/// Which tests to run, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    /// Only these ids, when given.
    pub(crate) only: Option<BTreeSet<String>>,
    /// How often each.
    pub(crate) times: u32,
}

impl Pick {
    /// All tests, once.
    pub(crate) fn all() -> Self {
        Self { only: None, times: 1 }
    }

    /// Whether this id is to be run.
    pub(crate) fn wants(&self, id: &str) -> bool {
        self.only.as_ref().is_none_or(|ids| ids.contains(id))
    }
}

/// What an adapter saw.
pub(crate) struct Seen {
    pub(crate) outcome: RunOutcome,
    pub(crate) tests: Vec<TestResult>,
}

impl From<RunOutcome> for Seen {
    fn from(outcome: RunOutcome) -> Self {
        Self { outcome, tests: Vec::new() }
    }
}

/// What every step of one libtest run shares.
struct Bench<'a> {
    session: &'a Session,
    suite: &'a SuiteSpec,
    tools: &'a Tools,
    files: BTreeSet<String>,
    seed: Option<&'a crate::seed::Seed>,
}

impl Bench<'_> {
    /// Test processes at a time.
    fn width(&self) -> usize {
        self.session.settings.parallel.max(1)
    }
}

/// Builds and runs the picked tests.
pub(crate) async fn run(
    session: &Session,
    suite: &SuiteSpec,
    tools: &Tools,
    seed: Option<&crate::seed::Seed>,
    pick: &Pick,
) -> Seen {
    match try_run(session, suite, tools, seed, pick).await {
        Ok(seen) => seen,
        Err(outcome) => outcome.into(),
    }
}

async fn try_run(
    session: &Session,
    suite: &SuiteSpec,
    tools: &Tools,
    seed: Option<&crate::seed::Seed>,
    pick: &Pick,
) -> Result<Seen, RunOutcome> {
    let Some(rust) = &tools.rust else { return Err(outcome::broken(tools.rust_remedy())) };
    let files = tree::regular_files(&session.checkout).map_err(io_broken("the checkout is unreadable"))?;
    let bench = Bench { session, suite, tools, files, seed };
    session.report("building", 0, 0);
    let built = build::build(&bench, rust).await?;
    let mut tests = run_binaries(&bench, &built, pick).await?;
    tests.extend(doc::run(&bench, &built, rust, pick).await?);
    Ok(finish(session, tests))
}

/// Lists every binary, then runs every wanted test, a few at a time.
async fn run_binaries(bench: &Bench<'_>, built: &Built, pick: &Pick) -> Result<Vec<TestResult>, RunOutcome> {
    let mut jobs: Vec<BoxFuture<'_, _>> = Vec::new();
    for binary in &built.binaries {
        jobs.push(Box::pin(list::list(bench, built, binary)));
    }
    let listed: Vec<_> = stream::iter(jobs).buffered(bench.width()).collect().await;
    let mut tests = Vec::new();
    let mut wanted: Vec<(&Binary, String)> = Vec::new();
    for (binary, names) in built.binaries.iter().zip(listed) {
        match names? {
            list::Listed::Tests(names) => wanted.extend(names.into_iter().map(|name| (binary, name))),
            list::Listed::Unusable(why) => tests.push(unusable(binary, &bench.files, why)),
        }
    }
    wanted.retain(|(binary, name)| pick.wants(&binary.id(name)));
    tests.extend(run_each(bench, built, &wanted, pick.times).await?);
    Ok(tests)
}

async fn run_each(
    bench: &Bench<'_>,
    built: &Built,
    wanted: &[(&Binary, String)],
    times: u32,
) -> Result<Vec<TestResult>, RunOutcome> {
    let mut jobs: Vec<BoxFuture<'_, _>> = Vec::new();
    for (binary, name) in wanted {
        for _ in 0..times {
            jobs.push(Box::pin(one::run(bench, built, binary, name)));
        }
    }
    let total = jobs.len();
    let mut running = stream::iter(jobs).buffer_unordered(bench.width());
    let mut tests = Vec::with_capacity(total);
    while let Some(ended) = running.next().await {
        // Out of time: what ran so far tells which tests were slow.
        let Some(test) = ended? else { break };
        bench.session.report(&test.id, tests.len() + 1, total);
        tests.push(test);
    }
    Ok(tests)
}

/// A binary that does not list its tests counts as one failed test: what it holds is unknown.
fn unusable(binary: &Binary, files: &BTreeSet<String>, why: String) -> TestResult {
    TestResult {
        id: binary.id("(list)"),
        file: map::relative(&binary.src_path).filter(|file| files.contains(file)),
        status: TestStatus::Failed,
        millis: 0,
        message: Some(why),
    }
}

fn finish(session: &Session, mut tests: Vec<TestResult>) -> Seen {
    tests.sort_by(|a, b| a.id.cmp(&b.id));
    if session.remaining().is_zero() {
        let outcome = outcome::out_of_time(session.limits.timeout, &tests);
        return Seen { outcome, tests };
    }
    let failed = tests.iter().any(|test| test.status == TestStatus::Failed);
    // 101 is what `cargo test` answers when a test failed.
    Seen { outcome: RunOutcome::Completed { exit: if failed { 101 } else { 0 } }, tests }
}

/// How test processes see the checkout.
fn test_view(suite: &SuiteSpec) -> View {
    if suite.writable_checkout { View::Copy } else { View::ReadOnly }
}

//! GREEN and QA: what a run of the whole suite must show.
//!
//! Every test that passed in the baseline passes; every admitted test passes, each admitted file with
//! at least one; none was changed, deleted or skipped since RED. Known failures may only shrink.

use crate::red::{self, list};
use foureyes_protocol::{
    ChangeKind, Code, Reason,
    artifact::AdmittedFile,
    testrun::{RunOutcome, TestReport, TestStatus},
};
use std::collections::BTreeSet;

/// What GREEN is judged on.
pub struct GreenFacts<'a> {
    /// The kind of change.
    pub kind: ChangeKind,
    /// The run on the merge base.
    pub baseline: &'a TestReport,
    /// The run on the tip (GREEN) or on the merge (QA).
    pub run: &'a TestReport,
    /// Test files fixed since RED.
    pub admitted: &'a [AdmittedFile],
    /// Tests that failed at RED: they have to pass now. A path stands for a file that did not build.
    pub failing: &'a [String],
    /// What the admitted files are now, as (path, blob); absent when deleted.
    pub now: &'a BTreeSet<(String, String)>,
    /// Tests that the spec lists as removed (kind `remove`).
    pub removes: &'a BTreeSet<String>,
    /// Tests quarantined as flaky: they neither pass nor fail a gate.
    pub flaky: &'a BTreeSet<String>,
}

/// A GREEN that holds, in numbers for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Green {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed before already.
    pub known_failures: Vec<String>,
    /// Whether the numbers are per test (the generic adapter claims none).
    pub per_test: bool,
}

/// Judges GREEN.
///
/// # Errors
/// Every reason why it is not.
pub fn judge(facts: &GreenFacts) -> Result<Green, Vec<Reason>> {
    red::usable_baseline(facts.baseline).map_err(|r| vec![r])?;
    red::usable(facts.run, "GREEN").map_err(|r| vec![r])?;
    if let RunOutcome::BuildFailed { message, .. } = &facts.run.outcome {
        return Err(vec![Reason::new(Code::GreenFails, format!("the tree does not build: {message}"))]);
    }
    let mut reasons = changed_admitted(facts);
    if facts.run.per_test {
        reasons.extend(missing_or_failing(facts));
        reasons.extend(admitted_files_run(facts));
        reasons.extend(kind_specific(facts));
        reasons.extend(silent_failure(facts));
    } else if !facts.run.succeeded() {
        reasons.push(Reason::new(Code::GreenFails, "the test command does not exit with 0"));
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    Ok(Green {
        passed: facts.run.count(TestStatus::Passed),
        known_failures: facts.run.with_status(TestStatus::Failed).map(|t| t.id.clone()).collect(),
        per_test: facts.run.per_test,
    })
}

fn changed_admitted(facts: &GreenFacts) -> Vec<Reason> {
    let changed = facts.admitted.iter().filter(|a| !facts.now.contains(&(a.path.clone(), a.blob.clone())));
    let paths: Vec<String> = changed.map(|a| a.path.clone()).collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "admitted at RED and changed or deleted since: {}; restore them (`git checkout <RED commit> -- <file>`) and push; a test that is wrong goes back to RED with a new spec",
        list(&paths)
    );
    vec![Reason::new(Code::AdmittedChanged, text)]
}

fn missing_or_failing(facts: &GreenFacts) -> Vec<Reason> {
    let baseline: BTreeSet<&str> =
        facts.baseline.with_status(TestStatus::Passed).map(|t| t.id.as_str()).collect();
    let admitted = facts.failing.iter().map(String::as_str).filter(|id| !is_file(facts, id));
    let wanted: BTreeSet<&str> = baseline.into_iter().chain(admitted).collect();
    let (mut failing, mut missing) = (Vec::new(), Vec::new());
    for id in wanted {
        if removed(facts, id) || facts.flaky.contains(id) {
            continue;
        }
        match facts.run.get(id).map(|t| t.status) {
            Some(TestStatus::Passed) => {}
            Some(TestStatus::Failed) => failing.push(id.to_owned()),
            Some(TestStatus::Skipped) | None => missing.push(id.to_owned()),
        }
    }
    // What is new and fails, too: a known failure may only be one of the baseline.
    let known: BTreeSet<&str> =
        facts.baseline.with_status(TestStatus::Failed).map(|t| t.id.as_str()).collect();
    let fresh = facts.run.with_status(TestStatus::Failed).map(|t| t.id.clone());
    let seen: BTreeSet<String> = failing.iter().cloned().collect();
    failing.extend(
        fresh.filter(|id| !known.contains(id.as_str()) && !facts.flaky.contains(id) && !seen.contains(id)),
    );
    let mut reasons = Vec::new();
    if !failing.is_empty() {
        reasons.push(Reason::new(
            Code::GreenFails,
            format!("failing: {}{}", list(&failing), first_message(facts.run, &failing)),
        ));
    }
    if !missing.is_empty() {
        reasons.push(Reason::new(
            Code::GreenMissing,
            format!("deleted, renamed or skipped: {}", list(&missing)),
        ));
    }
    reasons
}

/// Only a removal takes tests away: its list is what a qa signs.
fn removed(facts: &GreenFacts, id: &str) -> bool {
    facts.kind == ChangeKind::Remove && facts.removes.contains(id)
}

/// The command says failure and no test does: something outside the tests failed, and not already on
/// the base.
fn silent_failure(facts: &GreenFacts) -> Option<Reason> {
    let failed = facts.run.count(TestStatus::Failed) > 0;
    let as_before =
        facts.run.outcome == facts.baseline.outcome && facts.baseline.count(TestStatus::Failed) == 0;
    if failed || facts.run.succeeded() || as_before {
        return None;
    }
    let text = format!("the test command ends with {:?} though no test failed", facts.run.outcome);
    Some(Reason::new(Code::GreenFails, text))
}

fn first_message(run: &TestReport, failing: &[String]) -> String {
    let message = failing.first().and_then(|id| run.get(id)).and_then(|t| t.message.as_deref());
    message.map_or_else(String::new, |m| format!("\n{m}"))
}

fn is_file(facts: &GreenFacts, id: &str) -> bool {
    facts.admitted.iter().any(|a| a.path == id)
}

/// Each admitted file contributes at least one passing test, where the adapter knows files.
fn admitted_files_run(facts: &GreenFacts) -> Vec<Reason> {
    let files: BTreeSet<&str> =
        facts.run.with_status(TestStatus::Passed).filter_map(|t| t.file.as_deref()).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let silent: Vec<String> = facts
        .admitted
        .iter()
        .filter(|a| is_test_source(&a.path) && !files.contains(a.path.as_str()))
        .map(|a| a.path.clone())
        .collect();
    if silent.is_empty() {
        return Vec::new();
    }
    vec![Reason::new(
        Code::GreenMissing,
        format!("no test of these admitted files passes: {}", list(&silent)),
    )]
}

/// Fixtures and snapshots are admitted too, but hold no test.
fn is_test_source(path: &str) -> bool {
    let helper =
        path.rsplit('/').next().is_some_and(|name| matches!(name, "mod.rs" | "__init__.py" | "conftest.py"));
    !helper && [".rs", ".py", ".go", ".ts", ".js", ".java"].iter().any(|e| path.ends_with(e))
}

fn kind_specific(facts: &GreenFacts) -> Vec<Reason> {
    let passing = |r: &TestReport| -> BTreeSet<String> {
        r.with_status(TestStatus::Passed).map(|t| t.id.clone()).collect()
    };
    match facts.kind {
        ChangeKind::Refactor if passing(facts.baseline) != passing(facts.run) => {
            vec![Reason::new(
                Code::KindMismatch,
                "a refactoring has the same set of passing tests before and after; this one has not",
            )]
        }
        _ => Vec::new(),
    }
}

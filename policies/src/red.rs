//! RED: the runtime's judgement of two of its own runs, the baseline and the composed tree.
//!
//! The composed tree is the merge base with the branch's test files laid over it. It is RED when at
//! least one new test fails, no new test passes (unless declared as characterisation) and every test
//! that passed in the baseline still does. Where a new or changed test file does not build, that
//! counts as failing if the errors lie in such files alone and the suite without them still gives the
//! baseline, which the caller has shown by a third run.

use foureyes_protocol::{
    Code, Reason,
    testrun::{RunOutcome, TestReport, TestStatus},
};
use std::collections::BTreeSet;

/// What RED is judged on.
pub struct RedFacts<'a> {
    /// The run on the merge base.
    pub baseline: &'a TestReport,
    /// The run on the composed tree.
    pub composed: &'a TestReport,
    /// Where the composed tree did not build: the run without the new test files.
    pub without_new: Option<&'a TestReport>,
    /// Test files of the change (also those with inline test items only).
    pub test_files: &'a BTreeSet<String>,
    /// Ids of tests that the spec declares to pass from the start.
    pub characterisation: &'a BTreeSet<String>,
}

/// A RED that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Red {
    /// New tests that fail, by id; for a test file that does not build its path.
    pub failing: Vec<String>,
    /// New tests that pass because they were declared so.
    pub characterisation: Vec<String>,
    /// Tests that failed in the baseline already.
    pub known_failures: Vec<String>,
    /// The first failure text, for people.
    pub shows: String,
}

/// Whether a run can be judged at all.
///
/// # Errors
/// [`Code::Broken`] or [`Code::Limit`] when the environment or a limit spoke instead of the tests.
pub fn usable(report: &TestReport, what: &str) -> Result<(), Reason> {
    match &report.outcome {
        RunOutcome::BrokenEnvironment { message } => {
            Err(Reason::new(Code::Broken, format!("{what}: {message}")))
        }
        RunOutcome::LimitExceeded { message } => Err(Reason::new(Code::Limit, format!("{what}: {message}"))),
        RunOutcome::Completed { .. } | RunOutcome::BuildFailed { .. } => Ok(()),
    }
}

/// Whether the baseline may serve as one: it ran, whatever its tests say.
///
/// # Errors
/// [`Code::Broken`] when it did not run: a suite that does not even build on the base says nothing.
pub fn usable_baseline(report: &TestReport) -> Result<(), Reason> {
    usable(report, "baseline")?;
    match &report.outcome {
        RunOutcome::BuildFailed { message, .. } => Err(Reason::new(
            Code::Broken,
            format!("baseline: the target branch itself does not build: {message}"),
        )),
        _ => Ok(()),
    }
}

/// Judges RED.
///
/// # Errors
/// Every reason why it is not RED, with the code of each.
pub fn judge(facts: &RedFacts) -> Result<Red, Vec<Reason>> {
    usable_baseline(facts.baseline).map_err(|r| vec![r])?;
    usable(facts.composed, "RED").map_err(|r| vec![r])?;
    match &facts.composed.outcome {
        RunOutcome::BuildFailed { files, message } => build_failure(facts, files, message),
        _ if !facts.composed.per_test => by_exit_code(facts),
        _ => by_tests(facts),
    }
}

fn known_failures(baseline: &TestReport) -> Vec<String> {
    baseline.with_status(TestStatus::Failed).map(|t| t.id.clone()).collect()
}

/// The generic adapter: the base exits 0 and the composed tree does not. No per-test claim.
fn by_exit_code(facts: &RedFacts) -> Result<Red, Vec<Reason>> {
    let one = |code, text: &str| Err(vec![Reason::new(code, text)]);
    match (facts.baseline.succeeded(), &facts.composed.outcome) {
        (false, _) => {
            one(Code::Broken, "the command fails on the base, so its failing on the new tests says nothing")
        }
        (true, RunOutcome::Completed { exit: 0 }) => one(
            Code::RedNothing,
            "the command passes with the new tests: no test fails before the implementation",
        ),
        (true, RunOutcome::Completed { exit }) if is_no_verdict(*exit) => one(
            Code::Broken,
            &format!("exit code {exit} is that of a missing program or a signal, not of a failing test"),
        ),
        (true, RunOutcome::Completed { exit }) => Ok(Red {
            failing: Vec::new(),
            characterisation: Vec::new(),
            known_failures: Vec::new(),
            shows: format!("exit code {exit}"),
        }),
        (true, _) => one(Code::Broken, "the run did not complete"),
    }
}

/// 126 and 127: the program could not be run; from 128 on and below 0: a signal ended it.
fn is_no_verdict(exit: i32) -> bool {
    matches!(exit, 126 | 127) || !(0..128).contains(&exit)
}

fn build_failure(facts: &RedFacts, files: &[String], message: &str) -> Result<Red, Vec<Reason>> {
    let foreign: Vec<&String> = files.iter().filter(|f| !facts.test_files.contains(*f)).collect();
    if files.is_empty() || !foreign.is_empty() {
        let place = foreign.first().map_or("no file that the compiler names", |f| f.as_str());
        let text = format!("the composed tree does not build, and the error lies in {place}: {message}");
        return Err(vec![Reason::new(Code::RedBuild, text)]);
    }
    let Some(without) = facts.without_new else {
        return Err(vec![Reason::new(Code::RedBuild, "the suite without the new test files was not run")]);
    };
    let broken = regressions(facts.baseline, without);
    let gives_baseline = without.outcome == facts.baseline.outcome
        || (without.per_test && matches!(without.outcome, RunOutcome::Completed { .. }));
    if !broken.is_empty() || !gives_baseline {
        let text =
            format!("without the new test files the suite does not give the baseline: {}", broken.join(", "));
        return Err(vec![Reason::new(Code::RedBreaks, text)]);
    }
    Ok(Red {
        failing: files.to_vec(),
        characterisation: Vec::new(),
        known_failures: known_failures(facts.baseline),
        shows: message.to_owned(),
    })
}

/// Tests that passed in the baseline and do not pass now.
pub fn regressions(baseline: &TestReport, now: &TestReport) -> Vec<String> {
    let passes: BTreeSet<&str> = now.with_status(TestStatus::Passed).map(|t| t.id.as_str()).collect();
    baseline
        .with_status(TestStatus::Passed)
        .filter(|t| !passes.contains(t.id.as_str()))
        .map(|t| t.id.clone())
        .collect()
}

fn by_tests(facts: &RedFacts) -> Result<Red, Vec<Reason>> {
    let known: BTreeSet<&str> = facts.baseline.tests.iter().map(|t| t.id.as_str()).collect();
    let changed_file = |file: &Option<String>| file.as_ref().is_some_and(|f| facts.test_files.contains(f));
    let mut reasons = Vec::new();
    let (mut failing, mut characterisation, mut shows) = (Vec::new(), Vec::new(), String::new());
    for test in &facts.composed.tests {
        let new = !known.contains(test.id.as_str());
        // A known test in a changed file may be sharpened: it counts as new when it now fails.
        let sharpened = !new && changed_file(&test.file) && test.status == TestStatus::Failed;
        match test.status {
            TestStatus::Failed if new || sharpened => {
                if shows.is_empty() {
                    shows = test.message.clone().unwrap_or_default();
                }
                failing.push(test.id.clone());
            }
            TestStatus::Passed if new && facts.characterisation.contains(&test.id) => {
                characterisation.push(test.id.clone())
            }
            TestStatus::Passed if new => reasons.push(passes_already(&test.id)),
            _ => {}
        }
    }
    let sharpened: BTreeSet<&String> = failing.iter().collect();
    let broken: Vec<String> =
        regressions(facts.baseline, facts.composed).into_iter().filter(|t| !sharpened.contains(t)).collect();
    if !broken.is_empty() {
        let text =
            format!("tests that passed on the base no longer do with the new test files: {}", list(&broken));
        reasons.push(Reason::new(Code::RedBreaks, text));
    }
    if failing.is_empty() {
        reasons.push(Reason::new(Code::RedNothing, "no new test fails: write a test that the present code does not pass, and push it before the implementation"));
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    Ok(Red { failing, characterisation, known_failures: known_failures(facts.baseline), shows })
}

fn passes_already(id: &str) -> Reason {
    let text = format!(
        "the new test {id} passes before the implementation exists: it proves nothing; sharpen it, or have the spec declare it as characterisation"
    );
    Reason::new(Code::RedPasses, text)
}

/// At most ten names, for people.
pub fn list(names: &[String]) -> String {
    let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown} and {} more", names.len() - 10) } else { shown }
}

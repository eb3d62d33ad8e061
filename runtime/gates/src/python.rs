//! pytest and unittest, driven by our own program inside the sandbox.
//!
//! The driver gets a nonce on its standard input before any code of the project is loaded, and
//! writes one sealed record a line: what was collected, each start, each result, the end. A line
//! whose seal does not fit is not read. A test that ends the process leaves a start without a
//! result: it failed, and the tests behind it run in a new process.

mod sealed;
mod verdicts;

#[cfg(test)]
mod tests;

use crate::{
    libtest::{Pick, Seen},
    outcome,
    session::{Session, Step, View, bind, io_broken},
    toolchain::{PYTHON_REMEDY, Tools},
};
use foureyes_ports::{
    clock::Entropy,
    runner::{AdapterKind, SuiteSpec},
    sandbox::RunResult,
};
use foureyes_protocol::testrun::{RunOutcome, TestStatus};
use sealed::Record;
use std::path::PathBuf;
use verdicts::Verdicts;

const DRIVER: &str = include_str!("python/driver.py");

/// Prepared packages, as seen inside.
pub(crate) const PACKAGES: &str = "/work/packages";

/// Processes that one run may start again behind tests that ended theirs.
const RESTARTS: usize = 50;

/// What the processes of one run share.
struct Bench<'a> {
    session: &'a Session,
    suite: &'a SuiteSpec,
    tools: &'a Tools,
    kind: AdapterKind,
    program: String,
    entropy: &'a dyn Entropy,
}

/// Runs the picked tests.
pub(crate) async fn run(
    session: &Session,
    suite: &SuiteSpec,
    kind: AdapterKind,
    tools: &Tools,
    entropy: &dyn Entropy,
    pick: &Pick,
) -> Seen {
    let Some(python) = &tools.python else { return outcome::broken(PYTHON_REMEDY).into() };
    let program = python.place();
    let bench = Bench { session, suite, tools, kind, program, entropy };
    try_run(&bench, pick).await.unwrap_or_else(Seen::from)
}

async fn try_run(bench: &Bench<'_>, pick: &Pick) -> Result<Seen, RunOutcome> {
    let args = arguments(bench.kind, &bench.suite.command)?;
    let mut verdicts = Verdicts::default();
    for _ in 0..pick.times {
        run_once(bench, &args, pick, &mut verdicts).await?;
        verdicts.close_round();
    }
    Ok(finish(bench.session, verdicts))
}

/// One round: the suite, and again from behind each test that ended its process.
async fn run_once(
    bench: &Bench<'_>,
    args: &[String],
    pick: &Pick,
    verdicts: &mut Verdicts,
) -> Result<(), RunOutcome> {
    let mut only: Option<Vec<String>> = pick.only.as_ref().map(|ids| ids.iter().cloned().collect());
    for _ in 0..RESTARTS {
        let (result, nonce) = start(bench, args, only.as_deref()).await?;
        let records = sealed::read(&result.stdout, &nonce);
        check_start(bench, &result, &records)?;
        let ended = records.iter().any(|record| matches!(record, Record::End {}));
        verdicts.take(records, &|id| pick.wants(id));
        if ended {
            return Ok(());
        }
        let why = outcome::by_exit(&result, "the test process", bench.session.limits.timeout);
        verdicts.blame_running(&describe(&why));
        if result.timed_out {
            return Err(outcome::out_of_time(bench.session.limits.timeout, &verdicts.results()));
        }
        only = Some(verdicts.not_started());
        if only.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
    }
    verdicts.fail_rest("not run: too many tests of this suite ended their process");
    Ok(())
}

fn describe(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Completed { exit } => format!("the test ended its process itself (exit {exit})"),
        RunOutcome::BrokenEnvironment { message } | RunOutcome::LimitExceeded { message } => {
            format!("the test's process ended: {message}")
        }
        RunOutcome::BuildFailed { message, .. } => message.clone(),
    }
}

/// Without a single sealed record nothing of the project ran: the environment is at fault, or the
/// project broke the driver before collection.
fn check_start(bench: &Bench<'_>, result: &RunResult, records: &[Record]) -> Result<(), RunOutcome> {
    if let Some(Record::Env { message }) = records.iter().find(|r| matches!(r, Record::Env { .. })) {
        return Err(outcome::broken(message));
    }
    if records.iter().any(|record| matches!(record, Record::Collected { .. })) {
        return Ok(());
    }
    let by_exit = outcome::by_exit(result, &bench.program, bench.session.limits.timeout);
    let RunOutcome::Completed { exit } = by_exit else { return Err(by_exit) };
    let words = outcome::last_words(result);
    let message = format!("the suite ended (exit {exit}) before its tests were collected: {words}");
    let begun = records.iter().any(|record| matches!(record, Record::Begin {}));
    Err(if begun { outcome::build_failed([], &message) } else { outcome::broken(message) })
}

/// Starts the driver and waits for its end; also returns the nonce of its seals.
async fn start(
    bench: &Bench<'_>,
    args: &[String],
    only: Option<&[String]>,
) -> Result<(RunResult, [u8; 32]), RunOutcome> {
    let session = bench.session;
    let room = session.room().map_err(io_broken("no run directory"))?;
    let mut nonce = [0; 32];
    bench.entropy.fill(&mut nonce);
    let mut step = Step::new(Vec::new());
    let view = if bench.suite.writable_checkout { View::Copy } else { View::ReadOnly };
    step.binds.extend(
        session.show(&room, &session.checkout, view).await.map_err(io_broken("no view of the checkout"))?,
    );
    bench.tools.equip(&mut step, &room).map_err(io_broken("no toolchain"))?;
    step.env.extend_from_slice(&bench.suite.env);
    let driver = write_driver(&room.work).map_err(io_broken("no driver"))?;
    step.binds.push(bind(&driver, "/work/driver", false));
    if let Some(packages) = &bench.tools.packages {
        std::fs::create_dir_all(room.work.join("packages")).map_err(io_broken("no packages"))?;
        step.binds.push(bind(packages, PACKAGES, false));
    }
    let head = [bench.program.as_str(), "-B", "-s", "/work/driver/driver.py", bench.kind.name()];
    step.argv = head.iter().map(|&word| word.to_owned()).chain(args.iter().cloned()).collect();
    step.stdin = stdin(&nonce, only);
    session.report("running the suite", 0, 0);
    let result = session.exec(&room, step).await?;
    session.log.add(&bench.suite.command.join(" "), &result.stderr);
    Ok((result, nonce))
}

/// The driver lies outside of the room's writable directory, so that it is read-only inside.
fn write_driver(work: &std::path::Path) -> std::io::Result<PathBuf> {
    let dir = work.with_file_name("driver");
    std::fs::create_dir_all(&dir)?;
    std::fs::create_dir_all(work.join("driver"))?;
    std::fs::write(dir.join("driver.py"), DRIVER)?;
    Ok(dir)
}

/// The nonce in hexadecimal, then the ids to run as JSON (`null` for all).
fn stdin(nonce: &[u8; 32], only: Option<&[String]>) -> Vec<u8> {
    let ids = serde_json::json!(only);
    format!("{}\n{ids}\n", hex::encode(nonce)).into_bytes()
}

/// What the configured command says beyond the name of the tool.
fn arguments(kind: AdapterKind, command: &[String]) -> Result<Vec<String>, RunOutcome> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let tool = kind.name();
    let rest = match words.as_slice() {
        [] => &[],
        [first, rest @ ..] if *first == tool || (kind == AdapterKind::Pytest && *first == "py.test") => rest,
        [python, "-m", module, rest @ ..] if python.starts_with("python") && *module == tool => rest,
        _ => {
            let given = command.join(" ");
            return Err(outcome::broken(format!(
                "the {tool} adapter needs a `python3 -m {tool}` command, not `{given}`; choose the generic adapter for it"
            )));
        }
    };
    let discover = kind == AdapterKind::Unittest && rest.is_empty();
    let rest = if discover { &["discover"][..] } else { rest };
    Ok(rest.iter().map(|&word| word.to_owned()).collect())
}

fn finish(session: &Session, verdicts: Verdicts) -> Seen {
    let tests = verdicts.results();
    if let Some((files, message)) = verdicts.broken_files() {
        return Seen { outcome: outcome::build_failed(files, &message), tests };
    }
    if session.remaining().is_zero() {
        return Seen { outcome: outcome::out_of_time(session.limits.timeout, &tests), tests };
    }
    let failed = tests.iter().any(|test| test.status == TestStatus::Failed);
    Seen { outcome: RunOutcome::Completed { exit: i32::from(failed) }, tests }
}

#[cfg(test)]
mod words {
    use super::*;

    #[test]
    fn the_command_names_the_tool_and_its_arguments() {
        let cases = [
            (AdapterKind::Pytest, "", Some("")),
            (AdapterKind::Pytest, "pytest tests -x", Some("tests -x")),
            (AdapterKind::Pytest, "python3.12 -m pytest -k a", Some("-k a")),
            (AdapterKind::Unittest, "", Some("discover")),
            (AdapterKind::Unittest, "python3 -m unittest discover -s t", Some("discover -s t")),
            (AdapterKind::Unittest, "pytest", None),
            (AdapterKind::Pytest, "tox", None),
        ];
        for (kind, command, want) in cases {
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            let got = arguments(kind, &words).ok().map(|args| args.join(" "));
            assert_eq!(got.as_deref(), want, "{command}");
        }
    }
}

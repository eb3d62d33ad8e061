//! One test in a process of its own, and what its end says.

use super::{
    Bench, TARGET,
    build::{Binary, Built},
    map, test_view,
};
use crate::{
    outcome,
    session::{Room, Step, bind, io_broken},
    text,
};
use foureyes_ports::sandbox::{Bind, RunResult};
use foureyes_protocol::testrun::{RunOutcome, TestResult, TestStatus};
use std::{io, os::unix::fs::PermissionsExt as _, time::Duration};

/// Bytes kept of each output of one test.
const OUTPUT_CAP: usize = 1 << 20;

/// Runs one test; `None` when the run's time is over before it could end.
pub(crate) async fn run(
    bench: &Bench<'_>,
    built: &Built,
    binary: &Binary,
    name: &str,
) -> Result<Option<TestResult>, RunOutcome> {
    let session = bench.session;
    if session.remaining().is_zero() {
        return Ok(None);
    }
    let args = ["--exact", name, "--color", "never"].map(str::to_owned);
    let result = exec(bench, built, binary, args.to_vec(), OUTPUT_CAP).await?;
    let (status, message) = verdict(&result, session.limits.test_timeout);
    let id = binary.id(name);
    if status == TestStatus::Failed {
        session.log.add(&id, &[&result.stdout[..], &result.stderr].concat());
    }
    let file = map::file_of(&binary.src_path, name, &bench.files);
    Ok(Some(TestResult { id, file, status, millis: result.millis, message }))
}

/// Starts a test binary with everything that cargo would give it, read-only.
pub(crate) async fn exec(
    bench: &Bench<'_>,
    built: &Built,
    binary: &Binary,
    args: Vec<String>,
    output_cap: usize,
) -> Result<RunResult, RunOutcome> {
    let session = bench.session;
    let room = session.room().map_err(io_broken("no run directory"))?;
    let mut step = Step::new([vec![binary.executable.display().to_string()], args].concat());
    step.binds = binds(bench, built, &room).await.map_err(io_broken("no room for a test"))?;
    bench.tools.equip(&mut step, &room).map_err(io_broken("no toolchain"))?;
    step.env.extend(env(bench, built, binary));
    step.env.extend_from_slice(&bench.suite.env);
    step.cwd = binary.manifest_dir.clone();
    step.timeout = session.limits.test_timeout;
    step.output_cap = output_cap;
    session.exec(&room, step).await
}

async fn binds(bench: &Bench<'_>, built: &Built, room: &Room) -> io::Result<Vec<Bind>> {
    let mut binds = Vec::new();
    binds.extend(bench.session.show(room, &built.source, test_view(bench.suite)).await?);
    let target = built.target();
    std::fs::create_dir_all(room.work.join("target"))?;
    binds.push(bind(&target, TARGET, false));
    // CARGO_TARGET_TMPDIR of integration tests is compiled in and must be writable: a private one.
    if target.join("tmp").is_dir() {
        let tmp = room.work.join("target-tmp");
        std::fs::create_dir_all(&tmp)?;
        std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o777))?;
        binds.push(bind(&tmp, format!("{TARGET}/tmp"), true));
    }
    Ok(binds)
}

fn env(bench: &Bench<'_>, built: &Built, binary: &Binary) -> Vec<(String, String)> {
    let mut libraries = vec![format!("{TARGET}/debug/deps"), format!("{TARGET}/debug")];
    libraries.extend(bench.tools.rust.as_ref().map(|rust| rust.root.join("lib").display().to_string()));
    let mut env = vec![
        ("LD_LIBRARY_PATH".to_owned(), libraries.join(":")),
        ("CARGO_MANIFEST_DIR".to_owned(), binary.manifest_dir.display().to_string()),
        ("CARGO_PKG_NAME".to_owned(), binary.package.clone()),
    ];
    env.extend(bench.tools.rust.as_ref().map(|rust| ("CARGO".to_owned(), rust.program("cargo"))));
    let out = built.out_dirs.iter().find(|(package, _)| *package == binary.package_id);
    env.extend(out.map(|(_, dir)| ("OUT_DIR".to_owned(), dir.clone())));
    env
}

/// What the end of one test process says. A pass is exit 0 inside libtest's own frame: the first
/// line announces one test and the last one counts it.
pub(crate) fn verdict(result: &RunResult, limit: Duration) -> (TestStatus, Option<String>) {
    let stdout = String::from_utf8_lossy(&result.stdout);
    let mut lines = stdout.lines().map(str::trim).filter(|line| !line.is_empty());
    let framed = lines.next() == Some("running 1 test");
    let counts = lines.next_back().and_then(|line| line.strip_prefix("test result: ok. ")).unwrap_or("");
    let clean_end = result.exit == Some(0) && !result.timed_out && !result.truncated && framed;
    if clean_end && counts.starts_with("1 passed; 0 failed; 0 ignored;") {
        return (TestStatus::Passed, None);
    }
    if clean_end && counts.starts_with("0 passed; 0 failed; 1 ignored;") {
        return (TestStatus::Skipped, None);
    }
    (TestStatus::Failed, text::message(&reason(result, &stdout, limit)))
}

fn reason(result: &RunResult, stdout: &str, limit: Duration) -> String {
    let said = failure_text(stdout);
    let err = String::from_utf8_lossy(&result.stderr);
    let end = match (result.timed_out, outcome::signal_of(result), result.exit) {
        (true, ..) => format!("took longer than {} s", limit.as_secs_f32()),
        (_, Some(n), _) => format!("ended by signal {n}"),
        (_, _, Some(101)) => return format!("{said}\n{err}"),
        _ if result.truncated => "printed more than 1 MiB".to_owned(),
        (_, _, Some(0)) => {
            "ended with exit 0 without libtest's closing line: it left the process itself".to_owned()
        }
        (_, _, code) => format!("ended with exit {}", code.unwrap_or(-1)),
    };
    format!("{end}\n{}\n{said}", err.trim())
}

/// The part of libtest's output that says why a test failed.
fn failure_text(stdout: &str) -> &str {
    let start = stdout.find(" stdout ----\n").map_or(0, |at| at + " stdout ----\n".len());
    let end = stdout.rfind("\nfailures:\n").filter(|&end| end >= start).unwrap_or(stdout.len());
    stdout[start..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: i32, stdout: &str) -> RunResult {
        RunResult { exit: Some(exit), stdout: stdout.into(), ..RunResult::default() }
    }

    fn status(result: &RunResult) -> TestStatus {
        verdict(result, Duration::from_secs(1)).0
    }

    const OK: &str = "\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\n";

    #[test]
    fn a_pass_needs_exit_and_frame() {
        use TestStatus::{Failed, Passed, Skipped};
        let ignored = OK.replace("1 passed; 0 failed; 0 ignored", "0 passed; 0 failed; 1 ignored");
        let cases = [
            (ended(0, OK), Passed),
            (ended(0, &ignored), Skipped),
            (ended(101, OK), Failed),
            (ended(0, "test a ... ok\n"), Failed),
            (ended(0, "\nrunning 1 test\ntest a ... ok\n"), Failed),
            (ended(0, &OK.replace("running 1 test", "running 2 tests")), Failed),
            (ended(0, &OK.replace("1 passed", "0 passed")), Failed),
            (ended(0, &format!("{OK}more\n")), Failed),
            (ended(0, ""), Failed),
            (RunResult { exit: None, signal: Some(6), ..ended(0, OK) }, Failed),
            (RunResult { timed_out: true, ..ended(0, OK) }, Failed),
            (RunResult { truncated: true, ..ended(0, OK) }, Failed),
        ];
        for (result, want) in cases {
            assert_eq!(status(&result), want, "{result:?}");
        }
    }

    #[test]
    fn the_message_says_why() {
        let panic = "\nrunning 1 test\ntest f ... FAILED\n\nfailures:\n\n---- f stdout ----\nhello\nboo\n\n\nfailures:\n    f\n";
        assert_eq!(verdict(&ended(101, panic), Duration::ZERO).1.as_deref(), Some("hello\nboo"));
        let left = verdict(&ended(0, "running 1 test\n"), Duration::ZERO).1.unwrap();
        assert!(left.starts_with("ended with exit 0 without libtest's closing line"), "{left}");
    }
}

//! `cargo xtask test`: formatting, lints and every test, closed by one line that a script can read.

use crate::{
    host,
    tally::{Reader, Tally},
    tools,
};
use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Runs everything. The last line is `N passed, N failed`, where formatting, lints and the build
/// count as one test each; the exit code is 0 exactly if nothing failed.
pub fn run() -> ExitCode {
    let tally = match tools::provide() {
        Ok(()) => all(),
        Err(error) => {
            eprintln!("error: {error}");
            Tally { failed: 1, ..Tally::default() }
        }
    };
    if tally.ignored > 0 {
        println!("{} ignored by their authors", tally.ignored);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all() -> Tally {
    let mut tally = Tally::default();
    tally.count(step(&["fmt", "--all", "--check"]));
    tally.count(step(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    // Programs and tests in one build, so that both share every dependency as it is compiled.
    let built = step(&["build", "--locked", "--workspace", "--bins", "--tests", "--examples"]);
    tally.count(built);
    if built {
        match tests() {
            Ok(results) => {
                tally.passed += results.passed;
                tally.failed += results.failed;
                tally.ignored += results.ignored;
            }
            Err(error) => {
                eprintln!("error: {error}");
                tally.count(false);
            }
        }
    }
    tally
}

fn step(arguments: &[&str]) -> bool {
    println!("+ cargo {}", arguments.join(" "));
    let result = host::succeed(Command::new(host::cargo()).args(arguments));
    if let Err(error) = &result {
        eprintln!("error: {error}");
    }
    result.is_ok()
}

/// Every test of the workspace, passed on as it is printed, and counted.
fn tests() -> Result<Tally, String> {
    let programs = program_dir()?;
    let arguments = ["test", "--locked", "--workspace", "--no-fail-fast"];
    println!("+ cargo {}", arguments.join(" "));
    let mut command = Command::new(host::cargo());
    command.args(arguments).env("AGENTS_BIN", programs.join("agents"));
    command.env("PATH", path_with_pytest(&programs.join("xtask-bin"))?);
    command.env("CARGO_TERM_COLOR", "never");
    // A change is judged by the same random cases wherever it is; plain `cargo test` draws new ones.
    command.env("PROPTEST_RNG_SEED", "1");
    streamed(command).map_err(|error| format!("`cargo test` cannot be followed: {error}"))
}

/// Output and errors share one pipe: cargo names each binary on the one and the binary writes to
/// the other, and only their common order says which result belongs to which.
fn streamed(mut command: Command) -> io::Result<Tally> {
    let (reader, writer) = io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command keeps its ends of the pipe open until it is dropped.
    drop(command);
    let mut results = Reader::new();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        results.line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let mut tally = results.finish();
    // Cargo may fail for a reason that no closing line tells, such as a doc test that cannot start.
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// Where this build's programs lie: beside this one.
fn program_dir() -> Result<PathBuf, String> {
    let me = env::current_exe().map_err(|error| format!("this program's own path is unknown: {error}"))?;
    me.parent().map(Path::to_owned).ok_or_else(|| "this program lies in no directory".to_owned())
}

/// The path, led by an interpreter that has pytest when the first one of the path has not.
fn path_with_pytest(dir: &Path) -> Result<OsString, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let python = tools::python_with_pytest().ok_or("no python3 with pytest was found")?;
    if host::find("python3").as_ref() == Some(&python) {
        return Ok(path);
    }
    lead_to(dir, &python).map_err(|error| format!("{} cannot be written: {error}", dir.display()))?;
    let dirs = std::iter::once(dir.to_owned()).chain(env::split_paths(&path));
    env::join_paths(dirs).map_err(|error| format!("the search path is unusable: {error}"))
}

/// A script and no link: an interpreter takes its own place from the name it is called by, and the
/// place that it names must be one that sandboxes show.
fn lead_to(dir: &Path, python: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let name = dir.join("python3");
    fs::write(&name, format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display()))?;
    fs::set_permissions(&name, fs::Permissions::from_mode(0o755))
}

//! Programs of this machine that commands ask: the one place of this crate that starts any.

use crate::{error::CliError, exit::Exit};
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a program said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whether it ended with 0.
    pub ok: bool,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its error output as text.
    pub err: String,
}

/// The first program of that name on PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_absolute() && file.is_file())
}

/// The one place where a command is made.
#[allow(
    clippy::disallowed_methods,
    reason = "commands of this machine are asked here and nowhere else in the crate"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Runs a program without input and collects what it says. `None` when it cannot be started.
pub fn ask<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Option<Said> {
    let output = command(program).args(args).stdin(Stdio::null()).output().ok()?;
    let err = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Some(Said { ok: output.status.success(), out: output.stdout, err })
}

/// Runs a program without input, with an environment that holds `home` and PATH alone, and collects
/// what it says.
pub fn ask_in<S: AsRef<OsStr>>(program: &Path, args: &[S], home: &Path) -> Option<Said> {
    let output = command(program)
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let err = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Some(Said { ok: output.status.success(), out: output.stdout, err })
}

/// The first line that a program prints when asked for its version.
pub fn version(program: &Path, flag: &str) -> Option<String> {
    let said = ask(program, &[flag])?;
    let text = String::from_utf8_lossy(&said.out).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| said.ok && !line.is_empty())
}

/// Runs a program on the user's terminal and waits; standard output goes to error output, so that
/// the command's own output stays clean.
///
/// # Errors
/// [`Exit::Prerequisite`] when it fails or cannot be started.
pub fn run(words: &[String]) -> Result<(), CliError> {
    let (program, args) = words.split_first().ok_or_else(|| CliError::new(Exit::Internal, "no command"))?;
    let failed = || CliError::new(Exit::Prerequisite, "a command failed").at(words.join(" "));
    let path = find(program).ok_or_else(|| failed().why(format!("{program} is not on PATH")))?;
    let status = command(&path)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::io::stderr())
        .status()
        .map_err(|e| failed().because(&e))?;
    if status.success() { Ok(()) } else { Err(failed().why(status.to_string())) }
}

/// Asks git about a repository: nothing of the repository is run, replaced or fetched.
///
/// # Errors
/// [`Exit::Prerequisite`] without git; [`Exit::No`] with what git says.
pub fn git(repository: &Path, args: &[&str]) -> Result<Vec<u8>, CliError> {
    let program = foureyes_vcs::git::find_git().map_err(|e| {
        CliError::new(Exit::Prerequisite, "git is missing").because(&e).hint("agents doctor --fix")
    })?;
    let output = command(&program)
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .arg("-C")
        .arg(repository)
        .args(args)
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| CliError::file("cannot run git", &program, &e))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CliError::new(Exit::No, format!("git {} failed", args.first().unwrap_or(&"")))
        .at(repository.display())
        .why(why))
}

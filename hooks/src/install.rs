//! Puts the hooks into a repository, and takes them out again.
//!
//! Where git looks for hooks (`core.hooksPath` included) lie then, for each hook, a small script of
//! ours, and one link `agents-hook` to the program. A hook that was there already is kept under
//! another name and runs first; it still sees its own name as `$0`, which some hook managers need.

use crate::{HOOKS, HookError, git::Repository};
use std::{
    env, fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// The line by which a script of ours is known.
const MARK: &str = "# Installed by `agents hooks install`; `agents hooks uninstall` takes it out.";
const PROGRAM: &str = "agents-hook";
/// What the name of a hook that was there before ends with.
const KEPT: &str = ".before-agents";
/// Only inside an agent's sandbox is there such a socket.
const SANDBOX_SOCKET: &str = "/run/rt/rt.sock";

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Where the hooks lie.
    pub dir: PathBuf,
    /// The hooks that were there already and run first.
    pub chained: Vec<String>,
}

/// Installs the hooks in the repository around `repository`; `program` is what runs them (`agents`).
/// Doing it again changes nothing but the program.
///
/// # Errors
/// [`HookError::InSandbox`] inside an agent's sandbox, git failures, and files that cannot be written.
pub fn install(repository: &Path, program: &Path) -> Result<Installed, HookError> {
    outside_of_sandbox(Path::new(SANDBOX_SOCKET))?;
    let dir = Repository::at(repository)?.hooks_dir()?;
    fs::create_dir_all(&dir).map_err(|e| HookError::file("making", &dir, e))?;
    link(&dir.join(PROGRAM), program)?;
    let mut chained = Vec::new();
    for hook in HOOKS {
        keep(&dir, hook)?;
        let kept = kept(&dir, hook);
        if kept.symlink_metadata().is_ok() {
            chained.push(hook.to_owned());
        }
        write(&dir.join(hook), &script(hook, &kept))?;
    }
    Ok(Installed { dir, chained })
}

/// Takes the hooks out of the repository around `repository` and puts those back that were there before.
/// Hooks of others are not touched.
///
/// # Errors
/// As [`install`].
pub fn uninstall(repository: &Path) -> Result<PathBuf, HookError> {
    outside_of_sandbox(Path::new(SANDBOX_SOCKET))?;
    let dir = Repository::at(repository)?.hooks_dir()?;
    for hook in HOOKS {
        let path = dir.join(hook);
        if is_ours(&path) {
            remove(&path)?;
            let kept = kept(&dir, hook);
            if kept.symlink_metadata().is_ok() {
                fs::rename(&kept, &path).map_err(|e| HookError::file("restoring", &path, e))?;
            }
        }
    }
    let program = dir.join(PROGRAM);
    if program.is_symlink() {
        remove(&program)?;
    }
    Ok(dir)
}

fn outside_of_sandbox(socket: &Path) -> Result<(), HookError> {
    if socket.exists() { Err(HookError::InSandbox) } else { Ok(()) }
}

/// Sets a hook aside that is not ours.
fn keep(dir: &Path, hook: &str) -> Result<(), HookError> {
    let (path, kept) = (dir.join(hook), kept(dir, hook));
    if path.symlink_metadata().is_err() || is_ours(&path) {
        return Ok(());
    }
    if kept.symlink_metadata().is_ok() {
        return Err(HookError::InTheWay(kept));
    }
    fs::rename(&path, &kept).map_err(|e| HookError::file("setting aside", &path, e))
}

fn kept(dir: &Path, hook: &str) -> PathBuf {
    dir.join(format!("{hook}{KEPT}"))
}

fn is_ours(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(MARK))
}

fn link(name: &Path, program: &Path) -> Result<(), HookError> {
    let here = env::current_dir().map_err(|e| HookError::file("finding", program, e))?;
    if name.symlink_metadata().is_ok() {
        remove(name)?;
    }
    symlink(here.join(program), name).map_err(|e| HookError::file("linking", name, e))
}

fn remove(path: &Path) -> Result<(), HookError> {
    fs::remove_file(path).map_err(|e| HookError::file("removing", path, e))
}

fn write(path: &Path, text: &str) -> Result<(), HookError> {
    let written = || -> io::Result<()> {
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
    };
    written().map_err(|e| HookError::file("writing", path, e))
}

fn script(hook: &str, kept: &Path) -> String {
    format!(
        "#!/bin/sh\n{MARK}\nhere=$(dirname -- \"$0\")\n{}if [ ! -x \"$here/{PROGRAM}\" ]; then\n  \
         echo \"$here/{PROGRAM} is gone: run 'agents hooks install' again, or remove $0\" >&2\n  exit 1\nfi\n\
         exec \"$here/{PROGRAM}\" {hook} \"$@\"\n",
        first(hook, kept)
    )
}

/// The lines that run the hook that was there before. Like git, they pass one over that is not
/// executable. A shell script is read by its shell with `$0` as if it still had its own name.
fn first(hook: &str, kept: &Path) -> String {
    if kept.symlink_metadata().is_err() {
        return String::new();
    }
    let name = format!("\"$here/{hook}{KEPT}\"");
    let run = match shell_of(kept) {
        Some(shell) => format!("{shell} -c 'old=$1; shift; . \"$old\"' \"$0\" {name} \"$@\""),
        None => format!("{name} \"$@\""),
    };
    format!("if [ -x {name} ]; then\n  {run} || exit $?\nfi\n")
}

/// The shell of a script's first line, when it is one that can read another file.
fn shell_of(path: &Path) -> Option<&'static str> {
    let bytes = fs::read(path).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("#!")?;
    let program = line.split_whitespace().find(|word| !word.ends_with("/env"))?;
    let shells = ["sh", "bash", "dash", "zsh", "ksh"];
    shells.into_iter().find(|shell| program.rsplit('/').next() == Some(*shell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_known_by_the_first_line() {
        let dir = tempfile::tempdir().expect("a directory");
        for (line, shell) in [
            ("#!/bin/sh\n", Some("sh")),
            ("#!/usr/bin/env bash\nx", Some("bash")),
            ("#! /bin/dash -e\n", Some("dash")),
            ("#!/usr/bin/python3\n", None),
            ("\x7fELF", None),
            ("", None),
        ] {
            let path = dir.path().join("hook");
            fs::write(&path, line).expect("written");
            assert_eq!(shell_of(&path), shell, "{line:?}");
        }
    }

    #[test]
    fn inside_a_sandbox_nothing_is_installed() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(outside_of_sandbox(&dir.path().join("rt.sock")).is_ok());
        assert!(matches!(outside_of_sandbox(dir.path()), Err(HookError::InSandbox)));
    }
}

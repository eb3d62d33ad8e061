//! What the tests need from the machine, and the package manager that brings it.

use crate::{host, npm};
use std::{path::PathBuf, process::Command};

/// A thing that the tests need: how it is recognised, and the package that holds it.
struct Need {
    name: &'static str,
    is_there: fn() -> bool,
    /// In the order of [`MANAGERS`].
    packages: [&'static str; 3],
}

/// A package manager: its program, what refreshes its lists, and what installs.
struct Manager {
    program: &'static str,
    refresh: &'static [&'static str],
    install: &'static [&'static str],
}

const MANAGERS: [Manager; 3] = [
    Manager {
        program: "apt-get",
        refresh: &["update", "-q"],
        install: &["install", "-q", "-y", "--no-install-recommends"],
    },
    Manager { program: "dnf", refresh: &[], install: &["install", "-q", "-y"] },
    Manager { program: "pacman", refresh: &["-Sy"], install: &["-S", "--noconfirm", "--needed"] },
];

const NEEDS: &[Need] = &[
    need("bwrap", || has("bwrap"), ["bubblewrap"; 3]),
    need("tmux", || has("tmux"), ["tmux"; 3]),
    need("git", || has("git"), ["git"; 3]),
    need("gpg", || has("gpg"), ["gnupg", "gnupg2", "gnupg"]),
    need("gcc", || has("gcc"), ["gcc"; 3]),
    need("headers of the C library", has_c_headers, ["libc6-dev", "glibc-devel", "glibc"]),
    need("ps", || has("ps"), ["procps", "procps-ng", "procps-ng"]),
    need("setpriv", || has("setpriv"), ["util-linux"; 3]),
    need("python3", || has("python3"), ["python3", "python3", "python"]),
    need("venv of python3", has_venv, ["python3-venv", "python3", "python"]),
    need("npm", || has("npm"), ["npm"; 3]),
    need("pytest", has_pytest, ["python3-pytest", "python3-pytest", "python-pytest"]),
];

const fn need(name: &'static str, is_there: fn() -> bool, packages: [&'static str; 3]) -> Need {
    Need { name, is_there, packages }
}

fn has(program: &str) -> bool {
    host::find(program).is_some()
}

fn has_c_headers() -> bool {
    host::answers(Command::new("gcc").args(["-E", "-include", "stdio.h", "-x", "c", "/dev/null"]))
}

fn has_venv() -> bool {
    host::answers(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

fn has_pytest() -> bool {
    python_with_pytest().is_some()
}

/// The interpreter that has pytest: the path's own, else the distribution's. A machine whose
/// `python3` is a version manager's shim gets pytest in the distribution's interpreter only.
pub fn python_with_pytest() -> Option<PathBuf> {
    let candidates = host::find("python3").into_iter().chain([PathBuf::from("/usr/bin/python3")]);
    candidates.into_iter().find(|python| host::answers(Command::new(python).args(["-c", "import pytest"])))
}

/// Installs what is missing, and looks again.
///
/// # Errors
/// What is missing and the command that would install it: no known package manager, neither root
/// nor sudo, a failed installation, or something still missing after it.
pub fn provide() -> Result<(), String> {
    components()?;
    packages()?;
    npm::provide()
}

fn packages() -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    println!("the tests need what is not here: {}", names.join(", "));
    install(&missing)?;
    match self::missing().as_slice() {
        [] => Ok(()),
        still => Err(format!(
            "still missing after the installation: {}",
            still.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
        )),
    }
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.is_there)()).collect()
}

fn install(missing: &[&Need]) -> Result<(), String> {
    let packages = |manager: usize| {
        let mut names: Vec<&str> = missing.iter().map(|need| need.packages[manager]).collect();
        names.dedup();
        names
    };
    let found = MANAGERS.iter().position(|manager| has(manager.program));
    let Some(index) = found else {
        let wanted = packages(0).join(" ");
        return Err(format!("no apt-get, dnf or pacman is here; install {wanted} and run this again"));
    };
    let manager = &MANAGERS[index];
    let mut arguments = manager.install.to_vec();
    arguments.extend(packages(index));
    if !host::is_root() && !has("sudo") {
        let line = format!("{} {}", manager.program, arguments.join(" "));
        return Err(format!("not root and no sudo is here; run this as root, then again: {line}"));
    }
    if !manager.refresh.is_empty() {
        elevated(manager.program, manager.refresh)?;
    }
    elevated(manager.program, &arguments)
}

fn elevated(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = if host::is_root() { Command::new(program) } else { Command::new("sudo") };
    if !host::is_root() {
        command.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    println!("+ {}", host::line(&command));
    host::succeed(&mut command)
}

/// The formatter and the linter are components of the toolchain, which rustup can add.
fn components() -> Result<(), String> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if host::answers(Command::new(host::cargo()).args([subcommand, "--version"])) {
            continue;
        }
        if !has("rustup") {
            return Err(format!("`cargo {subcommand}` is missing; install {component} for this toolchain"));
        }
        println!("+ rustup component add {component}");
        host::succeed(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

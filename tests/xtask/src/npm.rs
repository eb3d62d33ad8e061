//! Agents' programs from npm that the tests drive: the native binaries, at the versions that the tests
//! have proved, below `target/tools`.

use crate::host;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// A program of a package.
struct Program {
    /// The name that tests look for.
    name: &'static str,
    /// The package; `{arch}` is npm's name of this machine's architecture.
    package: &'static str,
    version: &'static str,
    /// Its place in the package.
    file: &'static str,
}

const PROGRAMS: [Program; 2] = [
    Program {
        name: "claude",
        package: "@anthropic-ai/claude-code-linux-{arch}",
        version: "2.1.330",
        file: "claude",
    },
    Program { name: "opencode", package: "opencode-linux-{arch}", version: "1.18.33", file: "bin/opencode" },
];

/// Installs what is not there yet.
///
/// # Errors
/// A directory that cannot be written, a package that npm does not bring.
pub fn provide() -> Result<(), String> {
    let dir = directory()?;
    for program in &PROGRAMS {
        if !is_there(&dir, program) {
            install(&dir, program)?;
        }
    }
    Ok(())
}

/// `target/tools` of the workspace: this chore is started by cargo, which tells where it lies.
fn directory() -> Result<PathBuf, String> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = manifest.as_deref().and_then(|m| m.ancestors().nth(2)).map(Path::to_owned);
    let root = root.map_or_else(env::current_dir, Ok).map_err(|e| format!("no workspace: {e}"))?;
    let dir = root.join("target/tools");
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(dir)
}

fn stamp(dir: &Path, program: &Program) -> PathBuf {
    dir.join(format!("{}.version", program.name))
}

fn is_there(dir: &Path, program: &Program) -> bool {
    let known = fs::read_to_string(stamp(dir, program)).unwrap_or_default();
    known == program.version && dir.join(program.name).is_file()
}

/// No script of a package is run: the binary is all that is wanted.
fn install(dir: &Path, program: &Program) -> Result<(), String> {
    let package = program.package.replace("{arch}", arch()?);
    let place = dir.join("npm").join(program.name);
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"])
        .arg("--prefix")
        .arg(&place)
        .arg(format!("{package}@{}", program.version));
    println!("+ {}", host::line(&npm));
    host::succeed(&mut npm)?;
    let binary = place.join("node_modules").join(&package).join(program.file);
    let done = put(&binary, &dir.join(program.name)).and_then(|()| {
        // The stamp is last: what was cut off is done again.
        fs::write(stamp(dir, program), program.version)
    });
    done.map_err(|e| format!("{}: {e}", binary.display()))?;
    fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))
}

fn put(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::rename(from, to)
}

fn arch() -> Result<&'static str, String> {
    match env::consts::ARCH {
        "x86_64" => Ok("x64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("the agents' programs are not made for {other}")),
    }
}

//! Claude Code on this machine: where its program is, and whether it is one that is proved.

use crate::programs;
use foureyes_session::agent::claude::ClaudeVersion;
use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
};

/// Where its installers put it, below the home directory.
const PLACES: [&str; 4] =
    [".local/bin/claude", ".claude/local/claude", ".npm-global/bin/claude", ".bun/bin/claude"];
/// What the native program begins with.
const ELF: [u8; 4] = [0x7f, b'E', b'L', b'F'];
/// The command that installs it.
pub const INSTALL: &str = "npm install -g @anthropic-ai/claude-code";

/// Why there is no program that can be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// None was found.
    #[error("Claude Code is not installed: no `claude` on PATH, nor where its installers put it")]
    Nowhere,
    /// The configured one is not there.
    #[error("{0}: there is no such program (agents.claude_program)")]
    Configured(PathBuf),
    /// It is a script, whose interpreter an agent's own tools could read.
    #[error(
        "{0} is a script and not the native program: sandboxes start the native one (versions from 2.1.197 \
         on bring it along)"
    )]
    Script(PathBuf),
}

/// The native program: the configured one, else the first on PATH or in the usual places, with links
/// followed.
///
/// # Errors
/// [`Missing`]; [`INSTALL`] mends it.
pub fn find(configured: Option<&Path>) -> Result<PathBuf, Missing> {
    let named = match configured {
        Some(path) if path.is_file() => path.to_owned(),
        Some(path) => return Err(Missing::Configured(path.to_owned())),
        None => programs::find("claude").or_else(in_places).ok_or(Missing::Nowhere)?,
    };
    let program = fs::canonicalize(&named).unwrap_or(named);
    if is_native(&program) { Ok(program) } else { Err(Missing::Script(program)) }
}

fn in_places() -> Option<PathBuf> {
    let home = PathBuf::from(env::var_os("HOME")?);
    PLACES.iter().map(|place| home.join(place)).find(|path| path.is_file())
}

/// Whether a file is a native program.
pub fn is_native(program: &Path) -> bool {
    let mut head = [0; ELF.len()];
    fs::File::open(program).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == ELF
}

/// Whether it knows an option, as its own help says; asked as [`version`] is.
pub fn knows(program: &Path, option: &str) -> bool {
    let Ok(home) = tempfile::tempdir() else { return false };
    let said = programs::ask_in(program, &["--help"], home.path());
    said.is_some_and(|said| String::from_utf8_lossy(&said.out).split_whitespace().any(|word| word == option))
}

/// Its version, asked of the program itself with a home of its own, so that it finds and writes
/// nothing of the user's.
pub fn version(program: &Path) -> Option<ClaudeVersion> {
    let home = tempfile::tempdir().ok()?;
    let said = programs::ask_in(program, &["--version"], home.path())?;
    ClaudeVersion::parse(&String::from_utf8_lossy(&said.out)).filter(|_| said.ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_and_a_missing_program_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("claude");
        fs::write(&script, "#!/usr/bin/env node\n").unwrap();
        assert_eq!(find(Some(&script)), Err(Missing::Script(fs::canonicalize(&script).unwrap())));
        let gone = dir.path().join("gone");
        assert_eq!(find(Some(&gone)), Err(Missing::Configured(gone.clone())));
        fs::write(&script, b"\x7fELF....").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&script, &link).unwrap();
        assert_eq!(find(Some(&link)), Ok(fs::canonicalize(&script).unwrap()));
    }
}

//! Finding a git that is new enough.

use super::command::Git;
use foureyes_ports::vcs::{Result, VcsError};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The oldest git that will do: the first with `merge-tree --write-tree` and `cat-file -z`.
pub const MINIMUM_GIT: &str = "2.38.0";
const MINIMUM: (u32, u32) = (2, 38);

/// The first `git` on PATH, as an absolute path.
///
/// # Errors
/// [`VcsError::GitVersion`] where there is none.
pub fn find_git() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join("git"))
        .find(|file| file.is_absolute() && file.is_file())
        .ok_or_else(|| too_old("none on PATH"))
}

/// The version that a program states, if it is new enough.
///
/// # Errors
/// [`VcsError::GitVersion`].
pub fn check_git(program: &Path) -> Result<String> {
    let git = Git { program: program.to_owned(), global_config: "/dev/null".into() };
    let line = git.command("version").line().map_err(|e| too_old(&e.to_string()))?;
    let version = line.strip_prefix("git version ").unwrap_or(&line).to_owned();
    if parse(&version).is_some_and(|found| found >= MINIMUM) { Ok(version) } else { Err(too_old(&version)) }
}

fn too_old(found: &str) -> VcsError {
    VcsError::GitVersion { found: found.to_owned(), needed: MINIMUM_GIT }
}

/// Major and minor number of `2.39.5`, `2.47.0.windows.1`, `2.50.GIT`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', ' ', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (text, enough) in [
            ("2.38.0", true),
            ("2.39.5 (Apple Git-154)", true),
            ("2.100.1", true),
            ("3.0.0", true),
            ("2.37.9", false),
            ("1.99.0", false),
        ] {
            assert_eq!(parse(text).expect(text) >= MINIMUM, enough, "{text}");
        }
        assert_eq!(parse("dev"), None);
    }

    #[test]
    fn a_missing_program_is_told_with_what_is_needed() {
        let error = check_git(Path::new("/nonexistent/git")).expect_err("no such program");
        assert!(error.to_string().contains("at least 2.38.0"), "{error}");
    }
}

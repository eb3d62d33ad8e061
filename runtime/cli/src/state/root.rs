//! The directory above the state of all repositories.

use super::{StateDir, private, repository_id, sockets};
use crate::{error::CliError, exit::Exit};
use nix::unistd::Uid;
use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

/// The directory above the state of all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRoot(PathBuf);

impl StateRoot {
    /// `$AGENTS_STATE_DIR`; else `/var/lib/agents` for root; else `$XDG_STATE_HOME/agents` or
    /// `~/.local/state/agents`.
    ///
    /// # Errors
    /// [`Exit::Internal`] when the environment names no home.
    pub fn from_env() -> Result<Self, CliError> {
        let root = decide(&|name| env::var_os(name), Uid::effective().is_root()).ok_or_else(|| {
            CliError::new(Exit::Internal, "no place for the state")
                .why("HOME is not set")
                .hint("set HOME, or name a directory in AGENTS_STATE_DIR")
        })?;
        let root = std::path::absolute(&root)
            .map_err(|e| CliError::file("cannot use the directory of the state", &root, &e))?;
        Ok(Self(root))
    }

    /// This directory, whatever the environment says.
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The state of the repository whose root is `repository` (canonical).
    pub fn of(&self, repository: &Path) -> StateDir {
        let id = repository_id(repository);
        let root = self.0.join(&id);
        let sockets = sockets::decide(&root, &id);
        StateDir { root, id, repository: repository.to_owned(), sockets }
    }

    /// Where the demonstration's repository lies unless another place is named.
    pub fn demo_repository(&self) -> PathBuf {
        self.0.join("demo")
    }

    /// The state of every repository that a runtime ever worked on, by id.
    pub fn all(&self) -> Vec<StateDir> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let repository = |dir: PathBuf| private::read(&dir.join("repository")).ok().flatten();
        let mut found: Vec<StateDir> = entries
            .filter_map(|entry| repository(entry.path()))
            .map(|bytes| self.of(Path::new(&OsString::from_vec(bytes))))
            .collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

fn decide(env: &dyn Fn(&str) -> Option<OsString>, root: bool) -> Option<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = set("AGENTS_STATE_DIR") {
        return Some(named);
    }
    if root {
        return Some(PathBuf::from("/var/lib/agents"));
    }
    // A relative XDG directory is to be ignored, says the XDG specification.
    let state = set("XDG_STATE_HOME").filter(|dir| dir.is_absolute());
    let home = || set("HOME").map(|home| home.join(OsStr::new(".local/state")));
    state.or_else(home).map(|dir| dir.join("agents"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_the_environment() {
        type Row<'a> = (&'a [(&'a str, &'a str)], bool, Option<&'a str>);
        let rows: [Row<'_>; 7] = [
            (&[("HOME", "/home/a")], false, Some("/home/a/.local/state/agents")),
            (&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/s")], false, Some("/s/agents")),
            (&[("HOME", "/home/a"), ("XDG_STATE_HOME", "s")], false, Some("/home/a/.local/state/agents")),
            (&[("HOME", "/root")], true, Some("/var/lib/agents")),
            (&[("HOME", "/root"), ("AGENTS_STATE_DIR", "/x")], true, Some("/x")),
            (&[("HOME", "")], false, None),
            (&[], false, None),
        ];
        for (vars, root, wanted) in rows {
            let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            assert_eq!(decide(&env, root).as_deref(), wanted.map(Path::new), "{vars:?}");
        }
    }
}

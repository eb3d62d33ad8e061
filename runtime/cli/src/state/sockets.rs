//! Where sockets lie. The kernel takes at most 107 bytes of a socket's path, and state directories
//! can be deep: then a short directory elsewhere is used, and its name is kept in the state.

use super::{StateDir, private};
use crate::error::CliError;
use foureyes_protocol::{Digest, PrincipalId};
use nix::unistd::Uid;
use std::{
    env,
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

/// The most bytes of a socket's path.
pub const MAX_SOCKET_PATH: usize = 99;

/// The name of a role's socket in its directory.
pub const SOCKET_NAME: &str = "rt.sock";

/// The most bytes of the name of a role's socket directory.
const MAX_ROLE: usize = 16;

/// The name of a role's socket directory: the role's own where it is short.
pub(super) fn short_name(role: &PrincipalId) -> String {
    if role.as_str().len() <= MAX_ROLE {
        role.to_string()
    } else {
        Digest::of(role.as_str().as_bytes()).short()
    }
}

/// The directory of the sockets: the one that was used last, else the first that is short enough.
pub(super) fn decide(state: &Path, id: &str) -> PathBuf {
    let kept = private::read(&record(state)).ok().flatten().map(|b| PathBuf::from(OsString::from_vec(b)));
    kept.filter(|dir| is_ours(dir, state, id)).unwrap_or_else(|| {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
        first_short(state, id, runtime.as_deref())
    })
}

fn first_short(state: &Path, id: &str, runtime: Option<&Path>) -> PathBuf {
    let beside = state.join("run");
    let runtime = runtime.filter(|dir| dir.is_absolute()).map(|dir| dir.join("agents").join(id));
    [Some(beside), runtime].into_iter().flatten().find(|dir| fits(dir)).unwrap_or_else(|| in_tmp(id))
}

fn in_tmp(id: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/agents-{}", Uid::effective())).join(id)
}

/// Whether every socket below `dir` has a path that the kernel takes.
fn fits(dir: &Path) -> bool {
    let longest = dir.as_os_str().len() + 1 + MAX_ROLE + 1 + SOCKET_NAME.len();
    longest <= MAX_SOCKET_PATH
}

/// Whether a directory that was recorded is one that this repository could have been given.
fn is_ours(dir: &Path, state: &Path, id: &str) -> bool {
    fits(dir) && (dir == state.join("run") || dir.file_name().is_some_and(|name| name == id))
}

fn record(state: &Path) -> PathBuf {
    state.join("sockets")
}

/// Makes the directory of the sockets and records it. A parent of ours in a place that all can
/// write to is made private first, so that nobody else can put anything below it.
pub(super) fn create(state: &StateDir) -> Result<(), CliError> {
    let dir = &state.sockets;
    if !dir.starts_with(&state.root)
        && let Some(parent) = dir.parent()
    {
        private::create_dir(parent)?;
    }
    private::create_dir(dir)?;
    private::write(&record(&state.root), dir.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_directory() {
        let id = "repository-0123456789ab";
        let deep = PathBuf::from(format!("/home/{}", "d/".repeat(60))).join(id);
        let short = Path::new("/var/lib/agents").join(id);
        let tmp = in_tmp(id);
        let rows = [
            (&short, None, short.join("run")),
            (&deep, Some("/run/user/1000"), PathBuf::from("/run/user/1000/agents").join(id)),
            (&deep, Some("relative"), tmp.clone()),
            (&deep, None, tmp),
        ];
        for (state, runtime, wanted) in rows {
            let found = first_short(state, id, runtime.map(Path::new));
            assert_eq!(found, wanted);
            assert!(fits(&found));
        }
    }

    #[test]
    fn role_names_of_any_length_fit() {
        for name in ["dev-a", &"x".repeat(64)] {
            assert!(short_name(&PrincipalId::new(name).unwrap()).len() <= MAX_ROLE);
        }
        let (one, other) = (format!("{}a", "x".repeat(60)), format!("{}b", "x".repeat(60)));
        let short = |name: &str| short_name(&PrincipalId::new(name).unwrap());
        assert_ne!(short(&one), short(&other));
    }
}

//! The programs of the host that a sandbox needs: bubblewrap, and the unreadable copy of ours.

use foureyes_ports::sandbox::SandboxError;
use nix::{errno::Errno, libc};
use std::{
    fs,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Names under which the multi-call binary is shown in `/rt/bin`.
pub(crate) const NAMES: [&str; 6] =
    ["agents-init", "agents-hook", "agents-gpg", "git-remote-agents", "agents-mcp", "agents-play"];

/// One copy at a time: a second one would replace the file that a sandbox is just being given.
static COPYING: Mutex<()> = Mutex::new(());

/// How often, and how long apart, it is asked whether a copy is still open for writing.
const LOOKS: u32 = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Directories in which bubblewrap is looked for. PATH is not asked: it is the caller's word.
const PLACES: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/bin", "/run/current-system/sw/bin"];

pub(crate) fn find_bwrap(configured: Option<&Path>) -> Result<PathBuf, SandboxError> {
    match configured {
        Some(path) if path.is_file() => Ok(path.to_owned()),
        Some(_) => Err(SandboxError::Missing),
        None => PLACES
            .iter()
            .map(|place| Path::new(place).join("bwrap"))
            .find(|path| path.is_file())
            .ok_or(SandboxError::Missing),
    }
}

/// Copies a program into `dir` with mode 0111 and returns the copy's path. A process that executes
/// a file which it cannot read is not dumpable: nothing else of its uid may open its descriptors,
/// memory or environment. The same program is copied once.
///
/// # Errors
/// [`SandboxError::Prepare`] when the program cannot be read or the copy not written.
pub fn unreadable_copy(program: &Path, dir: &Path) -> Result<PathBuf, SandboxError> {
    copy(program, dir).map_err(|e| SandboxError::Prepare {
        owner: "runtime".into(),
        why: format!("copying {} into {}: {e}", program.display(), dir.display()),
    })
}

fn copy(program: &Path, dir: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let meta = fs::metadata(program)?;
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // Device, inode, size and change time: a rebuilt program gets a copy of its own.
    let (dev, ino, size) = (meta.dev(), meta.ino(), meta.len());
    let stamp = format!("{dev:x}-{ino:x}-{size:x}-{:x}-{:x}", meta.mtime(), meta.mtime_nsec());
    let target = dir.join(format!("{name}-{stamp}"));
    let _alone = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
    if target.exists() {
        return Ok(target);
    }
    let partial = tempfile_name(&target);
    fs::copy(program, &partial)?;
    wait_for_writers(&partial)?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o111))?;
    fs::rename(&partial, &target)?;
    Ok(target)
}

/// A process that another thread forked during the copy holds its writing descriptor until its
/// own `execve`, and a file open for writing cannot be executed. A read lease is given only when
/// nobody has the file open for writing.
#[allow(
    clippy::disallowed_methods,
    reason = "the kernel tells nobody when the last writer has gone; bounded looks, on a thread that may block"
)]
fn wait_for_writers(file: &Path) -> std::io::Result<()> {
    let file = fs::File::open(file)?;
    let lease = |kind: i32| {
        // SAFETY: concerns our own descriptor only; no pointer is passed.
        Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
    };
    for _ in 0..LOOKS {
        match lease(libc::F_RDLCK) {
            Err(Errno::EAGAIN) => std::thread::sleep(LOOK_EVERY),
            // Some file systems know no leases; then there is nothing to ask.
            Err(_) => return Ok(()),
            Ok(_) => return lease(libc::F_UNLCK).map(drop).map_err(Into::into),
        }
    }
    Err(Errno::ETXTBSY.into())
}

/// A name that no other thread or process uses for its own half-written copy.
fn tempfile_name(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}-{:?}", std::process::id(), std::thread::current().id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_once_and_not_readable_by_mode() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("tool");
        fs::write(&program, "first").unwrap();
        let one = unreadable_copy(&program, &dir.path().join("bin")).unwrap();
        assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o111);
        assert_eq!(unreadable_copy(&program, &dir.path().join("bin")).unwrap(), one);
        fs::write(&program, "second version").unwrap();
        assert_ne!(unreadable_copy(&program, &dir.path().join("bin")).unwrap(), one);
    }

    #[test]
    fn nobody_replaces_a_copy_that_another_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("tool");
        fs::write(&program, vec![7; 32 << 20]).unwrap();
        let together = std::sync::Barrier::new(8);
        let given = || {
            together.wait();
            fs::metadata(unreadable_copy(&program, &dir.path().join("bin")).unwrap()).unwrap().ino()
        };
        let all: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(given)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(all.iter().all(|inode| *inode == all[0]), "{all:?}");
    }

    #[test]
    fn a_missing_bwrap_is_named() {
        assert_eq!(find_bwrap(Some(Path::new("/nowhere/bwrap"))), Err(SandboxError::Missing));
    }
}

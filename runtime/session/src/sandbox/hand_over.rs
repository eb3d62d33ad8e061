//! Making a directory and giving it, with all that is in it, to an owner's uid.
//!
//! The tree may hold what an agent wrote, and the runtime may be root: every step goes through a
//! descriptor and follows no link.

use nix::{
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
    unistd::{Gid, Uid, fchownat},
};
use std::{
    ffi::{CStr, CString},
    fs,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, PermissionsExt},
        },
    },
    path::Path,
};

/// Nesting that is followed: each level holds a descriptor, and an agent can nest without end.
const DEPTH: u32 = 128;

/// Opens a directory itself, never what a link in its place points to.
const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Makes `dir` (0700) if it is missing and closes it to all others; hands it to `uid` when given.
pub(crate) fn private_dir(dir: &Path, uid: Option<u32>) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", dir.display());
    if !dir.is_absolute() {
        return Err(format!("{}: not an absolute path", dir.display()));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
    if fs::symlink_metadata(dir).map_err(fail)?.file_type().is_symlink() {
        return Err(format!("{}: is a symbolic link", dir.display()));
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(fail)?;
    match uid {
        Some(uid) => give_tree(dir, uid).map_err(|e| format!("{}: {e}", dir.display())),
        None => Ok(()),
    }
}

fn give_tree(path: &Path, uid: u32) -> Result<(), String> {
    let dir = open(path, DIRECTORY, Mode::empty()).map_err(|e| e.to_string())?;
    let stat = fstat(&dir).map_err(|e| e.to_string())?;
    give(&dir, c".", &stat, uid)?;
    give_entries(&dir, uid, DEPTH)
}

fn give_entries(dir: &OwnedFd, uid: u32, depth: u32) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("directories are nested too deeply")?;
    let listing = fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd())).map_err(|e| e.to_string())?;
    for entry in listing.flatten() {
        let name = CString::new(entry.file_name().as_bytes()).map_err(|e| e.to_string())?;
        // An entry may vanish while its owner works; then there is nothing to hand over.
        let Ok(stat) = fstatat(dir, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
        give(dir, &name, &stat, uid)?;
        if is(&stat, SFlag::S_IFDIR) {
            let inner = openat(dir, name.as_c_str(), DIRECTORY, Mode::empty());
            give_entries(&inner.map_err(|e| format!("{name:?}: {e}"))?, uid, depth)?;
        }
    }
    Ok(())
}

fn give(dir: &impl AsFd, name: &CStr, stat: &FileStat, uid: u32) -> Result<(), String> {
    if stat.st_uid == uid && stat.st_gid == uid {
        return Ok(());
    }
    if is(stat, SFlag::S_IFREG) && stat.st_nlink > 1 {
        return Err(format!("{name:?} is hard-linked to another file; clone with --no-hardlinks"));
    }
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)));
    fchownat(dir, name, owner, group, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|e| format!("{name:?}: {e}"))
}

fn is(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_directory_is_made_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("a/b");
        private_dir(&home, None).unwrap();
        private_dir(&home, None).unwrap();
        assert_eq!(fs::metadata(&home).unwrap().mode() & 0o777, 0o700);
        assert!(private_dir(Path::new("relative"), None).is_err());
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc", dir.path().join("home")).unwrap();
        assert!(private_dir(&dir.path().join("home"), None).unwrap_err().contains("symbolic link"));
    }

    #[test]
    fn as_root_the_tree_is_handed_over_without_following_links() {
        if !Uid::effective().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
        fs::create_dir_all(home.join("deep")).unwrap();
        fs::write(home.join("deep/file"), "x").unwrap();
        fs::write(&outside, "root's").unwrap();
        symlink(&outside, home.join("link")).unwrap();
        private_dir(&home, Some(300_001)).unwrap();
        assert_eq!(fs::metadata(home.join("deep/file")).unwrap().uid(), 300_001);
        assert_eq!(fs::symlink_metadata(home.join("link")).unwrap().uid(), 300_001);
        assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
        fs::hard_link(&outside, home.join("hard")).unwrap();
        assert!(private_dir(&home, Some(300_001)).unwrap_err().contains("hard-linked"));
    }
}

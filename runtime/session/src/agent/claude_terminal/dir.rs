//! Files below a directory that an agent writes to. The runtime may be root: no link is followed,
//! nothing is read without bound, and nothing that is no plain file is read at all.

use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat, renameat},
    sys::stat::{Mode, SFlag, fstat, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// A FIFO in place of a file must not hold the runtime up.
const FILE: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);
/// Attempts to put a directory in the place of something else.
const TRIES: u32 = 3;

/// An open directory.
pub(super) struct Dir(OwnedFd);

impl Dir {
    /// The directory `path` itself; only what is above it is trusted.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, DIRECTORY, Mode::empty())?))
    }

    /// As [`Dir::open`]; makes the directory for the owner of the one above where it is missing, and
    /// puts it in the place of a link or file.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other("a configuration directory needs a directory above it"));
        };
        let above = open(above, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let owner = fstat(&above)?;
        for _ in 0..TRIES {
            match openat(&above, name, DIRECTORY, Mode::empty()) {
                Ok(dir) => return Ok(Self(dir)),
                Err(Errno::ENOENT) => {
                    mkdirat(&above, name, Mode::S_IRWXU)?;
                    let dir = openat(&above, name, DIRECTORY, Mode::empty())?;
                    give(&dir, owner.st_uid, owner.st_gid)?;
                    return Ok(Self(dir));
                }
                Err(Errno::ENOTDIR | Errno::ELOOP) => unlinkat(&above, name, UnlinkatFlags::NoRemoveDir)?,
                Err(other) => return Err(other.into()),
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// A directory in this one.
    pub(super) fn sub(&self, name: &str) -> io::Result<Self> {
        Ok(Self(openat(&self.0, name, DIRECTORY, Mode::empty())?))
    }

    /// A plain file in this directory, of at most `max` bytes.
    pub(super) fn read(&self, name: &str, max: usize) -> io::Result<Vec<u8>> {
        let file = self.file(name)?;
        let mut bytes = Vec::new();
        file.take(max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > max { Err(Errno::EFBIG.into()) } else { Ok(bytes) }
    }

    /// The last bytes of a plain file, at most `max`.
    pub(super) fn read_end(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let mut file = self.file(name)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn file(&self, name: &str) -> io::Result<File> {
        let file = openat(&self.0, name, FILE, Mode::empty())?;
        let kind = SFlag::from_bits_truncate(fstat(&file)?.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFREG { Ok(file.into()) } else { Err(io::Error::other("no plain file")) }
    }

    /// Whether there is a plain file of this name with something in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.file(name).and_then(|file| file.metadata()).is_ok_and(|meta| meta.len() > 0)
    }

    /// Replaces a file as a whole. It belongs to the directory's owner, and to no one else.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let owner = fstat(&self.0)?;
        let aside = format!("{name}.new");
        self.remove(&aside)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.0, aside.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        give(&file, owner.st_uid, owner.st_gid)?;
        File::from(file).write_all(bytes)?;
        Ok(renameat(&self.0, aside.as_str(), &self.0, name)?)
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) | Ok(()) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Names in this directory, at most `max`, in no order.
    pub(super) fn names(&self, max: usize) -> io::Result<Vec<String>> {
        let listing = std::fs::read_dir(format!("/proc/self/fd/{}", self.0.as_raw_fd()))?;
        let names = listing.take(max).flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.collect())
    }
}

/// Hands what was just made to its owner; as an ordinary user it is ours, and so is the directory.
fn give(fd: &OwnedFd, uid: u32, gid: u32) -> nix::Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_but_plain_files_within_bounds_is_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config");
        let dir = Dir::make(&path).unwrap();
        dir.write("file", b"12345").unwrap();
        dir.write("file", b"1234").unwrap();
        assert_eq!(dir.read("file", 4).unwrap(), b"1234");
        assert!(dir.read("file", 3).is_err());
        assert_eq!(dir.read_end("file", 2).unwrap(), b"34");
        std::fs::write(root.path().join("outside"), "secret").unwrap();
        symlink(root.path().join("outside"), path.join("link")).unwrap();
        nix::unistd::mkfifo(&path.join("fifo"), Mode::S_IRWXU).unwrap();
        std::fs::create_dir(path.join("dir")).unwrap();
        for name in ["link", "fifo", "dir", "missing", "../outside/x"] {
            assert!(dir.read(name, 100).is_err(), "{name}");
            assert!(!dir.has(name), "{name}");
        }
        dir.write("link", b"ours").unwrap();
        assert_eq!(dir.read("link", 100).unwrap(), b"ours");
        assert_eq!(std::fs::read(root.path().join("outside")).unwrap(), b"secret");
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (elsewhere, path) = (root.path().join("elsewhere"), root.path().join("config"));
        std::fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(Dir::open(&path).is_err());
        Dir::make(&path).unwrap().write("file", b"x").unwrap();
        assert!(!elsewhere.join("file").exists() && path.join("file").exists());
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        Dir::make(&path).unwrap().write("file", b"x").unwrap();
    }
}

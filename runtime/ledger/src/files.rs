//! The files of a state directory and how they are written: for the owner only, and whole.

use nix::fcntl::{Flock, FlockArg, posix_fallocate};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// How much space is kept back for a freeze on a full disk (16 MiB).
pub const RESERVE_BYTES: i64 = 16 << 20;

/// The names in a state directory.
#[derive(Clone, Debug)]
pub struct StateFiles(PathBuf);

impl StateFiles {
    /// The names under `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("ledger.db")
    }

    /// The lock that the one runtime holds.
    pub fn lock(&self) -> PathBuf {
        self.0.join("ledger.lock")
    }

    /// The space kept back for a freeze.
    pub fn reserve(&self) -> PathBuf {
        self.0.join("ledger.reserve")
    }

    /// The newest signed checkpoint, to be copied elsewhere.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// The folder of the keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The private key that signs checkpoints (PKCS #8).
    pub fn private_key(&self) -> PathBuf {
        self.keys().join("ledger.pk8")
    }

    /// The public key, in the text form of signed notes.
    pub fn public_key(&self) -> PathBuf {
        self.keys().join("ledger.vkey")
    }
}

/// Makes a folder and its parents, for the owner only.
pub fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file for the owner only, unless there is one.
pub fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Writes a file so that after a crash there is the old one or the whole new one: a neighbour is
/// written, synced and moved over it, and the folder is synced. For the owner only.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let temporary = temporary_name(path);
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What could not be written or moved is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(dir)?.sync_all()
}

/// A name beside `path` that no other thread or process uses.
fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{count}.tmp", std::process::id()));
    name.into()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A leftover of a crashed process with the same id is overwritten.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes sure that the reserved space is there.
pub fn keep_reserve(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(posix_fallocate(&file, 0, RESERVE_BYTES)?)
}

/// Gives the reserved space back to the disk. None there is no error.
pub fn release_reserve(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Why the lock was not taken.
#[derive(Debug)]
pub enum LockRefusal {
    /// Another process has it: its id as it wrote it.
    Held(String),
    /// The file could not be used.
    Io(io::Error),
}

/// The exclusive lock on a state directory, given back when dropped or when the process ends.
#[derive(Debug)]
pub struct DirLock(#[allow(dead_code, reason = "held for its lock only")] Flock<File>);

impl DirLock {
    /// Takes the lock and writes this process's id into it.
    pub fn take(path: &Path) -> Result<Self, LockRefusal> {
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = open.map_err(LockRefusal::Io)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => write_pid(&mut lock).map(|()| Self(lock)).map_err(LockRefusal::Io),
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => Err(LockRefusal::Held(read_pid(&mut file))),
            Err((_, errno)) => Err(LockRefusal::Io(errno.into())),
        }
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn read_pid(file: &mut File) -> String {
    let mut text = String::new();
    let read = Read::by_ref(file).take(32).read_to_string(&mut text);
    match (read, text.trim()) {
        (Ok(_), pid) if !pid.is_empty() => pid.to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_are_replaced_whole_and_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x");
        write_atomically(&path, b"old and longer").expect("write");
        write_atomically(&path, b"new").expect("write");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1, "nothing is left behind");
    }

    #[test]
    fn the_reserve_takes_real_space() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("reserve");
        keep_reserve(&path).expect("reserve");
        keep_reserve(&path).expect("again");
        let blocks = fs::metadata(&path).expect("metadata").blocks();
        assert!(blocks as i64 * 512 >= RESERVE_BYTES, "{blocks}");
        release_reserve(&path).expect("release");
        release_reserve(&path).expect("release again");
        assert!(!path.exists());
    }

    #[test]
    fn the_second_lock_names_the_holder() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let first = DirLock::take(&path).expect("free");
        let refused = DirLock::take(&path).expect_err("held");
        let own = std::process::id().to_string();
        assert!(matches!(refused, LockRefusal::Held(pid) if pid == own));
        drop(first);
        DirLock::take(&path).expect("free again");
    }
}

//! Files that hold secrets: a directory closed to all others, files replaced as a whole and durably.

use nix::unistd::geteuid;
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Why a private file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct PrivateFileError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong and what mends it.
    pub why: String,
}

fn error(path: &Path, why: impl Into<String>) -> PrivateFileError {
    PrivateFileError { path: path.to_owned(), why: why.into() }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> PrivateFileError {
    move |e| error(path, e.to_string())
}

/// A directory of mode 0700 that belongs to this user.
#[derive(Debug, Clone)]
pub struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// When it cannot be made, is no directory, is another user's or is open to others.
    pub fn open(path: &Path) -> Result<Self, PrivateFileError> {
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))?;
        }
        let meta = fs::symlink_metadata(path).map_err(io_error(path))?;
        if !meta.is_dir() {
            return Err(error(path, "is not a directory"));
        }
        check_closed(path, &meta, "700")?;
        Ok(Self(path.to_owned()))
    }

    /// The names of the files in it, sorted; half-written ones are left out.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, PrivateFileError> {
        let entries = fs::read_dir(&self.0).map_err(io_error(&self.0))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_error(&self.0))?.file_name();
            names.extend(name.into_string().ok().filter(|n| !n.starts_with('.')));
        }
        names.sort();
        Ok(names)
    }

    /// The content of a file; `None` when there is none.
    ///
    /// # Errors
    /// When the file is a link, another user's, open to others or unreadable.
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, PrivateFileError> {
        let path = self.0.join(name);
        let no_link = nix::libc::O_NOFOLLOW;
        let mut file = match OpenOptions::new().read(true).custom_flags(no_link).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(error(&path, e.to_string())),
        };
        let meta = file.metadata().map_err(io_error(&path))?;
        check_closed(&path, &meta, "600")?;
        // Reserved at once, so that no half-grown copy of a secret is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len() as usize + 1));
        file.read_to_end(&mut bytes).map_err(io_error(&path))?;
        Ok(Some(bytes))
    }

    /// Replaces a file as a whole: after a crash it has the old content or the new one.
    ///
    /// # Errors
    /// When it cannot be written; the old content is then still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), PrivateFileError> {
        let (path, draft) = (self.0.join(name), self.0.join(format!(".{name}.new")));
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
            let mut file = options.open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(io_error(&path))
    }

    /// The path of a file in it, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn check_closed(path: &Path, meta: &Metadata, mode: &str) -> Result<(), PrivateFileError> {
    if meta.uid() != geteuid().as_raw() {
        return Err(error(path, format!("belongs to uid {}, not to this user", meta.uid())));
    }
    if meta.mode() & 0o077 != 0 {
        let is = meta.mode() & 0o777;
        return Err(error(path, format!("is open to others (mode {is:o}); chmod {mode} {}", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_written_is_read_and_closed() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = PrivateDir::open(&tmp.path().join("a/b")).unwrap();
        assert!(dir.read("x").unwrap().is_none());
        dir.write("x", b"one").unwrap();
        dir.write("x", b"two").unwrap();
        assert_eq!(dir.read("x").unwrap().unwrap().as_slice(), b"two");
        assert_eq!(dir.names().unwrap(), ["x"]);
        assert_eq!(fs::metadata(dir.path("x")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn open_files_and_directories_are_refused_with_the_command_that_mends_them() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = PrivateDir::open(&tmp.path().join("d")).unwrap();
        dir.write("x", b"one").unwrap();
        set_mode(&dir.path("x"), 0o640);
        assert!(dir.read("x").unwrap_err().to_string().contains("chmod 600"));
        set_mode(&tmp.path().join("d"), 0o750);
        assert!(PrivateDir::open(&tmp.path().join("d")).unwrap_err().to_string().contains("chmod 700"));
    }

    #[test]
    fn a_link_is_not_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = PrivateDir::open(&tmp.path().join("d")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path("x")).unwrap();
        assert!(dir.read("x").is_err());
    }
}

//! Directories and files for their owner only.

use crate::{error::CliError, exit::Exit};
use nix::unistd::Uid;
use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Makes a directory with its parents, mode 0700. One that is there must be ours, and is closed to
/// others.
pub(super) fn create_dir(path: &Path) -> Result<(), CliError> {
    let failed = |e: io::Error| CliError::file("cannot make a directory of the state", path, &e);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    if !meta.is_dir() || meta.uid() != Uid::effective().as_raw() {
        return Err(CliError::new(Exit::Internal, "a directory of the state is not ours")
            .at(path.display())
            .why(format!("it belongs to uid {}, this is uid {}", meta.uid(), Uid::effective()))
            .hint("run as its owner, or name another place in AGENTS_STATE_DIR"));
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Writes a file, mode 0600, so that a reader sees the old one or the whole new one.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let written = write_new(Path::new(&name), bytes).and_then(|()| fs::rename(&name, path));
    if written.is_err() {
        // Of no use; the first error is the one to tell.
        let _ = fs::remove_file(&name);
    }
    written.map_err(|e| CliError::file("cannot write a file of the state", path, &e))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a file; `None` where there is none.
///
/// # Errors
/// A file that cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, CliError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(CliError::file("cannot read a file of the state", path, &e)),
    }
}

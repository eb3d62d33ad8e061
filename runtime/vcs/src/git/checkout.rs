//! Writing a tree's files byte for byte, by our own hand: git's checkout would filter and convert.

use super::{GitRepository, command::io_error, objects::Header, tree};
use foureyes_ports::vcs::{Result, TreeEntry, VcsError};
use foureyes_protocol::{
    CommitId,
    change::{MODE_SUBMODULE, MODE_SYMLINK},
};
use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt, fs::symlink},
    path::{Path, PathBuf},
};

/// Bytes of one file, and of the whole.
const FILE_CAP: u64 = 2 << 30;
const TREE_CAP: u64 = 16 << 30;
/// Longest target of a symbolic link.
const LINK_CAP: u64 = 4096;
const EXECUTABLE: u32 = 0o100_755;

/// Links wait until every file is written, so that nothing is ever written through one.
struct Writer<'a> {
    root: &'a Path,
    made: HashSet<PathBuf>,
    links: Vec<(String, Vec<u8>)>,
    total: u64,
}

impl GitRepository {
    /// Writes the files of `tree` into the empty directory `dir`.
    pub(super) fn checkout(&self, tree: &CommitId, dir: &Path) -> Result<()> {
        let entries = self.list(tree)?;
        entries.iter().try_for_each(|e| tree::check_path(&e.path))?;
        require_empty(dir)?;
        let mut writer = Writer { root: dir, made: HashSet::new(), links: Vec::new(), total: 0 };
        let (modules, files): (Vec<_>, Vec<_>) = entries.iter().partition(|e| e.mode == MODE_SUBMODULE);
        modules.iter().try_for_each(|e| writer.directory(&dir.join(&e.path)))?;
        let ids: Vec<String> = files.iter().map(|e| e.id.to_string()).collect();
        self.each_object(&ids, &mut |place, header, bytes| {
            let header = header.ok_or_else(|| VcsError::NoSuchObject(ids[place].clone()))?;
            writer.take(files[place], header, bytes)
        })?;
        writer.finish()
    }
}

impl Writer<'_> {
    fn take(&mut self, entry: &TreeEntry, header: &Header, bytes: &mut dyn Read) -> Result<()> {
        self.total += header.size;
        let cap = if entry.mode == MODE_SYMLINK { LINK_CAP } else { FILE_CAP };
        if header.size > cap || self.total > TREE_CAP {
            return Err(VcsError::TooLarge { what: format!("{} in the tree", entry.path), limit: cap });
        }
        if entry.mode == MODE_SYMLINK {
            let target = super::objects::read_capped(header, bytes, LINK_CAP)?;
            self.links.push((entry.path.clone(), target));
            return Ok(());
        }
        let path = self.root.join(&entry.path);
        self.parent(&path)?;
        let mode = if entry.mode == EXECUTABLE { 0o755 } else { 0o644 };
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let written = opened.and_then(|mut file| io::copy(bytes, &mut file));
        written.map(drop).map_err(|e| io_error(&format!("writing {}", path.display()), e))
    }

    fn parent(&mut self, path: &Path) -> Result<()> {
        match path.parent() {
            Some(parent) if !self.made.contains(parent) => self.directory(parent),
            _ => Ok(()),
        }
    }

    fn directory(&mut self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).map_err(|e| io_error(&format!("making {}", dir.display()), e))?;
        self.made.insert(dir.to_owned());
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        for (path, target) in std::mem::take(&mut self.links) {
            let text = String::from_utf8_lossy(&target);
            if !super::shape::link_stays_inside(&path, &text) {
                return Err(VcsError::UnsafePath {
                    path,
                    why: "it is a symbolic link that may leave the tree",
                });
            }
            let full = self.root.join(&path);
            self.parent(&full)?;
            let made = symlink(OsStr::from_bytes(&target), &full);
            made.map_err(|e| io_error(&format!("linking {}", full.display()), e))?;
        }
        Ok(())
    }
}

fn require_empty(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| io_error(&format!("making {}", dir.display()), e))?;
    let mut entries = fs::read_dir(dir).map_err(|e| io_error(&format!("reading {}", dir.display()), e))?;
    match entries.next() {
        Some(_) => Err(io_error(
            &format!("checking out into {}", dir.display()),
            io::ErrorKind::DirectoryNotEmpty.into(),
        )),
        None => Ok(()),
    }
}

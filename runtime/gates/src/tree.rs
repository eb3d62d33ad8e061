//! Files of an untrusted checkout, read from the host without following a link out of it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Regular files below `root`, as paths relative to it with `/`, sorted; symbolic links are neither
/// listed nor entered, nor is `.git`.
pub(crate) fn regular_files(root: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(root.join(&dir))? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, dir.join(entry.file_name()));
            match path.to_str() {
                _ if kind.is_dir() && entry.file_name() != ".git" => open.push(path),
                Some(name) if kind.is_file() => drop(found.insert(name.to_owned())),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The text of a file that [`regular_files`] listed; `None` when it is absent, no text or longer
/// than 8 MiB.
pub(crate) fn read_listed(root: &Path, files: &BTreeSet<String>, name: &str) -> Option<String> {
    let path = files.contains(name).then(|| root.join(name))?;
    let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= 8 << 20);
    small.then(|| fs::read_to_string(path).ok()).flatten()
}

/// Copies a tree with its permissions and times; links are copied as links.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

fn copy_file(source: &Path, target: &Path) -> io::Result<()> {
    fs::copy(source, target)?;
    let modified = fs::metadata(source)?.modified()?;
    // A file without write permission cannot be opened for writing; reading suffices to set times.
    fs::File::open(target)?.set_times(fs::FileTimes::new().set_modified(modified))
}

/// Makes `to` equal to `from`: what was there before is removed first, so that nothing is written
/// through a link.
pub(crate) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    fs::remove_dir_all(to)?;
    copy(from, to)
}

/// Sets the modification time of every regular file.
pub(crate) fn touch(root: &Path, files: &BTreeSet<String>, time: SystemTime) -> io::Result<()> {
    let times = fs::FileTimes::new().set_modified(time);
    files.iter().try_for_each(|name| fs::File::open(root.join(name))?.set_times(times))
}

/// The latest modification time of any regular file below `root`; the epoch when there is none.
pub(crate) fn newest(root: &Path) -> io::Result<SystemTime> {
    let mut latest = SystemTime::UNIX_EPOCH;
    for name in regular_files(root)? {
        latest = latest.max(fs::metadata(root.join(name))?.modified()?);
    }
    Ok(latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_neither_listed_nor_followed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a b/ü")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".git/config"), "x").unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        fs::write(root.join("a b/ü/f"), "f").unwrap();
        symlink("../secret", root.join("Cargo.toml")).unwrap();
        symlink("..", root.join("up")).unwrap();
        let files = regular_files(&root).unwrap();
        assert_eq!(files, BTreeSet::from(["a b/ü/f".to_owned()]));
        assert_eq!(read_listed(&root, &files, "Cargo.toml"), None);
        assert_eq!(read_listed(&root, &files, "a b/ü/f").as_deref(), Some("f"));
        let to = dir.path().join("copy");
        copy(&root, &to).unwrap();
        assert!(fs::symlink_metadata(to.join("Cargo.toml")).unwrap().is_symlink());
    }
}

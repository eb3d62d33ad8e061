//! Files of a repository that tell agents what to do: their content is accepted like the
//! configuration, since whoever writes them steers the agents.

use crate::{error::CliError, exit::Exit};
use foureyes_protocol::Digest;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// Files and folders at the root of a repository that agents or their programs obey.
const PLACES: [&str; 11] = [
    ".agents",
    ".claude",
    ".codex",
    ".cursor",
    ".gemini",
    ".serena",
    ".mcp.json",
    "AGENTS.md",
    "CLAUDE.md",
    "CLAUDE.local.md",
    "GEMINI.md",
];

/// The most files that are looked at.
const MAX_FILES: usize = 2000;
/// The largest of them, in bytes (4 MiB).
const MAX_BYTES: u64 = 4 << 20;

/// Instruction files by path, each with the digest of its content.
pub type Instructions = BTreeMap<String, Digest>;

/// The instruction files of the work tree at `repository`. Links are not followed: the target's
/// name is the content.
///
/// # Errors
/// Files that cannot be read, or are too many or too large to be accepted.
pub fn instructions(repository: &Path) -> Result<Instructions, CliError> {
    let mut found = Instructions::new();
    let mut open: Vec<PathBuf> = PLACES.iter().map(|place| repository.join(place)).collect();
    while let Some(path) = open.pop() {
        let failed = |e: &io::Error| CliError::file("cannot read the agents' instructions", &path, e);
        let meta = match fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(&e)),
        };
        if meta.is_dir() {
            for entry in fs::read_dir(&path).map_err(|e| failed(&e))? {
                open.push(entry.map_err(|e| failed(&e))?.path());
            }
            continue;
        }
        if found.len() >= MAX_FILES || meta.len() > MAX_BYTES {
            return Err(too_much(&path));
        }
        let digest = if meta.is_symlink() {
            fs::read_link(&path).map(|to| Digest::of_parts("foureyes.link.v1", [to.as_os_str().as_bytes()]))
        } else if meta.is_file() {
            fs::read(&path).map(|bytes| Digest::of(&bytes))
        } else {
            continue;
        };
        let name = path.strip_prefix(repository).unwrap_or(&path).to_string_lossy().into_owned();
        found.insert(name, digest.map_err(|e| failed(&e))?);
    }
    // The configuration itself is accepted by its meaning.
    found.remove(super::source::REPOSITORY_CONFIG);
    Ok(found)
}

fn too_much(path: &Path) -> CliError {
    CliError::new(Exit::No, "the agents' instructions are too large to be accepted")
        .at(path.display())
        .why(format!("at most {MAX_FILES} files of {MAX_BYTES} bytes each are looked at"))
        .hint("move what is no instruction out of the folder")
}

/// What differs, one line a file: `new`, `changed` or `removed`.
pub fn differences(old: &Instructions, new: &Instructions) -> Vec<String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let line = |name: &String| match (old.get(name), new.get(name)) {
        (None, Some(digest)) => Some(format!("{name}: new ({})", digest.short())),
        (Some(_), None) => Some(format!("{name}: removed")),
        (Some(before), Some(now)) if before != now => Some(format!("{name}: changed ({})", now.short())),
        _ => None,
    };
    names.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_an_instruction_is_seen() {
        let temp = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = temp.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        assert_eq!(instructions(temp.path()).unwrap(), Instructions::new());
        write("CLAUDE.md", "be kind");
        write(".agents/prompts/dev.md", "x");
        write(".agents/config.yaml", "accepted by its meaning");
        write("src/CLAUDE.txt", "no instruction");
        let before = instructions(temp.path()).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), [".agents/prompts/dev.md", "CLAUDE.md"]);
        write("CLAUDE.md", "be evil");
        fs::remove_dir_all(temp.path().join(".agents")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", temp.path().join("AGENTS.md")).unwrap();
        let lines = differences(&before, &instructions(temp.path()).unwrap());
        let words: Vec<&str> = lines.iter().map(|l| l.split(" (").next().unwrap()).collect();
        assert_eq!(words, [".agents/prompts/dev.md: removed", "AGENTS.md: new", "CLAUDE.md: changed"]);
    }

    #[test]
    fn what_cannot_be_looked_through_is_not_accepted() {
        let temp = tempfile::tempdir().unwrap();
        fs::File::create(temp.path().join("CLAUDE.md")).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(instructions(temp.path()).unwrap_err().to_string().contains("too large"));
    }
}

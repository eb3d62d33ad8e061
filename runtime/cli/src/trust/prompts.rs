//! The user's parts of prompts and the project's own instructions: read once, shown as a difference,
//! kept with what was accepted.

use super::{instructions::Instructions, source::read_text};
use crate::{
    error::CliError,
    exit::Exit,
    prompts::{PromptFiles, RolePrompts},
};
use foureyes_config::{builtin, prompts::is_part_name};
use foureyes_ports::text::clean_lines;
use foureyes_protocol::Digest;
use similar::{ChangeTag, TextDiff};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Files at the root of a repository that become the project's own instructions, in this order.
const INSTRUCTIONS: [&str; 3] = ["AGENTS.md", "CLAUDE.md", "CLAUDE.local.md"];
/// The most parts of one folder.
const MAX_PARTS: usize = 200;
/// Unchanged lines that are shown around a change.
const AROUND: usize = 2;

/// The folder of the user's parts, as it was read.
#[derive(Clone, Debug, Default)]
pub struct PartFolder {
    /// Where it is; `None` where there is none to look at.
    pub path: Option<PathBuf>,
    /// Every part that lies there.
    names: BTreeSet<String>,
    /// Those that are not the built-in ones: name and text.
    pub own: BTreeMap<String, String>,
}

impl PartFolder {
    /// Reads the parts of a folder. Links are not followed, and what cannot be a part is passed over.
    ///
    /// # Errors
    /// A file that cannot be read, or more than can be looked at.
    pub(super) fn read(path: PathBuf) -> Result<Self, CliError> {
        let failed = |e: &io::Error| CliError::file("cannot read the parts of prompts", &path, e);
        let mut folder = Self::default();
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {}
            _ => return Ok(Self { path: Some(path), ..folder }),
        }
        for entry in fs::read_dir(&path).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !is_part_name(&name) || !entry.file_type().map_err(|e| failed(&e))?.is_file() {
                continue;
            }
            let file = entry.path();
            let text =
                read_text(&file).map_err(|e| CliError::file("cannot read a part of prompts", &file, &e))?;
            if builtin::prompt(&name) != Some(text.as_str()) {
                folder.own.insert(name.clone(), text);
            }
            folder.names.insert(name);
        }
        if folder.names.len() > MAX_PARTS {
            let error = CliError::new(Exit::Config, "there are too many parts of prompts").at(path.display());
            return Err(error.hint(format!("at most {MAX_PARTS} files are looked at")));
        }
        Ok(Self { path: Some(fs::canonicalize(&path).unwrap_or(path)), ..folder })
    }

    /// Whether a file of the repository is a part that is looked at here, so that it need not be named
    /// among the other files that agents obey. `now` are those that exist.
    pub(super) fn shows(&self, repository: &Path, file: &str, now: &Instructions) -> bool {
        let Some(path) = &self.path else { return false };
        let name = match repository.join(file).strip_prefix(path) {
            Ok(rest) => rest.to_string_lossy().into_owned(),
            Err(_) => return false,
        };
        is_part_name(&name) && (self.names.contains(&name) || !now.contains_key(file))
    }

    /// What it adds to prompts, with its name for people: within the repository where it lies there.
    pub fn files(&self, repository: Option<&Path>, instructions: BTreeMap<String, String>) -> PromptFiles {
        let within = |path: &Path| repository.and_then(|r| path.strip_prefix(r).ok()).map(Path::to_owned);
        let shown = self.path.as_ref().map(|path| within(path).unwrap_or_else(|| path.clone()));
        PromptFiles {
            folder: shown.map_or_else(String::new, |p| p.display().to_string()),
            parts: self.own.clone(),
            instructions,
        }
    }
}

/// The texts of the project's own instructions: exactly those whose digests are in `known`.
///
/// # Errors
/// A file that cannot be read, or that changed since its digest was taken.
pub fn texts(repository: &Path, known: &Instructions) -> Result<BTreeMap<String, String>, CliError> {
    let mut texts = BTreeMap::new();
    for name in INSTRUCTIONS {
        let Some(digest) = known.get(name) else { continue };
        let file = repository.join(name);
        // A link's target is another file, which counts by its own name.
        if fs::symlink_metadata(&file).is_ok_and(|meta| meta.is_symlink()) {
            continue;
        }
        let bytes =
            fs::read(&file).map_err(|e| CliError::file("cannot read the agents' instructions", &file, &e))?;
        if Digest::of(&bytes) != *digest {
            let error = CliError::new(Exit::No, "a file changed while it was looked at").at(file.display());
            return Err(error.hint("try again when nobody writes it"));
        }
        texts.insert(name.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(texts)
}

/// Refuses prompts that cannot be put together.
///
/// # Errors
/// [`Exit::Config`] with every mistake.
pub fn check(prompts: &RolePrompts) -> Result<(), CliError> {
    let mistakes = prompts.mistakes();
    if mistakes.is_empty() {
        return Ok(());
    }
    let error = CliError::new(Exit::Config, "the prompts have mistakes");
    let error = mistakes.iter().fold(error, |error, mistake| error.why(mistake.to_string()));
    Err(error.hint("`agents prompt show ROLE` prints a prompt with the tokens of its parts"))
}

/// What differs between the prompts' files, a block of lines each: its name and the lines that were
/// added and removed. A part that is not the user's is the built-in one.
pub(super) fn differences(old: &PromptFiles, new: &PromptFiles) -> Vec<String> {
    let built_in = |name: &String| builtin::prompt(name).unwrap_or_default();
    let parts = names(&old.parts, &new.parts).into_iter().filter_map(|name| {
        let before = old.parts.get(name).map_or_else(|| built_in(name), String::as_str);
        let now = new.parts.get(name).map_or_else(|| built_in(name), String::as_str);
        difference(&format!("{}/{name}", new.folder), before, now)
    });
    let text =
        |files: &'_ BTreeMap<String, String>, name: &String| files.get(name).cloned().unwrap_or_default();
    let instructions = names(&old.instructions, &new.instructions)
        .into_iter()
        .filter_map(|name| difference(name, &text(&old.instructions, name), &text(&new.instructions, name)));
    parts.chain(instructions).collect()
}

fn names<'a>(old: &'a BTreeMap<String, String>, new: &'a BTreeMap<String, String>) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}

fn difference(name: &str, old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let diff = TextDiff::from_lines(old, new);
    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
    let (more, fewer) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
    let mut out = format!("{name}: {more} lines added, {fewer} removed");
    for hunk in diff.unified_diff().context_radius(AROUND).iter_hunks() {
        out.push_str("\n  …");
        for change in hunk.iter_changes() {
            // Whole lines, whatever their length: what is accepted must have been shown.
            let line = clean_lines(change.value().trim_end_matches(['\r', '\n']), 1, usize::MAX);
            out.push_str(&format!("\n  {}{line}", change.tag()));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_added_and_removed_lines() {
        let old = (1..=9).map(|n| format!("line {n}\n")).collect::<String>();
        let new = old.replace("line 5\n", "  line five, \u{1b}[31mlonger\n");
        assert_eq!(difference("x", &old, &old), None);
        insta::assert_snapshot!(difference(".agents/prompts/dev.md", &old, &new).unwrap(), @r"
        .agents/prompts/dev.md: 1 lines added, 1 removed
          …
           line 3
           line 4
          -line 5
          +  line five, longer
           line 6
           line 7
        ");
    }

    #[test]
    fn links_and_other_files_are_no_parts() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("prompts");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("dev.md"), builtin::prompt("dev.md").unwrap()).unwrap();
        fs::write(dir.join("mine.md"), "mine").unwrap();
        fs::write(dir.join("NOTES.txt"), "not a part").unwrap();
        fs::write(temp.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(temp.path().join("secret"), dir.join("qa.md")).unwrap();
        let folder = PartFolder::read(dir.clone()).unwrap();
        assert_eq!(folder.own, BTreeMap::from([("mine.md".to_owned(), "mine".to_owned())]));
        let now = Instructions::from([("prompts/qa.md".to_owned(), Digest::default())]);
        for (file, shown) in
            [("prompts/dev.md", true), ("prompts/gone.md", true), ("prompts/qa.md", false), ("dev.md", false)]
        {
            assert_eq!(folder.shows(temp.path(), file, &now), shown, "{file}");
        }
        std::os::unix::fs::symlink(&dir, temp.path().join("linked")).unwrap();
        assert!(PartFolder::read(temp.path().join("linked")).unwrap().own.is_empty());
    }
}

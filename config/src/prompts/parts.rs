//! Where parts come from: the user's own folder first, what the program brings along behind it.

use super::PromptError;
use crate::{builtin, error::is_harmless};
use std::collections::BTreeMap;

/// The file that says which parts make which prompt.
pub const MANIFEST: &str = "manifest.yaml";
/// The part that stands before the project's own instructions.
pub const INSTRUCTIONS: &str = "instructions.md";

/// The parts that prompts are made of. Files of the user's folder replace built-in ones of the same
/// name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    folder: String,
    own: BTreeMap<String, String>,
}

/// A part that was found.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub name: &'a str,
    pub text: &'a str,
    /// Whether it is the user's and not the built-in one.
    pub own: bool,
}

impl Parts {
    /// The built-in parts alone.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Built-in parts with `own` over them: file name and text. `folder` is where these lie, for
    /// people.
    pub fn with_own(folder: impl Into<String>, own: BTreeMap<String, String>) -> Self {
        Self { folder: folder.into(), own }
    }

    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<Part<'a>> {
        let own = self.own.get(name).map(|text| Part { name, text, own: true });
        own.or_else(|| builtin::prompt(name).map(|text| Part { name, text, own: false }))
    }

    /// The names of all that can be named as a part, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.own.keys().map(String::as_str).collect();
        for name in builtin::prompt_names() {
            names.push(name);
        }
        names.retain(|name| *name != MANIFEST);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The file as a person finds it.
    pub(super) fn file(&self, name: &str) -> String {
        match self.own.contains_key(name) {
            true if self.folder.is_empty() => name.to_owned(),
            true => format!("{}/{name}", self.folder),
            false => format!("built-in {name}"),
        }
    }
}

/// Whether a file of the folder can be a part, or the manifest: `a-z`, `0-9`, `-`, ending in `.md`.
pub fn is_part_name(name: &str) -> bool {
    let stem = |stem: &str| {
        let first = stem.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        first
            && stem.len() <= 60
            && stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name == MANIFEST || name.strip_suffix(".md").is_some_and(stem)
}

/// Refuses characters that a person who reads the text does not see: a text that is accepted must be
/// the text that was read.
pub(super) fn all_visible(file: &str, text: &str) -> Result<(), PromptError> {
    let hidden = |c: char| {
        let blank = matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{e0000}'..='\u{e007f}');
        blank || c == '\u{feff}' || (c != '\r' && !is_harmless(c))
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some((at, c)) = text.char_indices().find(|(_, c)| hidden(*c)) else { return Ok(()) };
    let before = &text[..at];
    Err(PromptError {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        message: format!("the invisible character U+{:04X} is not allowed", u32::from(c)),
        hint: "delete it: what an agent reads must be what you see".to_owned(),
    })
}

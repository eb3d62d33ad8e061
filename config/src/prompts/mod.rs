//! The prompts of the roles: parts in Markdown that the user can edit, put together by a manifest,
//! filled with what is true of the role, and held to a budget.
//!
//! Nothing here reads a disk: what the user's folder holds comes in as [`Parts`], and the runtime
//! hands in the accepted copy of it.

mod error;
mod fill;
mod manifest;
mod parts;
mod values;

pub use error::{PromptError, PromptErrors};
pub use parts::{INSTRUCTIONS, MANIFEST, Parts, is_part_name};

use crate::{Config, check::did_you_mean, yaml::Place};
use foureyes_protocol::{Digest, Family, PrincipalId};
use manifest::{Manifest, Named};
use parts::all_visible;
use std::collections::BTreeMap;

/// What is known of the repository besides its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its name, for people.
    pub repository: &'a str,
    /// The branch that changes land on, without `refs/heads/`.
    pub target: &'a str,
}

/// The prompt of a role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Prompt {
    /// The role.
    pub role: PrincipalId,
    /// Its family.
    pub family: Family,
    /// The whole text.
    pub text: String,
    /// Its parts in order, without the project's instructions.
    pub parts: Vec<Size>,
    /// Tokens of the parts together, by [`estimate`].
    pub tokens: u32,
    /// How many they may be.
    pub budget: u32,
    /// The project's own instructions, by file.
    pub instructions: Vec<Size>,
    /// Tokens of these together.
    pub instruction_tokens: u32,
    /// How many they may be.
    pub instruction_budget: u32,
    /// The digest of the text.
    pub digest: Digest,
}

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// The file.
    pub name: String,
    /// Tokens, by [`estimate`].
    pub tokens: u32,
    /// Whether it is the user's own and not a built-in one.
    pub own: bool,
}

/// An estimate of the tokens of a text: one for every three bytes, rounded up. It is not the model's
/// own count, which differs between models; it is meant to lie above it for English with code.
pub fn estimate(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(3)).unwrap_or(u32::MAX)
}

/// Puts the prompt of a role together. `instructions` are the project's own: file and text, as the
/// user accepted them.
///
/// # Errors
/// [`PromptErrors`] with everything that is wrong: parts and values that do not exist, invisible
/// characters, a budget that is passed. A role that is not on the roster is an error of its own.
pub fn assemble(
    config: &Config,
    role: &PrincipalId,
    parts: &Parts,
    instructions: &BTreeMap<String, String>,
    facts: &Facts,
) -> Result<Prompt, PromptErrors> {
    let manifest = Manifest::read(parts)?;
    let family = config.role(role).map(|r| r.family).ok_or_else(|| nobody(role, config))?;
    let (place, listed) = manifest.families.get(&family).cloned().unwrap_or_default();
    let values = values::values(config, &manifest, role, family, facts);
    let mut work = Work { parts, values: &values, errors: Vec::new(), pieces: Vec::new() };
    listed.iter().for_each(|(name, place)| work.listed(name, place));
    let extra = config.prompts.extra_of(role, family);
    extra.iter().for_each(|name| work.extra(name, role));
    let built = work.pieces.len();
    if !instructions.is_empty() {
        work.instructions(instructions);
    }
    let Work { pieces, errors, .. } = work;
    let sizes: Vec<Size> = pieces.iter().map(Piece::size).collect();
    let (own, project) = sizes.split_at(built);
    let text = pieces.into_iter().map(|p| p.text).collect::<Vec<_>>().join("\n\n") + "\n";
    let prompt = Prompt {
        role: role.clone(),
        family,
        tokens: sum(own),
        budget: config.prompts.budget_of(role, family),
        instruction_tokens: sum(project),
        instruction_budget: config.prompts.instructions,
        parts: own.to_vec(),
        instructions: project.to_vec(),
        digest: Digest::of_parts("foureyes.prompt.v1", [text.as_bytes()]),
        text,
    };
    let over = over_budget(&prompt, &parts.file(MANIFEST), &place);
    PromptErrors::check(errors.into_iter().chain(over).collect()).map(|()| prompt)
}

fn sum(sizes: &[Size]) -> u32 {
    sizes.iter().map(|s| s.tokens).fold(0, u32::saturating_add)
}

fn nobody(role: &PrincipalId, config: &Config) -> PromptErrors {
    let known: Vec<&str> = config.roles.iter().map(|r| r.id.as_str()).collect();
    let hint =
        did_you_mean(role.as_str(), &known).unwrap_or_else(|| format!("the roles are {}", known.join(", ")));
    let message = format!("there is no role {role}");
    PromptError { file: "roles".to_owned(), line: 1, column: 1, message, hint }.into()
}

/// A part with its values put in.
struct Piece {
    name: String,
    text: String,
    own: bool,
}

impl Piece {
    fn size(&self) -> Size {
        Size { name: self.name.clone(), tokens: estimate(&self.text), own: self.own }
    }
}

struct Work<'a> {
    parts: &'a Parts,
    values: &'a fill::Values,
    errors: Vec<PromptError>,
    pieces: Vec<Piece>,
}

impl Work<'_> {
    fn listed(&mut self, name: &str, place: &Place) {
        let (line, column) = (place.line, place.column);
        self.part(name, (self.parts.file(MANIFEST), line, column));
    }

    fn extra(&mut self, name: &str, role: &PrincipalId) {
        self.part(name, (format!("prompts.extra of {role}"), 1, 1));
    }

    fn part(&mut self, name: &str, (file, line, column): (String, usize, usize)) {
        let parts = self.parts;
        let Some(part) = parts.get(name).filter(|p| p.name != MANIFEST) else {
            let known = parts.names();
            let hint =
                did_you_mean(name, &known).unwrap_or_else(|| format!("the parts are {}", known.join(", ")));
            let message = format!("there is no part {name:?}");
            self.errors.push(PromptError { file, line, column, message, hint });
            return;
        };
        let file = parts.file(name);
        self.errors.extend(all_visible(&file, part.text).err());
        let text = fill::fill(&file, part.text, self.values, &mut self.errors);
        let text = text.trim_start_matches('\u{feff}').trim().to_owned();
        if !text.is_empty() {
            self.pieces.push(Piece { name: name.to_owned(), text, own: part.own });
        }
    }

    /// The project's own instructions, each between marks: their headings are theirs.
    fn instructions(&mut self, files: &BTreeMap<String, String>) {
        self.part(INSTRUCTIONS, (INSTRUCTIONS.to_owned(), 1, 1));
        let mut seen: Vec<&str> = Vec::new();
        for (name, text) in files {
            let text = text.trim_start_matches('\u{feff}').trim();
            self.errors.extend(all_visible(name, text).err());
            // One file is often a copy of the other.
            if text.is_empty() || seen.contains(&text) {
                continue;
            }
            seen.push(text);
            let lines: Vec<&str> = text.lines().collect();
            let text = format!("<project file=\"{name}\">\n{}\n</project>", lines.join("\n"));
            self.pieces.push(Piece { name: name.clone(), text, own: true });
        }
    }
}

/// What is wrong with the sizes; told at the family's place in the manifest.
fn over_budget(prompt: &Prompt, manifest: &str, place: &Place) -> Vec<PromptError> {
    let role = &prompt.role;
    let longest = |sizes: &[Size]| {
        let longest = sizes.iter().max_by_key(|s| s.tokens);
        longest.map_or_else(String::new, |s| format!(" (the longest is {}: {})", s.name, s.tokens))
    };
    let error = |what: &str, sizes: &[Size], tokens: u32, budget: u32, key: &str| {
        (tokens > budget).then(|| PromptError {
            file: manifest.to_owned(),
            line: place.line.max(1),
            column: place.column.max(1),
            message: format!(
                "{what} of {role} take {tokens} tokens, {} more than their budget of {budget}{}",
                tokens - budget,
                longest(sizes)
            ),
            hint: format!("shorten them, or raise `{key}` in the configuration"),
        })
    };
    let parts =
        error("the parts", &prompt.parts, prompt.tokens, prompt.budget, &format!("prompts.budgets.{role}"));
    let project = error(
        "the project's instructions",
        &prompt.instructions,
        prompt.instruction_tokens,
        prompt.instruction_budget,
        "prompts.instructions",
    );
    parts.into_iter().chain(project).collect()
}

/// The manifest's and the configuration's names of parts that do not exist are found by
/// [`assemble`]; these are the parts of each family, for lists.
///
/// # Errors
/// What is wrong with the manifest.
pub fn parts_of(parts: &Parts, family: Family) -> Result<Vec<String>, PromptErrors> {
    let manifest = Manifest::read(parts)?;
    let names = |list: &(Place, Vec<Named>)| list.1.iter().map(|(name, _)| name.clone()).collect();
    Ok(manifest.families.get(&family).map(names).unwrap_or_default())
}

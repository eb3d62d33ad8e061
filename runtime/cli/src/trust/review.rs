//! What a configuration would allow that was not accepted before, and accepting it.

use super::{
    instructions::{Instructions, differences, instructions},
    prompts,
    source::{Candidate, ConfigSource},
    store::{self, Acceptance},
};
use crate::{
    error::CliError,
    exit::Exit,
    prompts::{PromptFiles, RolePrompts},
    state::StateDir,
    terminal::Prompt,
};
use foureyes_config::trust::{TrustChange, describe};
use foureyes_ports::text::clean_text;
use foureyes_protocol::Digest;
use std::fmt::Write as _;

/// Characters of a value that are shown.
const LONGEST: usize = 160;

/// A configuration beside what was accepted last.
#[derive(Clone, Debug)]
pub struct Review {
    candidate: Candidate,
    instructions: Instructions,
    prompts: PromptFiles,
    before: Option<Acceptance>,
    changes: Vec<TrustChange>,
    plays: Vec<String>,
    told: Vec<String>,
    steering: Vec<String>,
}

impl Review {
    /// Reads everything once.
    ///
    /// # Errors
    /// [`Exit::Config`] with every mistake; a file that cannot be read.
    pub fn of(state: &StateDir, source: &ConfigSource) -> Result<Self, CliError> {
        let candidate = Candidate::read(source)?;
        let repository = state.repository();
        let instructions = instructions(repository)?;
        let texts = prompts::texts(repository, &instructions)?;
        let files = candidate.prompts.files(Some(repository), texts);
        prompts::check(&RolePrompts::here(candidate.config.clone(), files.clone(), Some(repository)))?;
        let before = store::load(state)?;
        let changes = describe(before.as_ref().map(|b| &b.config), &candidate.config);
        let (no_plays, none) = (std::collections::BTreeMap::new(), Instructions::new());
        let old_plays = before.as_ref().map_or(&no_plays, |b| &b.plays);
        let plays = candidate.plays.iter().filter(|(name, text)| old_plays.get(*name) != Some(text));
        let plays = plays.map(|(name, text)| format!("{name}: {} lines", text.lines().count())).collect();
        let mut steering = differences(before.as_ref().map_or(&none, |b| &b.instructions), &instructions);
        // Parts of prompts are shown line by line, or not at all where they are the built-in ones.
        steering.retain(|line| {
            let file = line.split_once(": ").map_or(line.as_str(), |(file, _)| file);
            !candidate.prompts.shows(repository, file, &instructions)
        });
        let old =
            before.as_ref().map_or_else(PromptFiles::default, |b| known_texts(b, &files, &instructions));
        let told = prompts::differences(&old, &files);
        Ok(Self { candidate, instructions, prompts: files, before, changes, plays, told, steering })
    }

    /// Whether nothing is left to ask: it is what was accepted, or the program brings it along and
    /// the repository's instructions are those that were accepted. Keeps what that changes.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn settled(&self, state: &StateDir, now_ms: u64) -> Result<bool, CliError> {
        if !self.steering.is_empty() {
            return Ok(false);
        }
        match &self.before {
            Some(before) if before.digest() == self.candidate.digest() => {
                // Accepted by a program that kept the instructions' digests alone: the same texts.
                let complete = before.prompts.instructions == self.prompts.instructions;
                if complete { Ok(true) } else { self.keep(state, now_ms).map(|()| true) }
            }
            _ if self.candidate.embedded => self.keep(state, now_ms).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Whether it allows more than what was accepted. Plays and instructions that are new count:
    /// they steer what agents do.
    pub fn loosens(&self) -> bool {
        let config = !self.candidate.embedded && self.changes.iter().any(|c| c.loosens);
        config || !self.plays.is_empty() || !self.told.is_empty() || !self.steering.is_empty()
    }

    /// The digest that a decision on it is bound to.
    pub fn decision(&self) -> Digest {
        let parts =
            self.instructions.iter().flat_map(|(name, digest)| [name.as_bytes(), digest.0.as_slice()]);
        let first = self.candidate.digest();
        Digest::of_parts("foureyes.accept.v1", std::iter::once(first.0.as_slice()).chain(parts))
    }

    /// What it would allow, for people.
    pub fn text(&self) -> String {
        let base = if self.before.is_some() { "what you accepted last" } else { "the built-in default" };
        let name = clean_text(&self.candidate.name, LONGEST);
        let mut out = format!("{name}, compared with {base}:\n");
        if self.changes.is_empty() {
            out.push_str("  no key differs\n");
        }
        self.changes.iter().for_each(|change| line(&mut out, change));
        section(&mut out, "plays that roles would play:", &self.plays);
        section(&mut out, "files of the repository that agents obey:", &self.steering);
        blocks(&mut out, "what agents are told:", &self.told);
        out
    }

    /// The error where nobody is there to ask.
    pub fn refusal(&self) -> CliError {
        CliError::new(Exit::NotTrusted, "the configuration is not accepted")
            .at(&self.candidate.name)
            .why(self.text().trim_end())
            .hint("read it, then accept it in a terminal: agents trust (with the same CONFIG and --repo)")
    }

    /// Shows it, asks, and keeps the answer.
    ///
    /// # Errors
    /// [`Exit::NotTrusted`] when the user declines, or what `confirm` says.
    pub fn ask(
        &self,
        state: &StateDir,
        prompt: &mut dyn Prompt,
        confirm: &mut dyn FnMut(&mut dyn Prompt, &Digest) -> Result<(), CliError>,
        now_ms: u64,
    ) -> Result<(), CliError> {
        prompt.show(&self.text());
        let word = if self.loosens() { "accept" } else { "yes" };
        if prompt.ask(&format!("type `{word}` to accept it:"))? != word {
            return Err(CliError::new(Exit::NotTrusted, "not accepted").at(&self.candidate.name));
        }
        if self.loosens() {
            confirm(prompt, &self.decision())?;
        }
        self.keep(state, now_ms)
    }

    /// Accepts it without asking: for what loosens nothing.
    ///
    /// # Errors
    /// [`Exit::NotTrusted`] when it loosens.
    pub fn accept_if_stricter(&self, state: &StateDir, now_ms: u64) -> Result<(), CliError> {
        if self.loosens() {
            return Err(self.refusal().why("it loosens, so a person has to accept it: --yes is not enough"));
        }
        self.keep(state, now_ms)
    }

    /// Keeps it as accepted.
    fn keep(&self, state: &StateDir, now_ms: u64) -> Result<(), CliError> {
        store::save(state, &self.candidate, &self.prompts, &self.instructions, now_ms, false)
    }
}

/// What was accepted of the prompts' files. Instructions that were accepted by their digest alone are
/// known to be the present ones where the digest is the same.
fn known_texts(before: &Acceptance, now: &PromptFiles, digests: &Instructions) -> PromptFiles {
    let same = |name: &&String| before.instructions.get(*name) == digests.get(*name);
    let mut known = before.prompts.clone();
    for name in now.instructions.keys().filter(same) {
        if let Some(text) = now.instructions.get(name) {
            known.instructions.entry(name.clone()).or_insert_with(|| text.clone());
        }
    }
    known
}

fn line(out: &mut String, change: &TrustChange) {
    let mark = if change.loosens { "LOOSENS" } else { "       " };
    let word =
        |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), |v| clean_text(v, LONGEST));
    let (old, new) = (word(&change.old), word(&change.new));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  {mark} {}: {old} -> {new}", clean_text(&change.key, LONGEST));
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {title}");
    for line in lines {
        let _ = writeln!(out, "  LOOSENS {}", clean_text(line, LONGEST));
    }
}

/// Blocks of lines that are clean already, each under its own first line.
fn blocks(out: &mut String, title: &str, blocks: &[String]) {
    if blocks.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {title}");
    for block in blocks {
        let _ = writeln!(out, "  LOOSENS {}", block.replace('\n', "\n          "));
    }
}

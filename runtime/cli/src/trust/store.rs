//! The accepted copy in the state directory: the only thing that a runtime reads.

use super::{
    instructions::Instructions,
    source::{Candidate, meaning},
};
use crate::{
    error::CliError,
    exit::Exit,
    prompts::PromptFiles,
    state::{self, StateDir},
};
use foureyes_config::Config;
use foureyes_protocol::Digest;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What the user accepted.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The configuration.
    pub config: Config,
    /// The plays that it brings: name and text.
    pub plays: BTreeMap<String, String>,
    /// The parts of prompts that are not built in, and the project's own instructions.
    pub prompts: PromptFiles,
    /// The instruction files as they were.
    pub instructions: Instructions,
    /// Where the configuration came from.
    pub source: String,
    /// When, in milliseconds since the Unix epoch.
    pub accepted_ms: u64,
    /// Whether the ledger has a record of it.
    pub recorded: bool,
}

/// The form on disk: one file, so that it is whole or not there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    /// Digest of the configuration with its plays and parts of prompts, when it was accepted.
    digest: Digest,
    source: String,
    accepted_ms: u64,
    recorded: bool,
    text: String,
    plays: BTreeMap<String, String>,
    instructions: Instructions,
    /// Since version 2: where the parts of prompts lie, and parts and instructions as texts.
    #[serde(default)]
    prompt_folder: String,
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    #[serde(default)]
    instruction_texts: BTreeMap<String, String>,
}

const VERSION: u32 = 2;
/// The oldest version that is read.
const OLDEST: u32 = 1;

impl Acceptance {
    /// The digest of the configuration with its plays and parts of prompts.
    pub fn digest(&self) -> Digest {
        meaning(&self.config, &self.plays, &self.prompts.parts)
    }
}

fn file(state: &StateDir) -> PathBuf {
    state.accepted().join("acceptance.json")
}

/// What was accepted last; `None` where nothing was, or where this version of the program reads it
/// otherwise than the one that accepted it.
///
/// # Errors
/// A file that cannot be read or is damaged.
pub fn load(state: &StateDir) -> Result<Option<Acceptance>, CliError> {
    let Some(stored) = load_stored(state)? else { return Ok(None) };
    let Ok(config) = foureyes_config::load(&stored.text, &stored.source) else { return Ok(None) };
    if meaning(&config, &stored.plays, &stored.prompts) != stored.digest {
        return Ok(None);
    }
    let Stored { plays, instructions, source, accepted_ms, recorded, .. } = stored;
    let prompts = PromptFiles {
        folder: stored.prompt_folder,
        parts: stored.prompts,
        instructions: stored.instruction_texts,
    };
    Ok(Some(Acceptance { config, plays, prompts, instructions, source, accepted_ms, recorded }))
}

fn load_stored(state: &StateDir) -> Result<Option<Stored>, CliError> {
    let path = file(state);
    let Some(bytes) = state::read(&path)? else { return Ok(None) };
    let damaged = |why: String| {
        let error = CliError::new(Exit::Internal, "the accepted configuration is damaged").at(path.display());
        error.why(why).hint("remove the file and accept the configuration again: agents trust")
    };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    if (OLDEST..=VERSION).contains(&stored.version) {
        return Ok(Some(stored));
    }
    Err(damaged(format!("its version is {}, this program writes {VERSION}", stored.version)))
}

/// Keeps what the user accepted.
///
/// # Errors
/// A file that cannot be written.
pub fn save(
    state: &StateDir,
    candidate: &Candidate,
    prompts: &PromptFiles,
    instructions: &Instructions,
    accepted_ms: u64,
    recorded: bool,
) -> Result<(), CliError> {
    state.create()?;
    write(
        state,
        &Stored {
            version: VERSION,
            digest: candidate.digest(),
            source: candidate.name.clone(),
            accepted_ms,
            recorded,
            text: candidate.text.clone(),
            plays: candidate.plays.clone(),
            instructions: instructions.clone(),
            prompt_folder: prompts.folder.clone(),
            prompts: prompts.parts.clone(),
            instruction_texts: prompts.instructions.clone(),
        },
    )
}

/// Notes that the ledger has a record of the acceptance.
///
/// # Errors
/// A file that cannot be read or written.
pub fn mark_recorded(state: &StateDir) -> Result<(), CliError> {
    match load_stored(state)? {
        Some(stored) if !stored.recorded => {
            write(state, &Stored { version: VERSION, recorded: true, ..stored })
        }
        _ => Ok(()),
    }
}

fn write(state: &StateDir, stored: &Stored) -> Result<(), CliError> {
    let bytes = serde_json::to_vec_pretty(stored)
        .map_err(|e| CliError::new(Exit::Internal, "cannot write the acceptance").because(&e))?;
    state::write(&file(state), &bytes)
}

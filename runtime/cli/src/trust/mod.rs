//! Which configuration is accepted. A runtime runs on what the user has accepted and on nothing
//! else; it is read from the accepted copy, never from a work tree that agents or strangers write.

mod instructions;
mod prompts;
mod review;
mod source;
mod store;

#[cfg(test)]
mod tests;

pub use instructions::{Instructions, differences, instructions};
pub use prompts::{PartFolder, check as check_prompts, texts};
pub use review::Review;
pub use source::{Candidate, ConfigSource, REPOSITORY_CONFIG};
pub use store::{Acceptance, load, mark_recorded, save};

use crate::{error::CliError, exit::Exit, prompts::PromptFiles, state::StateDir, terminal::Prompt};
use foureyes_config::Config;
use foureyes_protocol::{Digest, body::ConfigAccepted};
use std::collections::BTreeMap;

/// A configuration that may be run.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The configuration, from the accepted copy.
    pub config: Config,
    /// The policy's digest, [`Config::digest`].
    pub digest: Digest,
    /// Where it came from.
    pub source: String,
    /// The plays that are not built in: name and text.
    pub plays: BTreeMap<String, String>,
    /// The parts of prompts that are not built in, and the project's own instructions.
    pub prompts: PromptFiles,
    /// The record that the ledger lacks yet; call [`mark_recorded`] once it has it.
    pub new_acceptance: Option<ConfigAccepted>,
}

impl Accepted {
    fn of(kept: Acceptance) -> Self {
        let digest = kept.config.digest();
        let record = ConfigAccepted { policy: digest, source: kept.source.clone() };
        Self {
            digest,
            new_acceptance: (!kept.recorded).then_some(record),
            config: kept.config,
            source: kept.source,
            plays: kept.plays,
            prompts: kept.prompts,
        }
    }
}

/// The accepted configuration of a repository, if it is the one that `source` holds now. What the
/// program brings along is accepted by its digest; else a person at the terminal is asked.
///
/// `confirm` asks for the second factor where one is enrolled; called for what loosens.
///
/// # Errors
/// [`Exit::Config`], or [`Exit::NotTrusted`] when it was not accepted and nobody is there to ask.
pub fn accepted(
    state: &StateDir,
    source: &ConfigSource,
    prompt: &mut dyn Prompt,
    confirm: &mut dyn FnMut(&mut dyn Prompt, &Digest) -> Result<(), CliError>,
    now_ms: u64,
) -> Result<Accepted, CliError> {
    let review = Review::of(state, source)?;
    if !review.settled(state, now_ms)? {
        if !prompt.is_terminal() {
            return Err(review.refusal());
        }
        review.ask(state, prompt, confirm, now_ms)?;
    }
    let kept = load(state)?.ok_or_else(|| {
        CliError::new(Exit::Internal, "the accepted configuration is gone").at(state.accepted().display())
    })?;
    Ok(Accepted::of(kept))
}

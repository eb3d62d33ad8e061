//! What a start needs of the machine and of the person at it.

use crate::{error::CliError, state::StateDir, terminal::Prompt};
use foureyes_display::banner::Prerequisite;
use foureyes_protocol::Digest;

pub(super) fn ensure(_fix: bool, _advisory: bool) -> Result<Vec<Prerequisite>, CliError> {
    Ok(Vec::new())
}

pub(super) fn confirm(
    _state: &StateDir,
    _prompt: &mut dyn Prompt,
    _decision: &Digest,
    _now: u64,
) -> Result<(), CliError> {
    Ok(())
}

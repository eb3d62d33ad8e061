//! `agents run`.

use crate::{args::RunArgs, error::CliError, exit::Exit};
use std::process::ExitCode;

/// Starts the runtime.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    let asked = args.config.as_deref().unwrap_or(".agents/config.yaml");
    Err(CliError::new(Exit::Internal, "this build holds no runtime").at(asked))
}

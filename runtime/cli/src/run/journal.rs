//! The log file of a runtime: what happened inside, for whoever looks for a fault. The ledger is the
//! record; this is not.

use crate::{error::CliError, state::StateDir};
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _};
use tracing_subscriber::EnvFilter;

/// What is written unless `AGENTS_LOG` says otherwise (in the syntax of `tracing`'s `EnvFilter`).
const DEFAULT: &str = "info,rmcp=error";

/// Sends traces to the state directory's log file, never to the terminal that the view owns.
///
/// # Errors
/// A file that cannot be opened.
pub(super) fn to_file(state: &StateDir) -> Result<(), CliError> {
    let path = state.log();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(|e| CliError::file("cannot open the log file", &path, &e))?;
    let filter = EnvFilter::try_from_env("AGENTS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(file);
    // A second runtime in one process (tests) keeps the first one's file.
    let _ = log.try_init();
    Ok(())
}

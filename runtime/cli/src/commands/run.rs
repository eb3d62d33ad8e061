//! `agents run`.

use crate::{args::RunArgs, error::CliError, exit::Exit, run};
use std::process::ExitCode;

/// Starts the runtime and shows it until it ends.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    let prepared = run::prepare(args)?;
    if args.dry_run {
        return run::dry_run(args, &prepared);
    }
    // The signer's keys are in this process: nobody of the same uid may read its memory.
    nix::sys::prctl::set_dumpable(false)
        .map_err(|e| CliError::new(Exit::Internal, "cannot close the process's memory").because(&e))?;
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let threads = threads.map_err(|e| CliError::new(Exit::Internal, "cannot start threads").because(&e))?;
    threads.block_on(run::live(args, prepared))
}

//! `agents hooks`.

use super::{Place, print};
use crate::{args::HooksCommand, error::CliError, exit::Exit};
use foureyes_hooks::HookError;
use std::process::ExitCode;

/// Installs or takes out the hooks of a repository.
pub(super) fn hooks(place: &Place, command: HooksCommand) -> Result<ExitCode, CliError> {
    let repository = place.repository()?;
    let failed = |e: HookError| CliError::new(Exit::No, e.to_string()).at(repository.display());
    match command {
        HooksCommand::Install => {
            let program = std::env::current_exe().map_err(|e| {
                CliError::new(Exit::Internal, "cannot find the program's own file").because(&e)
            })?;
            let installed = foureyes_hooks::install(&repository, &program).map_err(failed)?;
            let chained = match installed.chained.len() {
                0 => String::new(),
                _ => format!("; what was there runs first: {}", installed.chained.join(", ")),
            };
            print(&format!("hooks installed in {}{chained}\n", installed.dir.display()))
        }
        HooksCommand::Uninstall => {
            let dir = foureyes_hooks::uninstall(&repository).map_err(failed)?;
            print(&format!("hooks taken out of {}\n", dir.display()))
        }
    }
}

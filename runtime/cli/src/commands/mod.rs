//! One file a command, or a family of commands.

pub mod run;

use crate::{
    args::{Cli, Command},
    error::CliError,
};
use std::process::ExitCode;

/// Does what the command line says.
///
/// # Errors
/// What keeps it from being done.
pub fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let repo = cli.repo;
    match cli.command {
        Command::Run(args) => run::run(&crate::args::RunArgs { repo, ..args }),
        _ => Err(CliError::new(crate::exit::Exit::Internal, "this build holds no such command")),
    }
}

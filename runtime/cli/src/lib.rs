//! The command line of Foureyes, `agents`: arguments, help, errors and exit codes; where a
//! repository's state lies; which configuration is accepted; and how commands speak with the
//! runtime of their repository.

pub mod agents_needs;
pub mod args;
pub mod claude;
pub mod commands;
pub mod compose;
pub mod confirm;
pub mod control;
pub mod error;
pub mod exit;
pub mod help;
pub mod multicall;
pub mod prerequisites;
pub mod programs;
pub mod prompts;
pub mod repository;
pub mod run;
pub mod state;
pub mod terminal;
pub mod trust;

use error::CliError;
use exit::Exit;
use std::{env, ffi::OsString, process::ExitCode};

/// Runs the command line of this process. Errors go to standard error; with `--json` they are one
/// line of JSON.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    let json = args.iter().any(|a| a == "--json");
    let cli = match help::parse(args) {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    commands::dispatch(cli).unwrap_or_else(|error| failed(&error, json))
}

/// Help, version, or a command line that is wrong.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed pipe (`agents --help | head`) is no fault.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}

fn failed(error: &CliError, json: bool) -> ExitCode {
    match json {
        true => eprintln!("{}", error.to_json()),
        false => eprintln!("{error}"),
    }
    error.exit.into()
}

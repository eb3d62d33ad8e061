//! The one binary of Foureyes.

use std::process::ExitCode;

fn main() -> ExitCode {
    foureyes_cli::multicall::dispatch().unwrap_or_else(foureyes_cli::main)
}

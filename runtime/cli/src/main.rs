//! The one binary of Foureyes.

use std::process::ExitCode;

fn main() -> ExitCode {
    foureyes_cli::main()
}

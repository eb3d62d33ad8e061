//! The hooks as a program of their own, for where the whole `agents` is not at hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    foureyes_hooks::main(std::env::args_os().skip(1))
}

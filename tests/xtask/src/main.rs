//! The project's own chores, as `cargo xtask <chore>`.
//!
//! Standard library alone, so that it builds in seconds on a machine that has nothing yet.

#![allow(clippy::disallowed_methods, reason = "chores are programs that are started")]

mod checks;
mod host;
mod npm;
mod tally;
mod tools;

use std::{
    env,
    process::{Command, ExitCode},
};

const USAGE: &str = "\
usage: cargo xtask <chore>

  test    install what the tests need, then formatting, lints and every test
  tools   install what the tests need, and nothing else
  bench   every benchmark, one after the other (see docs/performance.md)
  schema  write config/schema.json from the types of the configuration
  codes   write docs/codes.md from the reason codes of the protocol
";

fn main() -> ExitCode {
    let chore = env::args().nth(1);
    match chore.as_deref() {
        Some("test") => checks::run(),
        Some("tools") => finished(tools::provide()),
        Some("bench") => finished(cargo(&["bench", "--workspace", "--bench", "*"])),
        Some("schema") => finished(schema()),
        Some("codes") => finished(codes()),
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Rewrites the schema through the test that guards it, so that both share one definition.
fn schema() -> Result<(), String> {
    updating("UPDATE_SCHEMA", &["test", "--package", "foureyes-config", "--test", "files", "schema"])
}

/// Rewrites the list of codes through the test that guards it.
fn codes() -> Result<(), String> {
    updating("UPDATE_CODES", &["test", "--package", "foureyes-tests", "--test", "codes"])
}

fn updating(variable: &str, arguments: &[&str]) -> Result<(), String> {
    host::succeed(Command::new(host::cargo()).args(arguments).env(variable, "1"))
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    host::succeed(Command::new(host::cargo()).args(arguments))
}

fn finished(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

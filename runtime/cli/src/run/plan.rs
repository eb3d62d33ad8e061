//! `agents run --dry-run`: who would be asked what, and about how much it takes.

use super::Prepared;
use crate::{args::RunArgs, error::CliError, exit::Exit};
use foureyes_protocol::Family;
use std::process::ExitCode;

/// Says what a run would do and starts nothing.
///
/// # Errors
/// None; the signature is that of a command.
pub fn dry_run(args: &RunArgs, prepared: &Prepared) -> Result<ExitCode, CliError> {
    let config = &prepared.accepted.config;
    println!(
        "would work on {} with the accepted configuration {}",
        prepared.repository.display(),
        prepared.accepted.digest.short()
    );
    println!("state: {}", prepared.state.root().display());
    println!("roles:");
    for role in &config.roles {
        println!("  {:<14} {:<12} {}", role.id, role.family, config.backend(role).kind());
    }
    let tasks = config.tasks.len() + args.task.len();
    println!("{tasks} feature{} to start with", if tasks == 1 { "" } else { "s" });
    println!("{}", expected(prepared));
    Ok(Exit::Ok.into())
}

/// How many sign-offs a feature is expected to take with this roster.
pub(super) fn expected(prepared: &Prepared) -> String {
    let config = &prepared.accepted.config;
    let has = |family: Family| config.roles.iter().any(|r| r.family == family);
    let spec = if has(Family::Planner) { "a planner" } else { "you" };
    let (lines, files) = (config.four_eyes.lines, config.four_eyes.files);
    let paid = config.roles.iter().any(|r| matches!(config.backend(r).kind(), "claude" | "acp"));
    let cost =
        if paid { "model turns are paid to your provider" } else { "no model is asked, so it costs nothing" };
    format!(
        "a feature takes a spec by {spec}, one sign-off of its tests, then of its change: one up to {lines} lines and {files} files, above that two and two more of its verification; {cost}"
    )
}

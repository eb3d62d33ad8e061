//! `agents run --dry-run`: who would be asked what, and about how much it takes.

use super::Prepared;
use crate::{agents_needs::has_models, args::RunArgs, error::CliError, exit::Exit};
use foureyes_config::{Config, sections::model::Provider};
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

/// Who pays for a feature, and what keeps it bounded.
fn cost(config: &Config) -> String {
    if !has_models(config) {
        return "no model is asked, so it costs nothing".to_owned();
    }
    if config.model.provider == Provider::StandIn {
        return "a stand-in plays the model, so it costs nothing".to_owned();
    }
    match config.model.budgets.feature {
        Some(usd) => format!("at most {usd} USD for its model turns (model.budgets.feature)"),
        None => "its model turns are paid to your provider (no `model.budgets.feature` bounds them; \
                 `agents costs` tells what earlier features took)"
            .to_owned(),
    }
}

/// How many sign-offs a feature is expected to take with this roster.
pub(super) fn expected(prepared: &Prepared) -> String {
    let config = &prepared.accepted.config;
    let has = |family: Family| config.roles.iter().any(|r| r.family == family);
    let spec = if has(Family::Planner) { "a planner" } else { "you" };
    let (lines, files) = (config.four_eyes.lines, config.four_eyes.files);
    let cost = cost(config);
    format!(
        "a feature takes a spec by {spec}, one sign-off of its tests, then of its change: one up to {lines} lines and {files} files, above that two and two more of its verification; {cost}"
    )
}

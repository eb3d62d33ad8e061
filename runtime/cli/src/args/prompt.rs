//! Arguments of `agents prompt`.

use clap::{Args, Subcommand};
use foureyes_protocol::PrincipalId;

/// `agents prompt`.
#[derive(Clone, Debug, Subcommand)]
pub enum PromptCommand {
    /// Print the whole prompt of a role; its parts with their tokens go to standard error
    Show {
        /// The role
        role: PrincipalId,
        /// Which configuration, and how.
        #[command(flatten)]
        source: PromptSource,
    },
    /// The prompts of all roles with their tokens and budgets
    List(PromptSource),
}

/// Which prompts are meant, and how they are printed.
#[derive(Clone, Debug, Default, Args)]
pub struct PromptSource {
    /// The configuration [default: .agents/config.yaml of the repository, else the built-in default]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

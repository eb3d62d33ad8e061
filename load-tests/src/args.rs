//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Load tests of the runtime: throughput, latency and whether anything acknowledged is lost.
#[derive(Debug, Parser)]
#[command(name = "load-tests", args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What is measured; envelopes where nothing is named.
    #[command(subcommand)]
    pub command: Option<Test>,
    /// The options of the envelope test.
    #[command(flatten)]
    pub envelopes: Envelopes,
}

/// What is measured besides envelopes.
#[derive(Debug, Subcommand)]
pub enum Test {
    /// Exec of `agents run` until twelve scripted roles are up, with sandbox, clone and key
    Startup(Startup),
    /// The process that a kill test kills
    #[command(hide = true)]
    Victim {
        /// The ledger's directory
        dir: PathBuf,
        /// Senders at the same time
        #[arg(long)]
        senders: usize,
    },
}

/// Envelopes through the registry.
#[derive(Clone, Debug, Args)]
pub struct Envelopes {
    /// Senders at the same time
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub senders: u16,
    /// Agents in the team; at least as many as senders
    #[arg(long, default_value_t = 0)]
    pub agents: u16,
    /// Seconds of each round, of the core and of the bare database
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Rounds; the median is printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub rounds: u16,
    /// Agents write to each other, read their inboxes and acknowledge, instead of reporting to the user
    #[arg(long)]
    pub read: bool,
    /// Kill the runtime this often at random moments and look for what it had acknowledged
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_missing_value = "5")]
    pub kill: Option<u16>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The start of the real program.
#[derive(Clone, Debug, Args)]
pub struct Startup {
    /// The program [default: the variable AGENTS_BIN]
    pub binary: Option<PathBuf>,
    /// How often
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub runs: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

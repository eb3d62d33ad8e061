//! Arguments of the commands that prove something: `keys`, `verify`, `2fa`, `audit`.

use super::JsonArg;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `agents keys`.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Public keys for `gpg --import`
    Export {
        /// Lines for `gpg --import-ownertrust` instead
        #[arg(long)]
        ownertrust: bool,
    },
    /// The keys with their validity
    List(JsonArg),
    /// Move the expiry of the keys that are due (after a year) to two years from now
    Renew,
}

/// `agents verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// A commit of the repository: id, branch, tag
    #[arg(default_value = "HEAD")]
    pub commit: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `agents 2fa`.
#[derive(Clone, Debug, Subcommand)]
pub enum SecondFactorCommand {
    /// Show a QR code for your authenticator app (again: needs the old code or the recovery code)
    Enroll,
}

/// `agents audit`.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Check every record, the chain and the signed checkpoints
    Verify {
        /// A ledger file elsewhere [default: that of the repository]
        ledger: Option<PathBuf>,
        /// A file with the public key that was kept elsewhere
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere; may be given several times
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Every record as a line of JSON
    Export {
        /// Where to [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

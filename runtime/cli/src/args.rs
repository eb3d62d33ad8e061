//! The command line: names, arguments and help.

mod model;
mod prompt;
mod prove;

pub use model::ModelStubArgs;
pub use prompt::{PromptCommand, PromptSource};
pub use prove::{AuditCommand, KeysCommand, SecondFactorCommand, VerifyArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use foureyes_protocol::{FeatureId, PrincipalId};
use std::path::PathBuf;

/// A governed team of coding agents on your repository.
#[derive(Debug, Parser)]
#[command(name = "agents", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// The repository (default: the one around the current directory)
    #[arg(long, global = true, value_name = "PATH", help_heading = "Everywhere")]
    pub repo: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the team, or continue where it was
    Run(RunArgs),
    /// Write .agents/config.yaml and the parts of prompts for this repository
    Init(InitArgs),
    /// Show what a configuration would allow and accept it
    Trust(TrustArgs),
    /// Check a configuration without starting anything
    Check(CheckArgs),
    /// What each role is told before its first turn
    #[command(subcommand)]
    Prompt(PromptCommand),
    /// Look for what is missing on this machine
    Doctor(DoctorArgs),
    /// The whole at one glance
    Status(StatusArgs),
    /// Roles and services with their health
    Ps(JsonArg),
    /// What models were used for: by role, feature, gate and model
    Costs(JsonArg),
    /// What happened, line by line
    Logs(LogsArgs),
    /// Watch the terminals: all in tmux, or one role here
    Attach(AttachArgs),
    /// Send a message to a role, a family or all
    Send(SendArgs),
    /// What waits for you
    Inbox(JsonArg),
    /// Answer a question
    Answer(AnswerArgs),
    /// Ask for features and steer them
    #[command(subcommand)]
    Feature(FeatureCommand),
    /// Where features stand in the five gates
    Gate(GateArgs),
    /// Approve what waits for your decision
    Approve(ApproveArgs),
    /// Reject it, with what has to change
    Reject(RejectArgs),
    /// Stop everything that changes something
    Freeze(FreezeArgs),
    /// Lift a freeze (asks for your second factor)
    Unfreeze(UnfreezeArgs),
    /// The keys of the roles and of the gates
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Who wrote a commit, and whether it passed the gates
    Verify(VerifyArgs),
    /// Your second factor
    #[command(name = "2fa", subcommand)]
    SecondFactor(SecondFactorCommand),
    /// Check or export the ledger
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Restart or pause a role
    #[command(subcommand)]
    Role(RoleCommand),
    /// Faults on purpose
    #[command(subcommand, hide = true)]
    Debug(DebugCommand),
    /// End the team in good order
    Down,
    /// Git hooks for this repository: test first, no secrets
    #[command(subcommand)]
    Hooks(HooksCommand),
    /// A stand-in for the agents' model, on this machine
    ModelStub(ModelStubArgs),
    /// Completions for your shell
    Completions(CompletionsArgs),
}

/// Machine-readable output.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct JsonArg {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `agents run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// A configuration file, or `demo` [default: .agents/config.yaml of the repository]
    pub config: Option<String>,
    /// A feature to work on; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub task: Vec<String>,
    /// End when every feature is delivered or cancelled
    #[arg(long)]
    pub until_done: bool,
    /// Install what is missing, with this system's package manager
    #[arg(long)]
    pub fix: bool,
    /// Run without a wall around the agents: rules become advice
    #[arg(long, value_name = "TIER")]
    pub tier: Option<TierArg>,
    /// Say what would be done and start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Lines instead of the full-screen view
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
    /// JSON lines instead of the full-screen view
    #[arg(long)]
    pub json: bool,
    /// The repository, filled in from the option that every command has.
    #[arg(skip)]
    pub repo: Option<PathBuf>,
}

/// A tier that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TierArg {
    /// No sandbox.
    Advisory,
}

/// `agents init`.
#[derive(Clone, Debug, Default, Args)]
pub struct InitArgs {
    /// Take what was found and ask nothing
    #[arg(long)]
    pub yes: bool,
    /// Overwrite .agents/config.yaml
    #[arg(long)]
    pub force: bool,
}

/// `agents trust`.
#[derive(Clone, Debug, Default, Args)]
pub struct TrustArgs {
    /// The configuration [default: .agents/config.yaml of the repository]
    pub config: Option<String>,
    /// Accept without asking; works only when nothing is loosened
    #[arg(long)]
    pub yes: bool,
    /// Only show it
    #[arg(long, conflicts_with = "yes")]
    pub show: bool,
}

/// `agents check`.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckArgs {
    /// The configuration [default: .agents/config.yaml of the repository]
    pub config: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `agents doctor`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct DoctorArgs {
    /// Install what is missing, with this system's package manager
    #[arg(long)]
    pub fix: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `agents status`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long, conflicts_with = "line")]
    pub json: bool,
    /// One line, for prompts and status bars
    #[arg(long)]
    pub line: bool,
    /// The line as tmux wants it
    #[arg(long, hide = true)]
    pub tmux: bool,
}

/// `agents logs`.
#[derive(Clone, Debug, Default, Args)]
pub struct LogsArgs {
    /// Go on as more happens
    #[arg(short, long)]
    pub follow: bool,
    /// Only messages of this kind, such as GateVerdict
    #[arg(long)]
    pub kind: Option<String>,
    /// Only this feature
    #[arg(long)]
    pub feature: Option<FeatureId>,
    /// The last so many records
    #[arg(short = 'n', long, default_value_t = 200)]
    pub max: u64,
    /// JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `agents attach`.
#[derive(Clone, Debug, Default, Args)]
pub struct AttachArgs {
    /// The role; without one all of them in tmux
    pub role: Option<PrincipalId>,
    /// Take it over: what you type goes to the agent until Ctrl-]
    #[arg(long, requires = "role", conflicts_with = "pane")]
    pub take: bool,
    /// As a pane of the grid, which has no keys
    #[arg(long, hide = true)]
    pub pane: bool,
}

/// `agents send`.
#[derive(Clone, Debug, Args)]
pub struct SendArgs {
    /// A role, a family (devs, qas…) or `all`
    pub to: String,
    /// The message
    pub text: String,
    /// The feature that it is about
    #[arg(long)]
    pub feature: Option<FeatureId>,
}

/// `agents answer`.
#[derive(Clone, Debug, Args)]
pub struct AnswerArgs {
    /// Number or id, as `agents inbox` shows it
    pub question: String,
    /// The answer, or the number of one of the options
    pub text: String,
}

/// `agents feature`.
#[derive(Clone, Debug, Subcommand)]
pub enum FeatureCommand {
    /// Ask for a feature
    New {
        /// One line
        title: String,
        /// What is wanted, at length
        #[arg(long, default_value = "")]
        text: String,
        /// Its short name [default: made from the title]
        #[arg(long)]
        id: Option<FeatureId>,
    },
    /// All features
    List(JsonArg),
    /// One feature with its verdicts
    Show {
        /// Its name
        feature: FeatureId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End it; its branch stays
    Cancel(FeatureControlArgs),
    /// Hold it
    Pause(FeatureControlArgs),
    /// Go on after a pause or too many returns
    Retry(FeatureControlArgs),
    /// Take it up again after a cancel
    Reopen(FeatureControlArgs),
}

/// A feature that is steered.
#[derive(Clone, Debug, Args)]
pub struct FeatureControlArgs {
    /// Its name
    pub feature: FeatureId,
    /// Why, for the record
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// `agents gate`.
#[derive(Clone, Debug, Default, Args)]
pub struct GateArgs {
    /// Only this feature
    pub feature: Option<FeatureId>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `agents approve`.
#[derive(Clone, Debug, Args)]
pub struct ApproveArgs {
    /// Number or id, as `agents inbox` shows it
    pub decision: String,
}

/// `agents reject`.
#[derive(Clone, Debug, Args)]
pub struct RejectArgs {
    /// Number or id, as `agents inbox` shows it
    pub decision: String,
    /// What has to change, such as `src/lib.rs:12: overflows`; may be given several times
    #[arg(long, required = true, value_name = "TEXT")]
    pub finding: Vec<String>,
}

/// `agents freeze`.
#[derive(Clone, Debug, Args)]
pub struct FreezeArgs {
    /// Why
    pub reason: String,
}

/// `agents unfreeze`.
#[derive(Clone, Debug, Args)]
pub struct UnfreezeArgs {
    /// What you found when you looked into it
    #[arg(long)]
    pub report: String,
}

/// `agents role`.
#[derive(Clone, Debug, Subcommand)]
pub enum RoleCommand {
    /// End its process; it comes back with its inbox
    Restart {
        /// The role
        role: PrincipalId,
    },
    /// End its process and keep it down until `role restart`
    Pause {
        /// The role
        role: PrincipalId,
    },
}

/// `agents debug`.
#[derive(Clone, Debug, Subcommand)]
pub enum DebugCommand {
    /// Make a supervised actor panic
    Crash {
        /// Its path in the tree, such as `services/registry`
        path: String,
    },
}

/// `agents completions`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `agents hooks`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum HooksCommand {
    /// Install them beside those that are there already
    Install,
    /// Take them out again
    Uninstall,
}

//! One file a family of commands.

mod attach;
mod audit;
mod costs;
mod decide;
mod hooks;
mod init;
mod keys;
mod look;
mod model_stub;
mod prompt;
pub mod run;
mod setup;
mod speak;
mod verify;

use crate::{
    args::{Cli, Command, RunArgs},
    control::Client,
    error::CliError,
    exit::Exit,
    help, repository,
    state::{StateDir, StateRoot},
};
use foureyes_ledger::host::SystemClock;
use foureyes_ports::clock::Clock as _;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Which repository a command is about.
#[derive(Clone, Debug)]
pub struct Place {
    repo: Option<PathBuf>,
}

impl Place {
    /// The root of the repository.
    fn repository(&self) -> Result<PathBuf, CliError> {
        repository::find(self.repo.as_deref())
    }

    /// The state of the repository, made or not.
    fn state(&self) -> Result<StateDir, CliError> {
        Ok(StateRoot::from_env()?.of(&self.repository()?))
    }

    /// The state of the repository, which a runtime has worked on.
    fn known_state(&self) -> Result<StateDir, CliError> {
        let state = self.state()?;
        if state.exists() {
            return Ok(state);
        }
        Err(CliError::new(Exit::No, "no runtime ever worked on this repository")
            .at(state.repository().display())
            .hint("agents run, or name another repository with --repo"))
    }

    /// The runtime of the repository.
    fn client(&self) -> Result<Client, CliError> {
        Ok(Client::new(self.state()?))
    }
}

/// Does what the command line says.
///
/// # Errors
/// What keeps it from being done.
pub fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let place = Place { repo: cli.repo };
    match cli.command {
        Command::Run(args) => run::run(&RunArgs { repo: place.repo, ..args }),
        Command::Init(args) => init::init(&place, &args),
        Command::Trust(args) => setup::trust(&place, &args),
        Command::Check(args) => setup::check(&place, &args),
        Command::Prompt(command) => prompt::prompt(&place, &command),
        Command::Doctor(args) => setup::doctor(&place, &args),
        Command::Status(args) => look::status(&place, args),
        Command::Ps(args) => look::ps(&place, args.json),
        Command::Logs(args) => look::logs(&place, &args),
        Command::Costs(args) => costs::costs(&place, args.json),
        Command::Inbox(args) => look::inbox(&place, args.json),
        Command::Gate(args) => look::gate(&place, &args),
        Command::Attach(args) => attach::attach(&place, args),
        Command::Feature(command) => speak::feature(&place, command),
        Command::Send(args) => speak::send(&place, args),
        Command::Answer(args) => speak::answer(&place, args),
        Command::Freeze(args) => speak::freeze(&place, args),
        Command::Role(command) => speak::role(&place, command),
        Command::Debug(command) => speak::debug(&place, command),
        Command::Down => speak::down(&place),
        Command::Approve(args) => decide::approve(&place, &args.decision),
        Command::Reject(args) => decide::reject(&place, args),
        Command::Unfreeze(args) => decide::unfreeze(&place, args.report),
        Command::Keys(command) => keys::keys(&place, &command),
        Command::SecondFactor(_) => keys::enroll(&place),
        Command::Verify(args) => verify::verify(&place, &args),
        Command::Audit(command) => audit::audit(&place, &command),
        Command::Hooks(command) => hooks::hooks(&place, command),
        Command::ModelStub(args) => model_stub::model_stub(&args),
        Command::Completions(args) => completions(args.shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<ExitCode, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "agents", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// Prints to standard output; a closed pipe is no error.
fn print(text: &str) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::Internal, "cannot write to standard output").because(&e))
        }
        _ => Ok(Exit::Ok.into()),
    }
}

/// The machine's time, milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    SystemClock::default().now_ms()
}

//! `attach`: one role's terminal here, or all of them in tmux.

use super::Place;
use crate::{
    args::AttachArgs,
    control::{
        Client,
        client::TakenOver,
        protocol::{Hand, Request, Response},
    },
    error::CliError,
    exit::Exit,
    terminal,
};
use foureyes_display::{
    SinkError,
    attach::{AttachEnd, Hands, Options, ScreenFeed, ScreenUpdate, Taken, run, take},
    tmux::{PaneSpec, TmuxSpec, open},
};
use foureyes_protocol::PrincipalId;
use std::{env, io, io::IsTerminal as _, process::ExitCode, thread};
use tokio::sync::watch;

pub(super) fn attach(place: &Place, args: AttachArgs) -> Result<ExitCode, CliError> {
    let client = place.client()?;
    match args.role {
        Some(role) if args.take => take_over(&client, role),
        Some(role) => one(&client, role, !args.pane),
        None => all(&client),
    }
}

/// Screens as they come over the control socket; the newest only.
struct Remote(watch::Receiver<Option<ScreenUpdate>>);

#[async_trait::async_trait]
impl ScreenFeed for Remote {
    async fn next(&mut self) -> Option<ScreenUpdate> {
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }
}

type Reading = thread::JoinHandle<Result<(), CliError>>;

/// Follows a role's screens on a thread of their own.
fn follow(client: &Client, role: &PrincipalId) -> (Remote, Reading) {
    let (newest, screens) = watch::channel(None);
    let (reader, asked) = (client.clone(), role.clone());
    let reading = thread::spawn(move || {
        reader.stream(Request::Screen(asked), &mut |response| {
            let Response::Screen(update) = response else { return false };
            newest.send(Some((*update).into())).is_ok()
        })
    });
    (Remote(screens), reading)
}

fn options(hint: bool) -> Options {
    Options { colour: terminal::colours(io::stdout().is_terminal()), hint }
}

/// Runs a viewer to its end.
fn view(viewer: impl Future<Output = Result<AttachEnd, SinkError>>) -> Result<AttachEnd, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|e| CliError::new(Exit::Internal, "cannot start the viewer").because(&e))?;
    runtime.block_on(viewer).map_err(|e| CliError::new(Exit::Internal, "the viewer failed").because(&e))
}

fn one(client: &Client, role: PrincipalId, hint: bool) -> Result<ExitCode, CliError> {
    let (mut screens, reading) = follow(client, &role);
    let end = view(run(&mut screens, options(hint)))?;
    ended(end, reading, role)
}

/// The hands of the user, at the other end of the control socket.
struct Far(TakenOver);

#[async_trait::async_trait]
impl Hands for Far {
    async fn keys(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.hand(&Hand::Keys(bytes.to_vec())).map_err(|e| e.what)
    }

    async fn say(&mut self, line: String) -> Result<(), String> {
        self.0.hand(&Hand::Say(line)).map_err(|e| e.what)
    }
}

/// Only a person at a terminal takes over: what a pipe says is nobody's word.
fn take_over(client: &Client, role: PrincipalId) -> Result<ExitCode, CliError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(CliError::new(Exit::NoTerminal, format!("cannot take {role} over"))
            .why("input or output is no terminal")
            .hint(format!("run it in a terminal; or write to it: agents send {role} \"…\"")));
    }
    let taken_over = client.take(role.clone())?;
    let taken = if taken_over.has_terminal() { Taken::Terminal } else { Taken::Lines };
    let (mut screens, reading) = follow(client, &role);
    let mut hands = Far(taken_over);
    let end = view(take(&mut screens, &mut hands, taken, options(true)))?;
    drop(hands);
    ended(end, reading, role)
}

fn ended(end: AttachEnd, reading: Reading, role: PrincipalId) -> Result<ExitCode, CliError> {
    if end != AttachEnd::FeedEnded {
        return Ok(Exit::Ok.into());
    }
    match reading.join() {
        Ok(Err(error)) => Err(error),
        _ => Err(CliError::new(Exit::NotRunning, "the runtime has ended").at(role).hint("agents run")),
    }
}

fn all(client: &Client) -> Result<ExitCode, CliError> {
    let view = client.view()?;
    let state = client.state();
    let program = env::current_exe()
        .map_err(|e| CliError::new(Exit::Internal, "cannot find this program").because(&e))?
        .display()
        .to_string();
    let command = |words: &[&str]| {
        let repository = state.repository().display().to_string();
        let words = words.iter().map(|word| (*word).to_owned());
        std::iter::once(program.clone()).chain(words).chain(["--repo".to_owned(), repository]).collect()
    };
    let pane = |role: &foureyes_ports::view::RoleView| PaneSpec {
        title: role.id.to_string(),
        family: role.family,
        argv: command(&["attach", "--pane", role.id.as_str()]),
    };
    let spec = TmuxSpec {
        // A short name in a directory of this repository: the path of a socket is limited.
        socket: "grid".to_owned(),
        socket_dir: Some(state.sockets().to_owned()),
        title: view.repository.clone(),
        panes: view.roles.iter().map(pane).collect(),
        status: command(&["status", "--tmux"]),
        read_only: true,
    };
    open(&spec).map_err(|e| {
        let exit = match e {
            foureyes_display::tmux::TmuxError::Missing => Exit::Prerequisite,
            _ => Exit::Internal,
        };
        CliError::new(exit, "the grid cannot be shown").because(&e)
    })?;
    Ok(Exit::Ok.into())
}

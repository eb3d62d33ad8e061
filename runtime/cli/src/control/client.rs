//! A command's end of the control socket. Blocking: a command has nothing else to do.

use super::protocol::{Asked, Hand, Request, Response, VERSION};
use crate::{
    error::CliError,
    exit::Exit,
    state::{StateDir, StateRoot},
};
use foureyes_ports::view::{QuestionView, View};
use foureyes_protocol::{Digest, PrincipalId, Reason};
use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

/// The runtime of one repository.
#[derive(Clone, Debug)]
pub struct Client {
    state: StateDir,
}

impl Client {
    /// The runtime of the repository whose state this is; whether it runs is seen when it is asked.
    pub fn new(state: StateDir) -> Self {
        Self { state }
    }

    /// Whether a runtime answers.
    pub fn is_running(&self) -> bool {
        is_running(&self.state)
    }

    /// Where the runtime's state lies.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// The picture.
    ///
    /// # Errors
    /// [`Exit::NotRunning`], or an answer that makes no sense.
    pub fn view(&self) -> Result<View, CliError> {
        match self.ask(Request::View)? {
            Response::View(view) => Ok(*view),
            other => Err(self.unexpected(&other)),
        }
    }

    /// What waits under a number or id.
    ///
    /// # Errors
    /// As [`Client::act`].
    pub fn question(&self, which: &str) -> Result<QuestionView, CliError> {
        match self.ask(Request::Question(which.to_owned()))? {
            Response::Question(question) => Ok(*question),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The digest that lifting the freeze is bound to.
    ///
    /// # Errors
    /// As [`Client::act`].
    pub fn unfreeze_decision(&self) -> Result<Digest, CliError> {
        match self.ask(Request::UnfreezeDecision)? {
            Response::Decision(digest) => Ok(digest),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has something done; what the runtime says about it.
    ///
    /// # Errors
    /// [`Exit::NotRunning`], or [`Exit::Refused`] with the rule.
    pub fn act(&self, request: Request) -> Result<String, CliError> {
        match self.ask(request)? {
            Response::Done(text) => Ok(text),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Asks for answers without end and hands each to `take`, until that says `false` or the runtime
    /// ends.
    ///
    /// # Errors
    /// As [`Client::act`].
    pub fn stream(&self, request: Request, take: &mut dyn FnMut(Response) -> bool) -> Result<(), CliError> {
        let mut answers = self.send(request)?;
        while let Some(response) = self.read(&mut answers)? {
            if matches!(response, Response::Refused(_) | Response::Failed(_)) {
                return Err(self.unexpected(&response));
            }
            if !take(response) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes a role's agent over until the answer is dropped.
    ///
    /// # Errors
    /// As [`Client::act`].
    pub fn take(&self, role: PrincipalId) -> Result<TakenOver, CliError> {
        let mut answers = self.send(Request::Take(role))?;
        let gone = || CliError::new(Exit::NotRunning, "the runtime ended before it answered");
        match self.read(&mut answers)?.ok_or_else(gone)? {
            Response::Taken { terminal } => Ok(TakenOver { client: self.clone(), answers, terminal }),
            other => Err(self.unexpected(&other)),
        }
    }

    fn ask(&self, request: Request) -> Result<Response, CliError> {
        let mut answers = self.send(request)?;
        let gone = || CliError::new(Exit::NotRunning, "the runtime ended before it answered");
        self.read(&mut answers)?.ok_or_else(gone)
    }

    fn send(&self, request: Request) -> Result<BufReader<UnixStream>, CliError> {
        let path = self.state.control_socket();
        let mut stream = UnixStream::connect(&path).map_err(|e| self.not_running(&path, &e))?;
        let failed = |e: io::Error| CliError::file("cannot ask the runtime", &path, &e);
        let asked = Asked { version: VERSION, request };
        let mut line = serde_json::to_vec(&asked).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        stream.write_all(&line).map_err(failed)?;
        Ok(BufReader::new(stream))
    }

    fn read(&self, answers: &mut BufReader<UnixStream>) -> Result<Option<Response>, CliError> {
        let failed = |e: io::Error| {
            CliError::file("cannot read the runtime's answer", &self.state.control_socket(), &e)
        };
        let mut line = Vec::new();
        if answers.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(|e| failed(e.into()))
    }

    fn unexpected(&self, response: &Response) -> CliError {
        match response {
            Response::Refused(reason) => refused(reason),
            Response::Failed(why) => CliError::new(Exit::No, why.clone()),
            _ => CliError::new(Exit::Internal, "the runtime answered something else")
                .hint("it may be another version: `agents down`, then `agents run`"),
        }
    }

    fn not_running(&self, path: &Path, cause: &io::Error) -> CliError {
        if cause.kind() == io::ErrorKind::PermissionDenied {
            return CliError::file("the runtime belongs to someone else", path, cause);
        }
        let error = CliError::new(Exit::NotRunning, "no runtime runs for this repository")
            .at(self.state.repository().display());
        match elsewhere(&self.state).as_slice() {
            [] => error.hint("start it: agents run"),
            running => {
                error.hint(format!("start it: agents run; or name one that runs: {}", running.join(", ")))
            }
        }
    }
}

/// An agent that the user has taken over; dropping this gives it back.
#[derive(Debug)]
pub struct TakenOver {
    client: Client,
    answers: BufReader<UnixStream>,
    terminal: bool,
}

impl TakenOver {
    /// Whether it has a terminal that takes keys; else it takes lines.
    pub fn has_terminal(&self) -> bool {
        self.terminal
    }

    /// Does something with it.
    ///
    /// # Errors
    /// As [`Client::act`].
    pub fn hand(&mut self, hand: &Hand) -> Result<(), CliError> {
        let failed = |e: io::Error| CliError::new(Exit::NotRunning, "the runtime is gone").because(&e);
        let mut line = serde_json::to_vec(hand).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        self.answers.get_mut().write_all(&line).map_err(failed)?;
        match self.client.read(&mut self.answers)? {
            Some(Response::Done(_)) => Ok(()),
            Some(other) => Err(self.client.unexpected(&other)),
            None => Err(CliError::new(Exit::NotRunning, "the runtime has ended")),
        }
    }
}

/// A rule's refusal as an error.
fn refused(reason: &Reason) -> CliError {
    CliError::new(Exit::Refused, reason.text.clone()).at(format_args!(
        "{}, {}",
        reason.code,
        reason.code.rule()
    ))
}

fn is_running(state: &StateDir) -> bool {
    UnixStream::connect(state.control_socket()).is_ok()
}

/// The other repositories with a runtime of this user, as options.
fn elsewhere(state: &StateDir) -> Vec<String> {
    let Some(root) = state.root().parent() else { return Vec::new() };
    let others = StateRoot::at(root).all().into_iter().filter(|other| other != state && is_running(other));
    others.map(|other| format!("--repo {}", other.repository().display())).collect()
}

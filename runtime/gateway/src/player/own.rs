//! The scripted agent's own hands: the runtime's socket, programs, files.

use super::{failure::Failure, hands::Hands, marks::Marks, programs::Workspace, screen::Screen};
use crate::client::{Client, SANDBOX_SOCKET, ToolError, UNREACHABLE};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{env, fs, io::Write as _, path::PathBuf, thread, time::Duration};

/// Names another socket than the sandbox's.
const SOCKET_VARIABLE: &str = "AGENTS_SOCKET";
/// The most envelopes of one look into the inbox.
const AT_ONCE: usize = 50;

/// The runtime, connected to when it is needed and again when the connection is lost.
pub(super) struct Link {
    socket: PathBuf,
    client: Option<Client>,
}

impl Link {
    pub(super) fn to(socket: PathBuf) -> Self {
        Self { socket, client: None }
    }

    pub(super) fn from_environment() -> Self {
        Self::to(env::var_os(SOCKET_VARIABLE).map_or_else(|| PathBuf::from(SANDBOX_SOCKET), PathBuf::from))
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Client) -> Result<T, ToolError>) -> Result<T, ToolError> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Client::connect(&self.socket)?),
        };
        let answer = call(client);
        if answer.as_ref().is_err_and(|e| e.code == UNREACHABLE) {
            self.client = None;
        }
        answer
    }
}

/// The hands of a program inside a sandbox.
pub(super) struct Own {
    pub screen: Screen,
    pub runtime: Link,
    pub place: Workspace,
    pub marks: Marks,
}

impl Own {
    pub(super) fn new(screen: Screen, runtime: Link, place: Workspace) -> Self {
        let marks = Marks::below(&place.home);
        Self { screen, runtime, place, marks }
    }
}

impl Hands for Own {
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn call(&mut self, tool: &str, args: Value, key: Option<&str>) -> Result<Value, Failure> {
        let answer = self.runtime.with(|client| match key {
            Some(key) => client.call_once(tool, args, key),
            None => client.call(tool, args),
        });
        Ok(answer?)
    }

    fn run(&mut self, argv: &[&str]) -> Result<String, Failure> {
        self.place.run(argv)
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), Failure> {
        self.place.write(path, text)
    }

    fn append(&mut self, path: &str, line: &str) -> Result<(), Failure> {
        let broken = |e| Failure::io(&format!("editing {path}"), e);
        let mut file =
            fs::OpenOptions::new().append(true).open(self.place.work.join(path)).map_err(broken)?;
        writeln!(file, "{line}").map_err(broken)
    }

    fn branch(&mut self, feature: &str, base: &str) -> Result<String, Failure> {
        self.place.branch(feature, base)?;
        self.place.git(&["rev-parse", "--short", "HEAD"])
    }

    fn commit(&mut self, message: &str) -> Result<Option<String>, Failure> {
        self.place.commit(message)
    }

    fn merge_main(&mut self) -> Result<(), Failure> {
        self.place.git(&["fetch", "-q", "origin"])?;
        let main = format!("refs/remotes/origin/{}", self.place.target());
        let merged = self.command(&["git", "merge", "-q", "--no-edit", &main]);
        if merged.is_err() {
            // A conflict is for somebody who reads code; the branch stays as it was.
            let _ = self.place.git(&["merge", "--abort"]);
        }
        merged
    }

    fn push_main(&mut self, options: &[&str]) -> Result<(), Failure> {
        let target = format!("HEAD:refs/heads/{}", self.place.target());
        let argv = [&["git", "push", "-q"], options, &["origin", &target]].concat();
        self.command(&argv)
    }

    /// The commit is made beside the branch.
    fn push_unsigned(&mut self, feature: &str) -> Result<(), Failure> {
        let said = "chore: a commit without signature";
        let commit = self.place.git(&["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", said])?;
        self.command(&["git", "push", "-q", "origin", &format!("{commit}:refs/heads/feature/{feature}")])
    }

    fn leave(&mut self, mark: &str) -> Result<bool, Failure> {
        self.marks.leave(mark).map_err(|e| Failure::io("leaving a mark", e))
    }

    fn has(&mut self, mark: &str) -> Result<bool, Failure> {
        Ok(self.marks.has(mark))
    }

    fn note(&mut self, name: &str, what: &Value) -> Result<(), Failure> {
        self.marks.note(name, what).map_err(|e| Failure::io("keeping a note", e))
    }

    fn noted(&mut self, name: &str) -> Result<Option<Value>, Failure> {
        Ok(self.marks.noted(name))
    }

    /// A player is a process that plays one role: it has nothing else to do meanwhile.
    #[allow(clippy::disallowed_methods)]
    fn rest(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn crash(&mut self) -> Result<(), Failure> {
        kill(Pid::this(), Signal::SIGKILL).map_err(|e| Failure::Broken(format!("kill: {e}")))?;
        self.hang()
    }

    fn hang(&mut self) -> Result<(), Failure> {
        loop {
            thread::park();
        }
    }

    fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }
}

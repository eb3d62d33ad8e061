//! Running tmux: always the private server, never a configuration file, never a shell.

use super::{SESSION, TmuxError, TmuxSpec};
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// The private server's client.
pub(super) struct Tmux<'a> {
    spec: &'a TmuxSpec,
}

impl<'a> Tmux<'a> {
    pub(super) fn new(spec: &'a TmuxSpec) -> Self {
        Self { spec }
    }

    #[allow(clippy::disallowed_methods, reason = "tmux is the program that this sink adapts")]
    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        // -u: the grid is drawn in UTF-8 whatever the locale says.
        command.args(["-u", "-L", &self.spec.socket, "-f", "/dev/null"]);
        // A user who sits in a tmux of their own may open this one inside it.
        command.env_remove("TMUX").env_remove("TMUX_PANE");
        if let Some(dir) = &self.spec.socket_dir {
            command.env("TMUX_TMPDIR", dir);
        }
        command
    }

    /// Runs a command and returns what it printed, or what tmux had against it.
    pub(super) fn try_run(&self, args: &[&str]) -> Result<Result<String, String>, TmuxError> {
        let output = self.command().args(args).stdin(Stdio::null()).output().map_err(start_error)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
    }

    /// Runs a command that must succeed.
    pub(super) fn run(&self, args: &[&str]) -> Result<String, TmuxError> {
        self.try_run(args)?.map_err(|message| TmuxError::Refused {
            command: args.first().copied().unwrap_or_default().to_owned(),
            socket: self.spec.socket.clone(),
            message,
        })
    }

    /// Shows the session on this terminal until the user detaches.
    pub(super) fn attach(&self, read_only: bool) -> Result<(), TmuxError> {
        let mut command = self.command();
        command.args(["attach-session", "-t", SESSION]);
        if read_only {
            // `-r` alone would also ignore the size of this terminal.
            command.args(["-f", "read-only"]);
        }
        // The status says how the client ended; a server killed by the user is no error either.
        command.status().map(drop).map_err(start_error)
    }
}

fn start_error(error: std::io::Error) -> TmuxError {
    if error.kind() == ErrorKind::NotFound { TmuxError::Missing } else { TmuxError::Start(error) }
}

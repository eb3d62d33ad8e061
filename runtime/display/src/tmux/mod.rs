//! The grid of terminals: a private tmux server in which every pane runs a viewer of one role.
//!
//! tmux shows and owns nothing: panes run the commands that the caller names (viewers), whoever
//! kills the server or a pane harms no agent, and [`ensure`] mends or rebuilds what is missing. Panes
//! are addressed by their ids. Works with tmux 3.3a.

mod command;
mod setup;

use command::Tmux;
use foureyes_protocol::Family;
use std::path::PathBuf;

/// The grid to show.
#[derive(Clone, Debug)]
pub struct TmuxSpec {
    /// Name of the private server (`tmux -L`), such as `foureyes-<repository id>`.
    pub socket: String,
    /// Directory for the server's socket (`TMUX_TMPDIR`); tmux's own choice when absent.
    pub socket_dir: Option<PathBuf>,
    /// Title of the window: the repository.
    pub title: String,
    /// The panes, in the order of the roster; filled in row by row, the default roster as 4 rows
    /// of 3.
    pub panes: Vec<PaneSpec>,
    /// The command that prints the status line
    /// ([`crate::status::tmux_status_line`]), run every second.
    pub status: Vec<String>,
    /// Whether keys of the client are ignored but for `q` and detaching. Otherwise panes can be
    /// chosen and zoomed; what is typed never reaches a pane in either case.
    pub read_only: bool,
}

/// One pane.
#[derive(Clone, Debug)]
pub struct PaneSpec {
    /// What its border says: the role.
    pub title: String,
    /// The family whose colour it has.
    pub family: Family,
    /// The viewer, such as `agents attach dev-a`. Run as it is, without a shell.
    pub argv: Vec<String>,
}

/// Why tmux shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum TmuxError {
    /// There is no tmux.
    #[error(
        "tmux is not installed; install it (Debian: apt-get install tmux) or attach to one role: agents attach dev-a"
    )]
    Missing,
    /// tmux cannot be run.
    #[error("tmux cannot be started: {0}")]
    Start(std::io::Error),
    /// tmux refused a command.
    #[error(
        "tmux {command} failed on server {socket}: {message}; agents attach tries again, `tmux -L {socket} kill-server` starts afresh"
    )]
    Refused {
        /// The first word of the command.
        command: String,
        /// The server.
        socket: String,
        /// What tmux said.
        message: String,
    },
    /// There is nothing to show.
    #[error("the grid has no panes: the configuration names no roles")]
    NoPanes,
}

/// The session of the private server.
const SESSION: &str = "agents";
/// How often a server that goes down is asked whether it is gone; each question takes milliseconds.
const PATIENCE: usize = 200;

/// Makes or mends the grid ([`ensure`]) and, when both ends of this process are a terminal, shows
/// it there until the user detaches. Blocks as long.
///
/// # Errors
/// [`TmuxError`].
pub fn open(spec: &TmuxSpec) -> Result<(), TmuxError> {
    ensure(spec)?;
    if crate::tty::is_interactive() { Tmux::new(spec).attach(spec.read_only) } else { Ok(()) }
}

/// Makes the grid unless it is there, and starts viewers again that ended.
///
/// # Errors
/// [`TmuxError`]; a server that could not be set up whole is killed again.
pub fn ensure(spec: &TmuxSpec) -> Result<(), TmuxError> {
    if spec.panes.is_empty() {
        return Err(TmuxError::NoPanes);
    }
    let tmux = Tmux::new(spec);
    if !is_whole(&tmux, spec)? {
        close(spec)?;
        setup::create(&tmux, spec).inspect_err(|_| drop(close(spec)))?;
    }
    setup::revive(&tmux)
}

/// Ends the server with all its panes; no agent notices. Nothing happens when there is none.
///
/// # Errors
/// [`TmuxError`] when tmux cannot be run.
pub fn close(spec: &TmuxSpec) -> Result<(), TmuxError> {
    let tmux = Tmux::new(spec);
    if tmux.try_run(&["kill-server"])?.is_err() {
        return Ok(());
    }
    // Who connects while it goes down is thrown out: wait until nobody answers.
    for _ in 0..PATIENCE {
        match tmux.try_run(&["list-sessions"])? {
            Err(message) if message.contains("exited") || message.contains("lost") => {}
            Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Whether the server runs.
///
/// # Errors
/// [`TmuxError`] when tmux cannot be run.
pub fn is_open(spec: &TmuxSpec) -> Result<bool, TmuxError> {
    let target = format!("={SESSION}");
    Ok(Tmux::new(spec).try_run(&["has-session", "-t", &target])?.is_ok())
}

/// Whether the grid is there with all its panes, in the order of the spec.
fn is_whole(tmux: &Tmux<'_>, spec: &TmuxSpec) -> Result<bool, TmuxError> {
    if !is_open(spec)? {
        return Ok(false);
    }
    let shown = tmux.run(&["list-panes", "-s", "-t", SESSION, "-F", "#{@role}"])?;
    Ok(shown.lines().eq(spec.panes.iter().map(|pane| pane.title.as_str())))
}

#[cfg(test)]
mod tests;

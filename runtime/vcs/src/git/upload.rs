//! Serving fetches: git's own upload-pack, which sees only the refs a reader may see.

use super::{
    GitRepository,
    command::{failed_with, io_error, read_text},
    watchdog::Watchdog,
};
use foureyes_ports::vcs::{Result, VcsError, Visible};
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
    time::Duration,
};

impl GitRepository {
    /// Serves one fetch. The first version of the protocol is spoken whatever the client would
    /// like: in it git checks that what is asked for is a ref the reader may see, later ones do not.
    pub(super) fn upload(&self, connection: &UnixStream, visible: &Visible, time: Duration) -> Result<()> {
        let prepared = |e| io_error("preparing the connection", e);
        connection.set_nonblocking(false).map_err(prepared)?;
        connection.set_read_timeout(Some(time)).map_err(prepared)?;
        let socket = || connection.try_clone().map(|c| Stdio::from(OwnedFd::from(c)));
        let serve = self.git_with("upload-pack", &hidden(visible)).args(["--strict"]).limit(time);
        let (what, mut command, limit) = serve.arg(self.dir()).into_parts();
        command.stdin(socket().map_err(prepared)?).stdout(socket().map_err(prepared)?).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| io_error("starting git upload-pack", e))?;
        drop(command);
        let watchdog = Watchdog::guard(&child, limit);
        let text = read_text(child.stderr.take());
        let (status, late) =
            watchdog.wait(&mut child).map_err(|e| io_error("waiting for git upload-pack", e))?;
        match (late, status.success()) {
            (true, _) => Err(VcsError::TimedOut { what, seconds: limit.as_secs() }),
            // A client that has all it wants hangs up; git calls that an error.
            (false, false) if text.contains("hung up") => Ok(()),
            (false, false) => Err(failed_with(&what, status, &text)),
            (false, true) => Ok(()),
        }
    }
}

/// The settings that hide everything else.
fn hidden(visible: &Visible) -> Vec<String> {
    let shown: Vec<&str> = match visible {
        Visible::AllBranches => vec!["refs/heads"],
        Visible::Only(names) => names.iter().map(String::as_str).collect(),
    };
    let hide_all = "transfer.hideRefs=refs".to_owned();
    std::iter::once(hide_all).chain(shown.iter().map(|name| format!("transfer.hideRefs=!{name}"))).collect()
}

//! Commands that are no suite: linters, type checkers, formatters, coverage.

use crate::{
    generic,
    session::{Session, View},
    text,
    toolchain::Tools,
};
use bytes::Bytes;
use foureyes_ports::runner::{CommandReport, CommandRun};

/// Runs one command; it may write into a copy of the checkout, or into the checkout itself where
/// its changes are wanted.
pub(crate) async fn run(session: &Session, run: &CommandRun, tools: &Tools) -> CommandReport {
    let view = if run.keep_changes { View::InPlace } else { View::Copy };
    let ended = generic::exec(session, &run.argv, &run.env, view, tools).await;
    let millis = session.millis();
    match ended {
        Err(outcome) => CommandReport { outcome, log: session.log.bytes(), stdout: Bytes::new(), millis },
        Ok((outcome, result)) => {
            let log = [text::clean(&result.stdout), text::clean(&result.stderr)].concat();
            CommandReport { outcome, log: log.into(), stdout: result.stdout.into(), millis }
        }
    }
}

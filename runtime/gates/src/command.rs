//! Commands that are no suite: linters, type checkers, formatters, coverage.

use crate::{
    generic::{self, Ended},
    outcome,
    session::Session,
    text,
    toolchain::Tools,
    tree,
};
use bytes::Bytes;
use foureyes_ports::runner::{CommandReport, CommandRun};
use foureyes_protocol::testrun::RunOutcome;

/// Runs one command; where its changes are wanted, the checkout becomes what the command left.
pub(crate) async fn run(session: &Session, run: &CommandRun, tools: &Tools) -> CommandReport {
    let ended = generic::exec(session, &run.argv, &run.env, tools).await;
    let millis = session.millis();
    match ended {
        Err(outcome) => CommandReport { outcome, log: session.log.bytes(), stdout: Bytes::new(), millis },
        Ok(Ended { outcome, result, copy }) => {
            let log = [text::clean(&result.stdout), text::clean(&result.stderr)].concat();
            let outcome = if run.keep_changes { keep(outcome, &copy, run) } else { outcome };
            CommandReport { outcome, log: log.into(), stdout: result.stdout.into(), millis }
        }
    }
}

/// Only a command that succeeded leaves its changes.
fn keep(ended: RunOutcome, copy: &std::path::Path, run: &CommandRun) -> RunOutcome {
    if ended != (RunOutcome::Completed { exit: 0 }) {
        return ended;
    }
    match tree::replace(copy, &run.checkout) {
        Ok(()) => ended,
        Err(error) => outcome::broken(format!("the command's changes cannot be taken over: {error}")),
    }
}

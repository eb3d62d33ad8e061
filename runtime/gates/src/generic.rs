//! Any command: its exit code, and nothing claimed per test.

use crate::{
    outcome,
    session::{Session, Step, View, io_broken},
    toolchain::Tools,
};
use foureyes_ports::{runner::SuiteSpec, sandbox::RunResult};
use foureyes_protocol::testrun::RunOutcome;
use std::path::PathBuf;

/// Runs the suite's command once.
pub(crate) async fn run(session: &Session, suite: &SuiteSpec, tools: &Tools) -> RunOutcome {
    let ended = exec(session, &suite.command, &suite.env, tools).await;
    ended.map_or_else(|outcome| outcome, |ended| ended.outcome)
}

/// A command that ran to some end.
pub(crate) struct Ended {
    pub(crate) outcome: RunOutcome,
    pub(crate) result: RunResult,
    /// The copy of the checkout that it worked on, on the host.
    pub(crate) copy: PathBuf,
}

/// Runs one command with every toolchain that was found. Commands such as `make test` build in
/// place, so it works on a copy of the checkout that nobody else sees.
///
/// # Errors
/// The outcome, when the command could not be started at all.
pub(crate) async fn exec(
    session: &Session,
    command: &[String],
    env: &[(String, String)],
    tools: &Tools,
) -> Result<Ended, RunOutcome> {
    let Some(program) = command.first() else {
        return Err(outcome::broken("no command is configured; name one in the configuration"));
    };
    let room = session.room().map_err(io_broken("no run directory"))?;
    let shown = session
        .show(&room, &session.checkout, View::Copy)
        .await
        .map_err(io_broken("no view of the checkout"))?;
    let mut step = Step::new(command.to_vec());
    step.binds.extend(shown);
    tools.equip(&mut step, &room).map_err(io_broken("no toolchain"))?;
    step.env.extend_from_slice(env);
    let result = session.exec(&room, step).await?;
    session.log.add(&command.join(" "), &[&result.stdout[..], &result.stderr].concat());
    let outcome = outcome::by_exit(&result, program, session.limits.timeout);
    Ok(Ended { outcome, result, copy: room.work.join("src") })
}

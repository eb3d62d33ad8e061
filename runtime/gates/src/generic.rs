//! Any command: its exit code, and nothing claimed per test.

use crate::{
    outcome,
    session::{Session, Step, View, io_broken},
    toolchain::Tools,
};
use foureyes_ports::{runner::SuiteSpec, sandbox::RunResult};
use foureyes_protocol::testrun::RunOutcome;

/// Runs the suite's command once.
pub(crate) async fn run(session: &Session, suite: &SuiteSpec, tools: &Tools) -> RunOutcome {
    // Commands such as `make test` build in place: they get a copy that nobody else sees.
    let ended = exec(session, &suite.command, &suite.env, View::Copy, tools).await;
    ended.map_or_else(|outcome| outcome, |(outcome, _)| outcome)
}

/// Runs one command in the checkout with every toolchain that was found.
///
/// # Errors
/// The outcome, when the command could not be started at all.
pub(crate) async fn exec(
    session: &Session,
    command: &[String],
    env: &[(String, String)],
    view: View,
    tools: &Tools,
) -> Result<(RunOutcome, RunResult), RunOutcome> {
    let Some(program) = command.first() else {
        return Err(outcome::broken("no command is configured; name one in the configuration"));
    };
    let room = session.room().map_err(io_broken("no run directory"))?;
    let shown = session.show(&room, &session.checkout, view).map_err(io_broken("no view of the checkout"))?;
    let mut step = Step::new(command.to_vec());
    step.binds.extend(shown);
    tools.equip(&mut step, &room).map_err(io_broken("no toolchain"))?;
    step.env.extend_from_slice(env);
    let result = session.exec(&room, step).await?;
    session.log.add(&command.join(" "), &[&result.stdout[..], &result.stderr].concat());
    Ok((outcome::by_exit(&result, program, session.limits.timeout), result))
}

//! The runner: from a request to a report.

use crate::{
    command, detect, generic, keys,
    libtest::{self, Pick, Seen},
    outcome, prepare, python,
    seed::Seed,
    session::Session,
    settings::Settings,
    toolchain::{self, Tools},
    tree,
};
use async_trait::async_trait;
use bytes::Bytes;
use foureyes_ports::{
    clock::Entropy,
    runner::{
        AdapterKind, CommandReport, CommandRun, GateResult, GateRun, GateRunner, PrepareError, PrepareRun,
        Prepared, Repeated, RunLimits, SuiteSpec, ToolReport,
    },
    sandbox::{Bind, SandboxRunner},
};
use foureyes_protocol::{
    Digest,
    testrun::{RunOutcome, TestReport, TestStatus},
};
use std::{collections::BTreeSet, io, path::Path, sync::Arc};

/// Runs suites in sandboxes; one for all gates, shared.
pub struct Runner {
    sandbox: Arc<dyn SandboxRunner>,
    entropy: Arc<dyn Entropy>,
    settings: Arc<Settings>,
    pytest: bool,
}

/// What a run needs to know of its tree before it starts.
struct Ground {
    kind: AdapterKind,
    suite: SuiteSpec,
    tools: Tools,
    environment: Digest,
    lock: String,
}

impl Runner {
    /// A runner over a sandbox; looks once whether pytest is installed.
    pub async fn new(sandbox: Arc<dyn SandboxRunner>, entropy: Arc<dyn Entropy>, settings: Settings) -> Self {
        let pytest = toolchain::Python::find(&settings).await.is_some_and(|python| python.pytest.is_some());
        Self { sandbox, entropy, settings: Arc::new(settings), pytest }
    }

    /// What a role that may run tests is given in its own sandbox: binds and environment.
    pub async fn agent_tools(&self) -> (Vec<Bind>, Vec<(String, String)>) {
        Tools::find(&self.settings, None).await.for_agents()
    }

    /// Looks at the tree: which adapter, which tools, which dependencies.
    async fn survey(&self, suite: &SuiteSpec, checkout: &Path) -> io::Result<Ground> {
        let files = tree::regular_files(checkout)?;
        let text = |name: &str| tree::read_listed(checkout, &files, name);
        let asked = text("rust-toolchain.toml").or_else(|| text("rust-toolchain"));
        let channel = asked.as_deref().and_then(toolchain::channel);
        let mut tools = Tools::find(&self.settings, channel.as_deref()).await;
        let suite = self.resolve(suite, &files);
        let kind = suite.adapter;
        let plan = prepare::Plan::of(&self.settings, kind, &suite, checkout, &tools)?;
        let prepared = plan.filter(|plan| plan.found().is_some());
        let dependencies = match (&prepared, &tools.crates) {
            (Some(plan), _) => plan.key().to_string(),
            (None, Some(_)) => "the user's own crates".to_owned(),
            (None, None) => "none".to_owned(),
        };
        if let Some(plan) = prepared {
            plan.offer(&mut tools);
        }
        let environment = keys::environment(&tools.versions(), &dependencies, self.settings.tier);
        let lock = text("Cargo.lock").unwrap_or_default();
        Ok(Ground { kind, suite, tools, environment, lock })
    }

    /// The suite with its adapter settled; `Auto` is left where the tree suggests none.
    fn resolve(&self, suite: &SuiteSpec, files: &BTreeSet<String>) -> SuiteSpec {
        if suite.adapter != AdapterKind::Auto {
            return suite.clone();
        }
        let names: Vec<String> = files.iter().cloned().collect();
        let found = match suite.command.is_empty() {
            true => detect::detect(&names, self.pytest),
            false => Some(by_command(&suite.command)),
        };
        let Some(found) = found else { return suite.clone() };
        let command = if suite.command.is_empty() { found.command } else { suite.command.clone() };
        SuiteSpec { adapter: found.adapter, command, ..suite.clone() }
    }

    fn open(&self, run: &GateRun) -> io::Result<Session> {
        let (sandbox, settings) = (self.sandbox.clone(), self.settings.clone());
        Session::open(sandbox, settings, run.owner.clone(), run.limits, &run.checkout, run.progress.clone())
    }

    async fn see(&self, session: &Session, ground: &Ground, trusted: bool, pick: &Pick) -> Seen {
        let Ground { suite, tools, .. } = ground;
        match ground.kind {
            AdapterKind::Libtest => {
                let seed = Seed::at(&self.settings, ground.environment, &ground.lock, trusted);
                libtest::run(session, suite, tools, seed.as_ref(), pick).await
            }
            kind @ (AdapterKind::Pytest | AdapterKind::Unittest) => {
                python::run(session, suite, kind, tools, self.entropy.as_ref(), pick).await
            }
            AdapterKind::Generic => generic::run(session, suite, tools).await.into(),
            AdapterKind::Auto => outcome::broken(
                "no test suite was recognised in this tree; name its command in the configuration, or add tests",
            )
            .into(),
        }
    }

    /// Runs the picked tests; also says which adapter and environment it was.
    async fn picked(&self, run: &GateRun, pick: &Pick) -> (Seen, AdapterKind, Digest, Bytes, u64) {
        let session = match self.open(run) {
            Ok(session) => session,
            Err(error) => return unopened(&error),
        };
        let (seen, kind, environment) = match self.survey(&run.suite, &run.checkout).await {
            Ok(ground) => {
                let seen = self.see(&session, &ground, run.trusted, pick).await;
                (seen, ground.kind, ground.environment)
            }
            Err(error) => {
                let broken = outcome::broken(format!("the checkout is unreadable: {error}"));
                (broken.into(), run.suite.adapter, Digest::default())
            }
        };
        let (log, millis) = (session.log.bytes(), session.millis());
        session.close().await;
        (seen, kind, environment, log, millis)
    }
}

/// A command names its adapter by its first words.
fn by_command(command: &[String]) -> SuiteSpec {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let kind = match words.as_slice() {
        ["cargo", "test" | "t", rest @ ..] if !rest.contains(&"--") => AdapterKind::Libtest,
        ["pytest", ..] | [_, "-m", "pytest", ..] => AdapterKind::Pytest,
        [_, "-m", "unittest", ..] => AdapterKind::Unittest,
        _ => AdapterKind::Generic,
    };
    SuiteSpec::of(kind)
}

fn unopened(error: &io::Error) -> (Seen, AdapterKind, Digest, Bytes, u64) {
    let broken =
        outcome::broken(format!("the run directory cannot be made: {error}; check the state directory"));
    (broken.into(), AdapterKind::Auto, Digest::default(), Bytes::new(), 0)
}

#[async_trait]
impl GateRunner for Runner {
    async fn run(&self, run: GateRun) -> GateResult {
        let (seen, kind, environment, log, millis) = self.picked(&run, &Pick::all()).await;
        let report = TestReport {
            tree: run.tree,
            adapter: kind.name().to_owned(),
            command: keys::command(&run.suite, &run.limits),
            environment,
            outcome: seen.outcome,
            tests: seen.tests,
            per_test: !matches!(kind, AdapterKind::Generic | AdapterKind::Auto),
            millis,
            log: None,
        };
        GateResult { report, log }
    }

    async fn repeat(&self, run: GateRun, ids: &[String], times: u32) -> Vec<Repeated> {
        let only: BTreeSet<String> = ids.iter().cloned().collect();
        let pick = Pick { only: Some(only.clone()), times };
        let (seen, ..) = self.picked(&run, &pick).await;
        let count = |id: &String| {
            let passed = seen.tests.iter().filter(|t| t.id == *id && t.status == TestStatus::Passed).count();
            let passed = u32::try_from(passed).unwrap_or(times).min(times);
            Repeated { id: id.clone(), passed, failed: times - passed }
        };
        only.iter().map(count).collect()
    }

    async fn run_command(&self, run: CommandRun) -> CommandReport {
        let (sandbox, settings) = (self.sandbox.clone(), self.settings.clone());
        let opened = Session::open(sandbox, settings, run.owner.clone(), run.limits, &run.checkout, None);
        let session = match opened {
            Ok(session) => session,
            Err(error) => return failed_command(unopened(&error).0.outcome),
        };
        let ground = self.survey(&SuiteSpec::default(), &run.checkout).await;
        let report = match ground {
            Ok(ground) => command::run(&session, &run, &ground.tools).await,
            Err(error) => failed_command(outcome::broken(format!("the checkout is unreadable: {error}"))),
        };
        session.close().await;
        report
    }

    async fn prepare(&self, run: PrepareRun) -> Result<Prepared, PrepareError> {
        let host = |error: io::Error| PrepareError::Host(error.to_string());
        let (sandbox, settings) = (self.sandbox.clone(), self.settings.clone());
        let session = Session::open(sandbox, settings, run.owner.clone(), run.limits, &run.checkout, None);
        let session = session.map_err(host)?;
        let ground = self.survey(&run.suite, &run.checkout).await.map_err(host)?;
        let plan =
            prepare::Plan::of(&self.settings, ground.kind, &ground.suite, &run.checkout, &ground.tools);
        let plan = plan.map_err(host)?.ok_or(PrepareError::NoManifest(ground.kind.name()))?;
        if let Some(found) = plan.found() {
            return Ok(found);
        }
        let configured = !run.suite.prepare.is_empty();
        let fetched = plan.fetch(&session, &ground.tools, configured, run.proxy).await;
        session.close().await;
        fetched
    }

    fn detect(&self, files: &[String]) -> Option<SuiteSpec> {
        detect::detect(files, self.pytest)
    }

    fn command_digest(&self, suite: &SuiteSpec, limits: &RunLimits) -> Digest {
        keys::command(suite, limits)
    }

    async fn environment_digest(&self, suite: &SuiteSpec, checkout: &Path) -> Digest {
        self.survey(suite, checkout).await.map(|ground| ground.environment).unwrap_or_default()
    }

    async fn tools_report(&self) -> Vec<ToolReport> {
        Tools::find(&self.settings, None).await.report()
    }
}

fn failed_command(outcome: RunOutcome) -> CommandReport {
    CommandReport { outcome, log: Bytes::new(), stdout: Bytes::new(), millis: 0 }
}

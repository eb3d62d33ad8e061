//! A trial of the machine for one repository: the wall with its self-test, and the suite once on the
//! tip of the target branch, in the gate sandbox. Nothing of it is kept.

use super::{
    ComposeError, Start, blocking, gate_owners, gate_runner, open_repository, owners, raise_wall,
    target_branch,
};
use foureyes_config::sections::suite::Adapter;
use foureyes_ledger::host::OsEntropy;
use foureyes_ports::{
    clock::Entropy,
    runner::{AdapterKind, GateRun, GateRunner, RunLimits, SuiteSpec},
    sandbox::{Tier, WallCheck},
};
use foureyes_protocol::testrun::TestReport;
use foureyes_session::sandbox::Spawner;
use std::{sync::Arc, time::Duration};

/// What a trial showed.
pub struct Trial {
    /// The tier of the wall.
    pub tier: Tier,
    /// Why it is lower than it could be.
    pub note: Option<String>,
    /// The self-test of the wall.
    pub walls: Vec<WallCheck>,
    /// The run of the suite; `None` where no suite is configured or recognised.
    pub report: Option<TestReport>,
}

/// Tries the wall and the suite. `start.state` is a directory of the trial's own.
///
/// # Errors
/// What keeps a runtime from starting here.
pub async fn trial(start: Start) -> Result<Trial, ComposeError> {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::default());
    let spawner = Spawner::new().map_err(|e| ComposeError::Other(e.to_string()))?;
    let gates = gate_owners()?;
    let (state, binary, name) = (start.state.clone(), start.binary.clone(), start.name.clone());
    let (uid_base, advisory, all) =
        (start.config.sandbox.uid_base, start.advisory, owners(&start.config, &gates));
    let wall = blocking(move || raise_wall(&state, &binary, advisory, &name, all, uid_base)).await??;
    let (vcs, user) = open_repository(&start).await?;
    let target = target_branch(&start.config, user.head_branch.as_deref())?;
    let runner = gate_runner(&start, &wall, &spawner, entropy).await;
    let (root, checkout) = (user.root, start.state.scratch().join("trial"));
    super::make_dir(&checkout)?;
    let dir = checkout.clone();
    let (tree, files) = blocking(move || -> Result<_, ComposeError> {
        let import = vcs.import_main(&root, Some(&format!("refs/heads/{target}")))?;
        let files: Vec<String> = vcs.list_tree(&import.new)?.into_iter().map(|e| e.path).collect();
        vcs.checkout_tree(&import.new, &dir)?;
        Ok((import.new, files))
    })
    .await??;
    let suite = suite(&start, runner.as_ref(), &files);
    let report = match (suite, gates.into_iter().next()) {
        (Some(suite), Some(owner)) => {
            let limits = limits(&start);
            let run = GateRun { owner, checkout, tree, trusted: false, suite, limits, progress: None };
            Some(runner.run(run).await.report)
        }
        _ => None,
    };
    Ok(Trial { tier: wall.sandbox.tier(), note: wall.note, walls: wall.checks, report })
}

fn suite(start: &Start, runner: &dyn GateRunner, files: &[String]) -> Option<SuiteSpec> {
    let configured = &start.config.gates.suite;
    let adapter = match configured.adapter {
        Adapter::Auto => match runner.detect(files) {
            Some(found) => found.adapter,
            None if configured.command.is_empty() => return None,
            None => AdapterKind::Generic,
        },
        Adapter::Libtest => AdapterKind::Libtest,
        Adapter::Pytest => AdapterKind::Pytest,
        Adapter::Unittest => AdapterKind::Unittest,
        Adapter::Generic => AdapterKind::Generic,
    };
    Some(SuiteSpec {
        adapter,
        command: configured.command.clone(),
        env: configured.toolchain.env.clone().into_iter().collect(),
        writable_checkout: configured.writable_checkout,
        prepare: configured.prepare.command.clone(),
    })
}

fn limits(start: &Start) -> RunLimits {
    let l = &start.config.gates.limits;
    RunLimits {
        timeout: Duration::from_millis(l.time.0),
        memory_bytes: l.memory.0,
        processes: l.processes,
        ..RunLimits::default()
    }
}

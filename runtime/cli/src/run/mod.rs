//! The life of `agents run`: what is checked before anything starts, the runtime with its displays,
//! and the end.

pub mod demo;
pub mod desk;
mod journal;
mod operator;
mod plan;
pub mod sinks;
mod taking;

use crate::{
    agents_needs,
    args::{RunArgs, TierArg},
    compose::{ComposeError, Runtime, Start},
    error::CliError,
    exit::Exit,
    prerequisites, repository,
    state::{StateDir, StateRoot},
    terminal,
    trust::{self, Accepted, ConfigSource},
};
use desk::Desk;
use foureyes_config::sections::{delivery::Builtin, run::Task};
use foureyes_display::{banner::Banner, closing::closing_table};
use foureyes_ports::{
    sandbox::SandboxError,
    view::{RoleState, View},
};
use foureyes_protocol::FeatureId;
use sinks::Ending;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// What is known before anything starts.
pub struct Prepared {
    /// Where the state lies.
    pub state: StateDir,
    /// The accepted configuration.
    pub accepted: Accepted,
    /// The user's repository.
    pub repository: PathBuf,
    /// The built-in repository that the run is about, if any.
    pub demo: bool,
    /// What there is to know of the machine.
    pub machine: prerequisites::Report,
}

pub use plan::dry_run;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Every feature is done or cancelled.
    Done,
    /// The user, a signal or `agents down`.
    Asked,
    /// The supervision tree gave up.
    Meltdown,
}

/// Looks at everything that must hold before a start.
///
/// # Errors
/// What does not, with the command that mends it.
pub fn prepare(args: &RunArgs) -> Result<Prepared, CliError> {
    let root = StateRoot::from_env()?;
    let source = source(args)?;
    let advisory = args.tier == Some(TierArg::Advisory);
    let builtin = source_builtin(&source)?;
    let repository = match builtin {
        Some(Builtin::Demo) => demo::repository(&root, args.repo.as_deref())?,
        None => repository::find(args.repo.as_deref())?,
    };
    let state = root.of(&repository);
    state.create()?;
    let machine = prerequisites::ensure(state.root(), args.fix, advisory)?;
    let now = unix_ms();
    let accepted = trust::accepted(
        &state,
        &source,
        &mut terminal::Terminal,
        &mut |prompt, decision| crate::confirm::confirm(&state, prompt, decision, now),
        now,
    )?;
    let mut machine = machine;
    machine.findings.extend(agents_needs::ensure(&accepted.config, args.fix)?);
    Ok(Prepared { state, accepted, repository, demo: builtin.is_some(), machine })
}

fn source(args: &RunArgs) -> Result<ConfigSource, CliError> {
    match &args.config {
        Some(name) => ConfigSource::resolve(Some(name), None),
        None => {
            let repository = repository::find(args.repo.as_deref())?;
            ConfigSource::resolve(None, Some(&repository))
        }
    }
}

fn source_builtin(source: &ConfigSource) -> Result<Option<Builtin>, CliError> {
    Ok(trust::Candidate::read(source)?.config.repository.builtin)
}

fn unix_ms() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "before a start there is no clock port yet")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Starts the runtime and shows it until it ends.
///
/// # Errors
/// What keeps it from starting.
pub async fn live(args: &RunArgs, prepared: Prepared) -> Result<ExitCode, CliError> {
    let began = Instant::now();
    journal::to_file(&prepared.state)?;
    let config = prepared.accepted.config.clone();
    let start = Start {
        state: prepared.state.clone(),
        user_repo: prepared.repository.clone(),
        name: name(&prepared),
        config: config.clone(),
        source: prepared.accepted.source.clone(),
        plays: prepared.accepted.plays.clone(),
        prompts: prepared.accepted.prompts.clone(),
        advisory: args.tier == Some(TierArg::Advisory),
        binary: std::env::current_exe()
            .map_err(|e| CliError::new(Exit::Internal, "cannot find the program's own file").because(&e))?,
    };
    let runtime = Runtime::start(start).await.map_err(|e| failed(&e))?;
    if prepared.accepted.new_acceptance.is_some() {
        trust::mark_recorded(&prepared.state)?;
    }
    let desk = Desk::new(runtime.governance.clone(), prepared.state.second_factor());
    let asked = Arc::new(Notify::new());
    let control = operator::serve(&prepared.state, &runtime, desk.clone(), asked.clone())?;
    submit(&desk, &config.tasks, &args.task).await?;
    let views = runtime.handle().view();
    roles_up(views.clone()).await;
    let shown = banner(&prepared, &runtime, &views.borrow(), began);
    let head = foureyes_display::banner::banner(&shown, terminal::page()) + &plan::expected(&prepared);
    let ending = Ending {
        until_done: args.until_done || config.run.until_done,
        stay_open: config.run.stay_open.duration(),
    };
    let stage = demo::Stage::new(prepared.demo, desk.clone(), views.clone());
    let end = show(args, &prepared, &runtime, desk, ending, head, &stage, asked).await;
    let last = views.borrow().clone();
    drop(control);
    let killed = runtime.handle().shutdown().await;
    let core = runtime.core;
    tokio::task::spawn_blocking(move || core.join()).await.ok();
    finish(args, &prepared, &last, end, &killed)
}

fn name(prepared: &Prepared) -> String {
    let last = prepared.repository.file_name().map(|n| n.to_string_lossy().into_owned());
    foureyes_ports::text::clean_text(&last.unwrap_or_else(|| "repository".to_owned()), 60)
}

/// What a failed start means to the user.
fn failed(error: &ComposeError) -> CliError {
    let shown = |exit| CliError::new(exit, error.to_string());
    match error {
        ComposeError::Ledger(foureyes_ledger::OpenError::Locked { .. }) => {
            shown(Exit::AlreadyRunning).hint("`agents status` shows the running one, `agents down` stops it")
        }
        ComposeError::Ledger(_) | ComposeError::Damaged(_) | ComposeError::Replay(_) => {
            shown(Exit::Audit).hint("`agents audit verify` says what is wrong with the ledger")
        }
        ComposeError::Sandbox(SandboxError::Missing) => shown(Exit::Prerequisite)
            .hint("install it (`agents run … --fix` does), or go without a wall: `--tier advisory`"),
        ComposeError::Sandbox(_) | ComposeError::Hole(_) => shown(Exit::Prerequisite)
            .hint("`agents doctor` says what this system forbids; `--tier advisory` runs without a wall"),
        ComposeError::Vcs(_) => shown(Exit::No),
        _ => shown(Exit::Internal),
    }
}

/// Asks for what the configuration and the command line name, unless the ledger knows it already.
async fn submit(desk: &Desk, tasks: &[Task], texts: &[String]) -> Result<(), CliError> {
    let known = known_features(desk);
    let mut taken: Vec<FeatureId> = known.iter().map(|(id, _)| id.clone()).collect();
    let named = tasks.iter().map(|t| (t.id.clone(), t.title.clone(), t.text.clone()));
    let typed = texts.iter().map(|t| (None, first_line(t), t.clone()));
    for (id, title, text) in named.chain(typed) {
        let asked_before = known.iter().any(|(k, t)| id.as_ref().map_or(*t == title, |id| id == k));
        if asked_before {
            continue;
        }
        let id = match id {
            Some(id) => id,
            None => slug(&title, &taken)?,
        };
        taken.push(id.clone());
        let text = if text.is_empty() { title.clone() } else { text };
        desk.request(id, title, text).await.map_err(|e| CliError::new(Exit::Refused, e.to_string()))?;
    }
    Ok(())
}

fn known_features(desk: &Desk) -> Vec<(FeatureId, String)> {
    let entries = desk.governance().core().context().journal.since(0);
    let request = |e: &foureyes_actors::journal::Entry| match &e.record.envelope.body {
        foureyes_protocol::Body::FeatureRequested(r) => {
            e.record.envelope.feature.clone().map(|id| (id, r.title.clone()))
        }
        _ => None,
    };
    entries.iter().filter_map(request).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(100).collect()
}

/// A short name made of a title, different from all that are taken.
///
/// # Errors
/// Never for a title that has a letter or digit; else says so.
pub fn slug(title: &str, taken: &[FeatureId]) -> Result<FeatureId, CliError> {
    let mut base: String =
        title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    while base.contains("--") {
        base = base.replace("--", "-");
    }
    let base: String = base.trim_matches('-').chars().take(40).collect();
    let base = if base.is_empty() { "feature".to_owned() } else { base.trim_end_matches('-').to_owned() };
    let free = |id: &FeatureId| !taken.contains(id);
    let candidates = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
    let found = candidates.filter_map(|c| FeatureId::new(&c).ok()).find(free);
    found.ok_or_else(|| {
        CliError::new(Exit::Usage, "the feature needs a name").hint("`agents feature new --id NAME TEXT`")
    })
}

/// Waits until every role's process has started, or is known not to start now.
async fn roles_up(mut views: watch::Receiver<Arc<View>>) {
    let settled = |v: &Arc<View>| {
        let up = |s: RoleState| !matches!(s, RoleState::Starting);
        !v.roles.is_empty()
            && v.roles.iter().all(|r| up(r.state) && (r.pid.is_some() || r.generation == 0 && v.version > 2))
    };
    // A role that does not come up is shown as such; the run goes on without it.
    let _ = timeout(Duration::from_secs(10), views.wait_for(settled)).await;
}

fn banner(prepared: &Prepared, runtime: &Runtime, view: &View, began: Instant) -> Banner {
    let started = view.roles.iter().filter(|r| r.pid.is_some()).count();
    Banner {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        repository: prepared.repository.display().to_string(),
        target: view.target.clone(),
        epoch: view.epoch,
        tier: runtime.tier.to_string(),
        self_test: runtime.walls.clone(),
        roles: started,
        asleep: view.roles.len() - started,
        roles_up_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        records: view.records,
        head: view.head,
        prerequisites: prepared.machine.for_banner(),
        warnings: runtime.note.iter().cloned().collect(),
    }
}

#[allow(clippy::too_many_arguments, reason = "what the displays are fed from, each from another place")]
async fn show(
    args: &RunArgs,
    prepared: &Prepared,
    runtime: &Runtime,
    desk: Desk,
    ending: Ending,
    head: String,
    stage: &demo::Stage,
    asked: Arc<Notify>,
) -> End {
    let _ = prepared;
    let views = runtime.handle().view();
    let shown = sinks::show(args, views.clone(), desk, ending, head, stage, asked.clone());
    tokio::select! {
        end = shown => end,
        () = sinks::signalled() => End::Asked,
        () = asked.notified() => End::Asked,
        () = melted(runtime) => End::Meltdown,
    }
}

/// Ends when the tree has given up: nothing is moved any more, and somebody must look.
async fn melted(runtime: &Runtime) {
    runtime.core.melted().await;
}

fn finish(
    args: &RunArgs,
    prepared: &Prepared,
    last: &View,
    end: End,
    killed: &[String],
) -> Result<ExitCode, CliError> {
    if !args.json {
        println!("{}", closing_table(last, terminal::page()));
    }
    for who in killed {
        eprintln!("{who} did not stop in time and was ended");
    }
    if prepared.demo && end == End::Done {
        demo::close(prepared, args.json)?;
    }
    match end {
        End::Done | End::Asked => Ok(Exit::Ok.into()),
        End::Meltdown => {
            Err(CliError::new(Exit::Supervision, "the supervision tree gave up after too many failures")
                .hint("`agents logs` and the log file say why; `agents run` continues where it was"))
        }
    }
}

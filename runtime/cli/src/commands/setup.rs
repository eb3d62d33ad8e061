//! `trust`, `check`, `doctor`: before anything runs.

use super::{Place, now_ms, print};
use crate::{
    agents_needs,
    args::{CheckArgs, DoctorArgs, TrustArgs},
    compose::{Start, Trial, trial},
    confirm::confirm,
    error::CliError,
    exit::Exit,
    prerequisites,
    state::StateRoot,
    terminal::{Prompt as _, Terminal},
    trust::{self, Candidate, ConfigSource, Review},
};
use foureyes_config::trust::describe;
use foureyes_ports::text::clean_text;
use foureyes_protocol::testrun::{RunOutcome, TestStatus};
use std::{fmt::Write as _, path::Path, process::ExitCode};

/// Characters of a value that are shown.
const LONGEST: usize = 160;

pub(super) fn trust(place: &Place, args: &TrustArgs) -> Result<ExitCode, CliError> {
    let state = place.state()?;
    let source = ConfigSource::resolve(args.config.as_deref(), Some(state.repository()))?;
    let review = Review::of(&state, &source)?;
    if args.show {
        return print(&review.text());
    }
    let now = now_ms();
    if review.settled(&state, now)? {
        return print("accepted already\n");
    }
    if args.yes {
        review.accept_if_stricter(&state, now)?;
    } else {
        let mut prompt = Terminal;
        if !prompt.is_terminal() {
            return Err(review.refusal());
        }
        review.ask(
            &state,
            &mut prompt,
            &mut |prompt, decision| confirm(&state, prompt, decision, now),
            now,
        )?;
    }
    print("accepted: the next `agents run` uses it\n")
}

pub(super) fn check(place: &Place, args: &CheckArgs) -> Result<ExitCode, CliError> {
    // A configuration can be checked where no repository is.
    let repository = place.repository();
    let source = match (&args.config, &repository) {
        (None, Err(error)) => return Err(error.clone()),
        (named, repository) => ConfigSource::resolve(named.as_deref(), repository.as_deref().ok())?,
    };
    let candidate = Candidate::read(&source)?;
    trust::check_prompts(&super::prompt::role_prompts(&candidate, repository.ok().as_deref())?)?;
    print(&if args.json { checked_json(&candidate) } else { checked(&candidate) })
}

fn checked(candidate: &Candidate) -> String {
    let changes = describe(None, &candidate.config);
    let rules = changes.iter().filter(|c| c.loosens && !c.key.starts_with("roles.")).count();
    let mut out = format!("{}: no mistakes\n", clean_text(&candidate.name, LONGEST));
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  policy {}, {} roles, {} tasks",
        candidate.config.digest().short(),
        candidate.config.roles.len(),
        candidate.config.tasks.len()
    );
    let _ = match rules {
        0 => writeln!(out, "  no rule and no limit is looser than the default"),
        n => writeln!(out, "  {n} keys are looser than the default"),
    };
    for change in &changes {
        let mark = if change.loosens { "LOOSENS" } else { "       " };
        let word = |v: &Option<String>| v.as_deref().map_or("nothing".to_owned(), |v| clean_text(v, LONGEST));
        let _ = writeln!(
            out,
            "  {mark} {}: {} -> {}",
            clean_text(&change.key, LONGEST),
            word(&change.old),
            word(&change.new)
        );
    }
    out
}

fn checked_json(candidate: &Candidate) -> String {
    let change = |c: foureyes_config::trust::TrustChange| serde_json::json!({ "key": c.key, "default": c.old, "value": c.new, "loosens": c.loosens });
    let changes: Vec<_> = describe(None, &candidate.config).into_iter().map(change).collect();
    let report = serde_json::json!({
        "source": candidate.name, "policy": candidate.config.digest(), "embedded": candidate.embedded,
        "roles": candidate.config.roles.len(), "changes": changes,
    });
    format!("{report:#}\n")
}

pub(super) fn doctor(place: &Place, args: &DoctorArgs) -> Result<ExitCode, CliError> {
    let root = StateRoot::from_env()?;
    let mut report = prerequisites::look(root.path(), false);
    if args.fix {
        let absent = report.findings.iter().filter(|f| !f.met);
        prerequisites::install(absent.filter_map(|f| f.package).collect())?;
        report = prerequisites::look(root.path(), false);
    }
    if let Ok(config) = place.repository().and_then(|r| configured(&r)) {
        report.findings.extend(agents_needs::look(&config));
    }
    let missing = report.missing().count();
    let text = match args.json {
        true => foureyes_display::status::json(&report),
        false => report.text(),
    };
    print(&text)?;
    if missing > 0 {
        return Ok(Exit::Prerequisite.into());
    }
    match place.repository() {
        Ok(repository) if !args.json => suite(&root, &repository),
        _ => Ok(Exit::Ok.into()),
    }
}

/// The configuration of a repository, else the default.
fn configured(repository: &Path) -> Result<foureyes_config::Config, CliError> {
    let source = ConfigSource::resolve(None, Some(repository)).unwrap_or(ConfigSource::Embedded("default"));
    Ok(trust::Candidate::read(&source)?.config)
}

/// Tries the wall, and the suite once on the tip of the target branch in the gate sandbox.
fn suite(root: &StateRoot, repository: &Path) -> Result<ExitCode, CliError> {
    let config = configured(repository)?;
    let state = StateRoot::at(&root.path().join(format!("doctor-{}", std::process::id()))).of(repository);
    state.create()?;
    let start = Start {
        state: state.clone(),
        user_repo: repository.to_owned(),
        name: "doctor".to_owned(),
        config,
        source: String::new(),
        plays: std::collections::BTreeMap::new(),
        prompts: crate::prompts::PromptFiles::default(),
        advisory: false,
        binary: std::env::current_exe()
            .map_err(|e| CliError::new(Exit::Internal, "cannot find the program's own file").because(&e))?,
    };
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let threads = threads.map_err(|e| CliError::new(Exit::Internal, "cannot start threads").because(&e))?;
    let tried = threads.block_on(trial(start));
    // What is left behind is removed by the next doctor's user with the state directory.
    let _ = std::fs::remove_dir_all(state.root().parent().unwrap_or(state.root()));
    let tried = tried.map_err(|e| CliError::new(Exit::Prerequisite, e.to_string()))?;
    let (text, good) = said(&tried);
    print(&text)?;
    Ok(if good { Exit::Ok.into() } else { Exit::No.into() })
}

/// A trial in words, and whether a run can start from it.
fn said(tried: &Trial) -> (String, bool) {
    let held = tried.walls.iter().filter(|w| w.held).count();
    let mut text = format!(
        "ok      {:<16} {}, {held} of {} attacks stopped\n",
        "sandbox",
        tried.tier,
        tried.walls.len()
    );
    text.extend(tried.note.iter().map(|note| format!("        {note}\n")));
    let (line, good) = match tried.report.as_ref().map(|r| (r, &r.outcome)) {
        None => ("none    suite            no test command is configured and none was recognised: only docs and chores can run; set gates.suite.command".to_owned(), false),
        Some((report, RunOutcome::Completed { exit })) if report.per_test => {
            let count = |status| report.count(status);
            let (passed, failed) = (count(TestStatus::Passed), count(TestStatus::Failed));
            let mark = if failed == 0 { "ok     " } else { "fails  " };
            (format!("{mark} suite            {passed} passed, {failed} failed ({}, exit {exit})", report.adapter), true)
        }
        Some((report, RunOutcome::Completed { exit })) => (format!("ran     suite            exit code {exit} ({})", report.adapter), *exit == 0),
        Some((_, RunOutcome::BuildFailed { message, .. })) => (format!("BROKEN  suite            the target branch does not build: {message}"), false),
        Some((_, RunOutcome::BrokenEnvironment { message })) => (format!("BROKEN  suite            {message}"), false),
        Some((_, RunOutcome::LimitExceeded { message })) => (format!("LIMIT   suite            {message}"), false),
    };
    (text + &line + "\n", good)
}

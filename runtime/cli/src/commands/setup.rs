//! `trust`, `check`, `doctor`: before anything runs.

use super::{Place, now_ms, print};
use crate::{
    args::{CheckArgs, DoctorArgs, TrustArgs},
    confirm::confirm,
    error::CliError,
    exit::Exit,
    prerequisites,
    state::StateRoot,
    terminal::{Prompt as _, Terminal},
    trust::{Candidate, ConfigSource, Review},
};
use foureyes_config::trust::describe;
use foureyes_ports::text::clean_text;
use std::{fmt::Write as _, process::ExitCode};

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

pub(super) fn doctor(args: &DoctorArgs) -> Result<ExitCode, CliError> {
    let state = StateRoot::from_env()?;
    let mut report = prerequisites::look(state.path(), false);
    if args.fix {
        let absent = report.findings.iter().filter(|f| !f.met);
        prerequisites::install(absent.filter_map(|f| f.package).collect())?;
        report = prerequisites::look(state.path(), false);
    }
    let missing = report.missing().count();
    let text = match args.json {
        true => foureyes_display::status::json(&report),
        false => report.text(),
    };
    print(&text)?;
    Ok(if missing == 0 { Exit::Ok.into() } else { Exit::Prerequisite.into() })
}

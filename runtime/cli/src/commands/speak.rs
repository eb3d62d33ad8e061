//! What the user says to the runtime: features, messages, answers, freeze, roles, the end.

use super::{Place, look, print};
use crate::{
    args::{AnswerArgs, DebugCommand, FeatureCommand, FreezeArgs, RoleCommand, SendArgs},
    control::protocol::{Request, RoleAction},
    error::CliError,
    exit::Exit,
};
use foureyes_protocol::{Address, FeatureId, PrincipalId, body::FeatureAction};
use std::{process::ExitCode, thread, time::Duration};

/// How often, and how long apart, it is looked whether the runtime has ended: 60 s in all.
const LOOKS: u32 = 600;
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn act(place: &Place, request: Request) -> Result<ExitCode, CliError> {
    let text = place.client()?.act(request)?;
    print(&format!("{text}\n"))
}

pub(super) fn feature(place: &Place, command: FeatureCommand) -> Result<ExitCode, CliError> {
    let (action, args) = match command {
        FeatureCommand::New { title, text, id } => return new(place, title, text, id),
        FeatureCommand::List(json) => return look::feature_list(place, json.json),
        FeatureCommand::Show { feature, json } => return look::feature_show(place, &feature, json),
        FeatureCommand::Cancel(args) => (FeatureAction::Cancel, args),
        FeatureCommand::Pause(args) => (FeatureAction::Pause, args),
        FeatureCommand::Retry(args) => (FeatureAction::Retry, args),
        FeatureCommand::Reopen(args) => (FeatureAction::Reopen, args),
    };
    act(place, Request::Steer { id: args.feature, action, reason: args.reason })
}

fn new(place: &Place, title: String, text: String, id: Option<FeatureId>) -> Result<ExitCode, CliError> {
    let client = place.client()?;
    let id = match id {
        Some(id) => id,
        None => {
            let taken = client.view()?.features.into_iter().map(|f| f.id).collect::<Vec<_>>();
            name_of(&title, &taken)?
        }
    };
    let text = if text.is_empty() { title.clone() } else { text };
    let done = client.act(Request::Feature { id: id.clone(), title, text })?;
    print(&format!("{id}: {done}\n"))
}

/// A short name made from a title, none of those taken.
///
/// # Errors
/// [`Exit::Usage`] when the title has no letter or digit of ASCII.
pub(crate) fn name_of(title: &str, taken: &[FeatureId]) -> Result<FeatureId, CliError> {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let words: String = title.chars().map(keep).collect();
    let short = words.split('-').filter(|word| !word.is_empty()).take(5).collect::<Vec<_>>().join("-");
    let short: String = short.chars().take(40).collect();
    let short = short.trim_end_matches('-');
    let numbered = (2..).map(|n: u32| format!("{short}-{n}"));
    let free =
        std::iter::once(short.to_owned()).chain(numbered).filter_map(|name| FeatureId::new(&name).ok());
    let usable = !short.is_empty();
    free.take(if usable { taken.len() + 1 } else { 0 }).find(|id| !taken.contains(id)).ok_or_else(|| {
        CliError::new(Exit::Usage, "no short name can be made from the title")
            .at(title)
            .hint("name one: --id NAME")
    })
}

pub(super) fn send(place: &Place, args: SendArgs) -> Result<ExitCode, CliError> {
    let to = receiver(&args.to)?;
    act(place, Request::Send { to, text: args.text, feature: args.feature })
}

/// A role, a family (also in the plural) or all.
fn receiver(text: &str) -> Result<Address, CliError> {
    let family = text.parse().or_else(|_| text.trim_end_matches('s').parse()).map(Address::Family);
    let one = PrincipalId::new(text).map(Address::One);
    match text {
        "all" => Ok(Address::All),
        // These are families and roles of one at once; the role is meant.
        "orchestrator" | "librarian" | "docs" | "user" | "system" => one,
        _ => family.or_else(|_| text.parse()),
    }
    .map_err(|e| {
        CliError::new(Exit::Usage, "that is no receiver")
            .at(text)
            .because(&e)
            .hint("agents ps lists the roles")
    })
}

pub(super) fn answer(place: &Place, args: AnswerArgs) -> Result<ExitCode, CliError> {
    act(place, Request::Answer { which: args.question, text: args.text })
}

pub(super) fn freeze(place: &Place, args: FreezeArgs) -> Result<ExitCode, CliError> {
    act(place, Request::Freeze { reason: args.reason })
}

pub(super) fn role(place: &Place, command: RoleCommand) -> Result<ExitCode, CliError> {
    let (role, action) = match command {
        RoleCommand::Restart { role } => (role, RoleAction::Restart),
        RoleCommand::Pause { role } => (role, RoleAction::Pause),
    };
    act(place, Request::Role { role, action })
}

pub(super) fn debug(place: &Place, command: DebugCommand) -> Result<ExitCode, CliError> {
    let DebugCommand::Crash { path } = command;
    act(place, Request::Crash(path))
}

#[allow(
    clippy::disallowed_methods,
    reason = "another process is waited for: there is nothing to be woken by"
)]
pub(super) fn down(place: &Place) -> Result<ExitCode, CliError> {
    let client = place.client()?;
    let text = client.act(Request::Down)?;
    for _ in 0..LOOKS {
        if !client.is_running() {
            return print(&format!("{text}\n"));
        }
        thread::sleep(LOOK_EVERY);
    }
    Err(CliError::new(Exit::No, "the runtime was asked to end and still runs")
        .at(client.state().repository().display())
        .hint("look at what it does: agents status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_make_short_names() {
        let taken = [FeatureId::new("add-a-greeting").unwrap()];
        for (title, wanted) in [
            ("Add a greeting", "add-a-greeting-2"),
            ("  Größe: mean, median & standard deviation!", "gr-e-mean-median-standard"),
            ("x", "x"),
        ] {
            assert_eq!(name_of(title, &taken).unwrap().as_str(), wanted);
        }
        assert_eq!(name_of("äöü", &[]).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn receivers_are_roles_families_or_all() {
        let rows = [
            ("dev-a", "dev-a"),
            ("devs", "family:dev"),
            ("dev", "family:dev"),
            ("all", "all"),
            ("docs", "docs"),
        ];
        for (text, wanted) in rows {
            assert_eq!(receiver(text).unwrap().to_string(), wanted);
        }
        assert!(receiver("Not A Role").is_err());
    }
}

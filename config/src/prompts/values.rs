//! What the parts can name of a role, its team and its repository.

use super::{Facts, fill::Values, manifest::Manifest};
use crate::{
    Config,
    sections::suite::{Adapter, Suite},
};
use foureyes_protocol::{Family, PrincipalId};

/// So many members of a family are named in a prompt; the tool `team` knows the others.
const NAMED: usize = 6;

/// The values of a role.
pub(super) fn values(
    config: &Config,
    manifest: &Manifest,
    role: &PrincipalId,
    family: Family,
    facts: &Facts,
) -> Values {
    let (eyes, gates) = (&config.four_eyes, &config.gates);
    Values::from([
        ("role", role.to_string()),
        ("family", family.to_string()),
        ("repository", plain(facts.repository)),
        ("target", plain(facts.target)),
        ("pair", pair(config, role, family)),
        ("team", team(config)),
        ("orchestrator", address(config, role, Family::Orchestrator)),
        ("librarian", address(config, role, Family::Librarian)),
        ("lens", lens(config, manifest, role, family)),
        ("suite", suite(&gates.suite)),
        ("test_files", list(gates.suite.test_files.values().flatten())),
        ("docs_paths", list(config.paths.docs.iter())),
        ("eyes_lines", eyes.lines.to_string()),
        ("eyes_files", eyes.files.to_string()),
        ("mend_lines", gates.mend_lines.to_string()),
        ("returns_orchestrator", gates.returns.orchestrator.to_string()),
        ("returns_user", gates.returns.user.to_string()),
        ("qa_hours", (gates.spot_checks.qa_due.0 / 3_600_000).to_string()),
    ])
}

/// A name within a line of Markdown.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control() && *c != '`').collect()
}

fn quoted(name: impl std::fmt::Display) -> String {
    format!("`{name}`")
}

fn members(config: &Config, family: Family) -> Vec<&PrincipalId> {
    config.roles.iter().filter(|r| r.family == family).map(|r| &r.id).collect()
}

/// The others of the family.
fn pair(config: &Config, role: &PrincipalId, family: Family) -> String {
    let others: Vec<&PrincipalId> = members(config, family).into_iter().filter(|id| *id != role).collect();
    match others.as_slice() {
        [] => "none; others stand in".to_owned(),
        others => named(others),
    }
}

/// `` `a`, `b` and `c` ``, cut where there are many.
fn named(ids: &[&PrincipalId]) -> String {
    let words: Vec<String> = ids.iter().take(NAMED).map(quoted).collect();
    match (ids.len().checked_sub(NAMED), words.split_last()) {
        (Some(more), _) if more > 0 => format!("{} and {more} more", words.join(", ")),
        (_, Some((last, rest))) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn team(config: &Config) -> String {
    let line = |family: Family| {
        let ids = members(config, family);
        match ids.as_slice() {
            [] => None,
            [only] if only.as_str() == family.as_str() => Some(quoted(family)),
            ids => Some(format!("{family} {}", named(ids))),
        }
    };
    Family::ROLES.into_iter().filter_map(line).chain(["the `user`".to_owned()]).collect::<Vec<_>>().join("; ")
}

/// Whom to address for something that is this family's: a role, the family, or the user where there
/// is nobody else.
fn address(config: &Config, role: &PrincipalId, family: Family) -> String {
    let others: Vec<&PrincipalId> = members(config, family).into_iter().filter(|id| *id != role).collect();
    match others.as_slice() {
        [] => "user".to_owned(),
        [only] => only.to_string(),
        _ => format!("family:{family}"),
    }
}

/// What this member of the family looks at with special care.
fn lens(config: &Config, manifest: &Manifest, role: &PrincipalId, family: Family) -> String {
    let place = members(config, family).iter().position(|id| *id == role).unwrap_or(0);
    let lenses = manifest.lenses.get(&family).map(Vec::as_slice).unwrap_or_default();
    let lens = place.checked_rem(lenses.len()).and_then(|n| lenses.get(n));
    lens.cloned().unwrap_or_else(|| "whatever a quick reader passes over".to_owned())
}

/// The test command in words.
fn suite(suite: &Suite) -> String {
    if !suite.command.is_empty() {
        return quoted(plain(&suite.command.join(" ")));
    }
    match suite.adapter {
        Adapter::Libtest => "`cargo test`",
        Adapter::Pytest => "`python3 -m pytest`",
        Adapter::Unittest => "`python3 -m unittest`",
        Adapter::Auto | Adapter::Generic => {
            "the suite of the manifests, such as `cargo test`, `python3 -m pytest` or `python3 -m unittest`"
        }
    }
    .to_owned()
}

fn list<'a>(globs: impl Iterator<Item = &'a String>) -> String {
    globs.map(|glob| quoted(plain(glob))).collect::<Vec<_>>().join(", ")
}

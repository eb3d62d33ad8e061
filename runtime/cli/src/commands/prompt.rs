//! `prompt show` and `prompt list`: what each role is told before its first turn.

use super::{Place, print};
use crate::{
    args::{PromptCommand, PromptSource},
    error::CliError,
    exit::Exit,
    prompts::RolePrompts,
    state::StateRoot,
    trust::{self, Candidate, ConfigSource},
};
use foureyes_config::prompts::{Prompt, PromptErrors, Size};
use foureyes_protocol::PrincipalId;
use std::{collections::BTreeMap, fmt::Write as _, path::Path, process::ExitCode};

pub(super) fn prompt(place: &Place, command: &PromptCommand) -> Result<ExitCode, CliError> {
    match command {
        PromptCommand::Show { role, source } => show(place, role, source),
        PromptCommand::List(source) => list(place, source),
    }
}

/// The prompts by a configuration as it lies there now, accepted or not.
pub(super) fn role_prompts(
    candidate: &Candidate,
    repository: Option<&Path>,
) -> Result<RolePrompts, CliError> {
    let texts = match repository {
        Some(repository) => trust::texts(repository, &trust::instructions(repository)?)?,
        None => BTreeMap::new(),
    };
    let files = candidate.prompts.files(repository, texts);
    Ok(RolePrompts::here(candidate.config.clone(), files, repository))
}

fn read(place: &Place, source: &PromptSource) -> Result<(RolePrompts, Option<String>), CliError> {
    let repository = place.repository().ok();
    let named = source.config.as_deref();
    let resolved = match ConfigSource::resolve(named, repository.as_deref()) {
        Err(_) if named.is_none() => ConfigSource::Embedded("default"),
        resolved => resolved?,
    };
    let candidate = Candidate::read(&resolved)?;
    let prompts = role_prompts(&candidate, repository.as_deref())?;
    let note = repository.and_then(|repository| not_accepted(&candidate, &repository));
    Ok((prompts, note))
}

/// What to say where these prompts are not those that a run would use.
fn not_accepted(candidate: &Candidate, repository: &Path) -> Option<String> {
    let state = StateRoot::from_env().ok()?.of(repository);
    let accepted = trust::load(&state).ok()?;
    let same = accepted.is_some_and(|accepted| accepted.digest() == candidate.digest());
    (!same && !candidate.embedded)
        .then(|| "not accepted yet: a run uses it after `agents trust`\n".to_owned())
}

fn show(place: &Place, role: &PrincipalId, source: &PromptSource) -> Result<ExitCode, CliError> {
    let (prompts, note) = read(place, source)?;
    let wrong = |errors: &PromptErrors| unknown(&prompts, role).unwrap_or_else(|| mistakes(errors));
    // One that is too large is shown as well: else nobody could see what to shorten.
    let made = prompts.measured(role).map_err(|errors| wrong(&errors))?;
    if source.json {
        print(&foureyes_display::status::json(&made))?;
    } else {
        eprint!("{}{}", sizes(&made), note.unwrap_or_default());
        print(&made.text)?;
    }
    prompts.of(role).map(|_| Exit::Ok.into()).map_err(|errors| wrong(&errors))
}

fn unknown(prompts: &RolePrompts, role: &PrincipalId) -> Option<CliError> {
    let roles: Vec<&str> = prompts.config().roles.iter().map(|r| r.id.as_str()).collect();
    let known = roles.contains(&role.as_str());
    (!known).then(|| {
        CliError::new(Exit::No, "there is no such role")
            .at(role)
            .hint(format!("the roles are {}", roles.join(", ")))
    })
}

fn mistakes(errors: &PromptErrors) -> CliError {
    let error = CliError::new(Exit::Config, "the prompt has mistakes");
    errors.errors().iter().fold(error, |error, mistake| error.why(mistake.to_string()))
}

/// The parts with their tokens, and the sums against the budgets.
fn sizes(prompt: &Prompt) -> String {
    let mut out = format!("{:<24} {:>7}  FROM\n", "PART", "TOKENS");
    let mut rows = |sizes: &[Size], own: &str, sum: &str, tokens: u32, budget: u32| {
        for size in sizes {
            let from = if size.own { own } else { "built-in" };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{:<24} {:>7}  {from}", size.name, size.tokens);
        }
        let _ = writeln!(out, "{sum:<24} {tokens:>7}  of {budget}");
    };
    rows(&prompt.parts, "yours", "parts", prompt.tokens, prompt.budget);
    if !prompt.instructions.is_empty() {
        let (tokens, budget) = (prompt.instruction_tokens, prompt.instruction_budget);
        rows(&prompt.instructions, "the repository", "the project's own", tokens, budget);
    }
    let _ = writeln!(out, "a token is estimated as three bytes; digest {}", prompt.digest.short());
    out
}

fn list(place: &Place, source: &PromptSource) -> Result<ExitCode, CliError> {
    let (prompts, note) = read(place, source)?;
    trust::check_prompts(&prompts)?;
    let roles = prompts.config().roles.iter();
    let made: Vec<Prompt> =
        roles.map(|r| prompts.of(&r.id)).collect::<Result<_, _>>().map_err(|errors| mistakes(&errors))?;
    if source.json {
        let brief = |p: &Prompt| {
            serde_json::json!({
                "role": p.role, "family": p.family, "tokens": p.tokens, "budget": p.budget,
                "instruction_tokens": p.instruction_tokens, "instruction_budget": p.instruction_budget,
                "parts": p.parts, "instructions": p.instructions, "digest": p.digest,
            })
        };
        return print(&foureyes_display::status::json(&made.iter().map(brief).collect::<Vec<_>>()));
    }
    eprint!("{}", note.unwrap_or_default());
    print(&table(&made))
}

fn table(made: &[Prompt]) -> String {
    let mut out =
        format!("{:<16} {:<13} {:>6} {:>7} {:>7}  YOURS\n", "ROLE", "FAMILY", "PARTS", "TOKENS", "BUDGET");
    for prompt in made {
        let own: Vec<&str> = prompt.parts.iter().filter(|p| p.own).map(|p| p.name.as_str()).collect();
        let project = prompt.instructions.iter().filter(|p| p.own).map(|p| p.name.as_str());
        let own: Vec<&str> = own.into_iter().chain(project).collect();
        let _ = writeln!(
            out,
            "{:<16} {:<13} {:>6} {:>7} {:>7}  {}",
            prompt.role,
            prompt.family,
            prompt.parts.len(),
            prompt.tokens,
            prompt.budget,
            if own.is_empty() { "–".to_owned() } else { own.join(" ") }
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prompts::PromptFiles, trust::PartFolder};
    use foureyes_config::Config;

    fn prompts(files: PromptFiles) -> RolePrompts {
        RolePrompts::new(Config::default(), files, "slate", "main")
    }

    #[test]
    fn the_parts_of_a_role_and_of_all_are_listed_with_their_tokens() {
        let files = PromptFiles {
            folder: ".agents/prompts".to_owned(),
            parts: BTreeMap::from([("reports.md".to_owned(), "Be brief.".to_owned())]),
            instructions: BTreeMap::from([("AGENTS.md".to_owned(), "Use tabs.".to_owned())]),
        };
        let prompts = prompts(files);
        let docs = prompts.of(&PrincipalId::new("docs").unwrap()).unwrap();
        let steady = |text: String| text.replace(&docs.digest.short(), "DIGEST");
        insta::assert_snapshot!("parts_of_docs", steady(sizes(&docs)));
        let all: Vec<Prompt> = prompts.config().roles.iter().map(|r| prompts.of(&r.id).unwrap()).collect();
        insta::assert_snapshot!("prompts_of_all", table(&all));
    }

    #[test]
    fn mistakes_end_as_mistakes_of_the_configuration() {
        let parts = BTreeMap::from([("orders.md".to_owned(), "${rolle}".to_owned())]);
        let files = PromptFiles { folder: ".agents/prompts".to_owned(), parts, ..PromptFiles::default() };
        let error = trust::check_prompts(&prompts(files)).unwrap_err();
        assert_eq!(error.exit, Exit::Config);
        insta::assert_snapshot!(error, @r"
        error: the prompts have mistakes
          because: .agents/prompts/orders.md:1:1: there is no value ${rolle}
                     hint: did you mean `role`?
          hint: `agents prompt show ROLE` prints a prompt with the tokens of its parts
        ");
        assert_eq!(PartFolder::default().files(None, BTreeMap::new()), PromptFiles::default());
    }

    #[test]
    fn a_prompt_that_is_too_large_can_be_looked_at() {
        let config = foureyes_config::load("prompts: {budgets: {docs: 900}}", "x").unwrap();
        let prompts = RolePrompts::new(config, PromptFiles::default(), "slate", "main");
        let docs = PrincipalId::new("docs").unwrap();
        assert!(prompts.of(&docs).is_err());
        assert!(sizes(&prompts.measured(&docs).unwrap()).contains("of 900"));
    }

    #[test]
    fn a_role_that_is_not_there_is_told_with_those_that_are() {
        let error = unknown(&prompts(PromptFiles::default()), &PrincipalId::new("dev-z").unwrap()).unwrap();
        assert_eq!(error.exit, Exit::No);
        assert!(error.to_string().contains("the roles are orchestrator, librarian"), "{error}");
    }
}

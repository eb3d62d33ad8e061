//! What the agents of a configuration need of this machine: their program and a login for its model.

use crate::{
    claude,
    error::CliError,
    exit::Exit,
    prerequisites::{Finding, absent},
    programs,
};
use foureyes_config::{
    Config,
    sections::{
        model::Provider,
        roster::{Backend, Role},
    },
};
use foureyes_ledger::host::SystemClock;
use foureyes_model::proxy::{CredentialState, Settings};
use foureyes_ports::clock::Clock as _;
use std::{env, path::PathBuf};

/// The names of the findings.
const CLAUDE: &str = "claude";
const LOGIN: &str = "login";

/// Looks for what the agents of this configuration need; nothing where they need nothing.
pub fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if uses(config, |b| matches!(b, Backend::Claude { .. })) {
        findings.push(program(config));
    }
    if has_models(config) && config.model.provider != Provider::StandIn {
        findings.push(login(config));
    }
    findings
}

/// Whether any role's program has a model behind it.
pub fn has_models(config: &Config) -> bool {
    uses(config, |b| matches!(b, Backend::Claude { .. } | Backend::Acp { .. }))
}

fn uses(config: &Config, kind: impl Fn(&Backend) -> bool) -> bool {
    config.roles.iter().any(|role: &Role| kind(config.backend(role)))
}

/// Looks, and installs the program where it is missing and `fix` says so.
///
/// # Errors
/// [`Exit::Prerequisite`] with what mends it.
pub fn ensure(config: &Config, fix: bool) -> Result<Vec<Finding>, CliError> {
    let mut findings = look(config);
    let gone = |f: &Finding| f.name == CLAUDE && !f.met;
    if fix && findings.iter().any(gone) && config.agents.claude_program.is_none() {
        let words: Vec<String> = claude::INSTALL.split(' ').map(str::to_owned).collect();
        eprintln!("agents: running {}", claude::INSTALL);
        programs::run(&words)?;
        findings = look(config);
    }
    match findings.iter().find(|f| f.required && !f.met) {
        Some(finding) if finding.name == LOGIN => {
            Err(CliError::new(Exit::Prerequisite, "there is no login for the agents' model")
                .why(finding.detail.clone())
                .hint("without an account: agents run claude-offline"))
        }
        Some(finding) => Err(absent(finding)),
        None => Ok(findings),
    }
}

fn program(config: &Config) -> Finding {
    let found = claude::find(config.agents.claude_program.as_deref());
    let detail = match &found {
        Ok(path) => match claude::version(path) {
            Some(version) => {
                let remark = version.remark().map(|r| format!("; {r}")).unwrap_or_default();
                format!("{version} at {}{remark}", path.display())
            }
            None => format!("{} does not tell its version", path.display()),
        },
        Err(why) => why.to_string(),
    };
    Finding {
        name: CLAUDE,
        met: found.is_ok(),
        required: true,
        detail,
        purpose: "roles of the back end `claude`",
        package: None,
        mend: Some(claude::INSTALL.to_owned()),
    }
}

fn login(config: &Config) -> Finding {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let (met, detail) = match Settings::new(&config.model, &variable, &home) {
        Ok(settings) => match settings.credential_state(SystemClock::default().now_ms()) {
            state @ CredentialState::Missing { .. } => (false, state.to_string()),
            state => (true, format!("{state}, for {}", settings.host())),
        },
        Err(error) => (false, error.to_string()),
    };
    Finding {
        name: LOGIN,
        met,
        required: true,
        detail,
        purpose: "the agents' model; held by the runtime alone",
        package: None,
        mend: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripted_agents_need_nothing() {
        let scripted = foureyes_config::load("agents: {backend: {kind: command, argv: [sh]}}", "t.yaml");
        assert_eq!(look(&scripted.unwrap()), []);
    }

    #[test]
    fn a_stand_in_needs_the_program_and_no_login() {
        let config = foureyes_config::load("model: {provider: stand-in}", "t.yaml").unwrap();
        let names: Vec<&str> = look(&config).iter().map(|f| f.name).collect();
        assert_eq!(names, [CLAUDE]);
        let missing = "model: {provider: stand-in}\nagents: {claude_program: /nowhere/claude}";
        let config = foureyes_config::load(missing, "t.yaml").unwrap();
        let refused = ensure(&config, false).unwrap_err().to_string();
        assert!(refused.contains("/nowhere/claude") && refused.contains(claude::INSTALL), "{refused}");
    }

    #[test]
    fn a_login_that_is_not_there_is_named_and_so_is_the_way_without_one() {
        let text = "model: {credentials: file, credentials_file: /nowhere/key}\nagents: {backend: {kind: acp, argv: [x]}}";
        let config = foureyes_config::load(text, "t.yaml").unwrap();
        let refused = ensure(&config, false).unwrap_err().to_string();
        assert!(refused.contains("/nowhere/key") && refused.contains("claude-offline"), "{refused}");
    }
}

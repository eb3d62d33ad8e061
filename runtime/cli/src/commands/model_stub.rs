//! `agents model-stub`: the stand-in for a model alone, for a program that a person starts.

use super::print;
use crate::{
    args::ModelStubArgs,
    error::CliError,
    exit::Exit,
    trust::{Candidate, ConfigSource},
};
use foureyes_config::builtin;
use foureyes_gateway::standin::{self, Plays};
use foureyes_ledger::host::SystemClock;
use foureyes_model::standin::Server;
use foureyes_protocol::PrincipalId;
use std::{fs, net::Ipv4Addr, path::Path, process::ExitCode, sync::Arc};

/// Serves until it is interrupted.
pub(super) fn model_stub(args: &ModelStubArgs) -> Result<ExitCode, CliError> {
    let plays = plays(args)?;
    let model = standin::model(&plays, Arc::new(SystemClock::default()));
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let threads =
        threads.map_err(|e| CliError::new(Exit::Internal, "cannot start the stand-in").because(&e))?;
    threads.block_on(async {
        let server = Server::bind((Ipv4Addr::LOCALHOST, args.port).into(), model).await.map_err(|e| {
            let error = CliError::new(Exit::No, "the stand-in cannot listen").because(&e);
            error.at(format!("127.0.0.1:{}", args.port)).hint("name another port, or none")
        })?;
        print(&introduction(server.local_addr().port(), &plays))?;
        server.serve().await;
        Ok(Exit::Ok.into())
    })
}

/// What every role of the team plays.
fn plays(args: &ModelStubArgs) -> Result<Plays, CliError> {
    let source = ConfigSource::resolve(Some(&args.roster), None)?;
    let Candidate { config, plays: mut texts, .. } = Candidate::read(&source)?;
    let roster: Vec<_> = config.roles.iter().map(|role| (role.id.clone(), role.family)).collect();
    let mut named = config.model.plays;
    for (role, play) in &args.play {
        known(role, &roster)?;
        if builtin::play(play).is_none() {
            let file = Path::new(play);
            let text = fs::read_to_string(file);
            texts.insert(play.clone(), text.map_err(|e| CliError::file("cannot read a play", file, &e))?);
        }
        named.insert(role.to_string(), play.clone());
    }
    Plays::new(&roster, &named, &texts).map_err(|e| CliError::new(Exit::Config, e.to_string()))
}

fn known<T>(role: &PrincipalId, roster: &[(PrincipalId, T)]) -> Result<(), CliError> {
    if roster.iter().any(|(known, _)| known == role) {
        return Ok(());
    }
    let roles: Vec<&str> = roster.iter().map(|(known, _)| known.as_str()).collect();
    Err(CliError::new(Exit::Usage, format!("there is no role {role}"))
        .hint(format!("the roles are {}", roles.join(", "))))
}

fn introduction(port: u16, plays: &Plays) -> String {
    let roles: Vec<&str> = plays.roles().collect();
    let one = roles.iter().find(|role| role.starts_with("dev")).or(roles.first()).unwrap_or(&"ROLE");
    format!(
        "A stand-in for a model listens on http://127.0.0.1:{port} until you press ^C.\n\
         It plays {}.\n\n\
         Claude Code as {one}, without an account (it acts where the runtime's tools are offered):\n  \
         ANTHROPIC_BASE_URL=http://127.0.0.1:{port}/a/{one} ANTHROPIC_API_KEY=stand-in \\\n    \
         CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ENABLE_TOOL_SEARCH=false \\\n    \
         CLAUDE_CONFIG_DIR=\"$(mktemp -d)\" claude -p \"read your inbox\"\n",
        roles.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(play: &[(&str, &str)]) -> ModelStubArgs {
        let play = play.iter().map(|(role, play)| (PrincipalId::new(role).unwrap(), (*play).to_owned()));
        ModelStubArgs { port: 0, play: play.collect(), roster: "default".to_owned() }
    }

    #[test]
    fn it_says_how_to_use_it() {
        let plays = plays(&args(&[("dev-b", "lying/dev")])).unwrap();
        insta::assert_snapshot!(introduction(4711, &plays));
    }

    #[test]
    fn plays_come_from_files_too() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.yaml");
        fs::write(&file, "on: []\nloops: 3\n").unwrap();
        let error = plays(&args(&[("dev-b", file.to_str().unwrap())])).unwrap_err();
        assert_eq!(error.exit, Exit::Config);
        assert!(error.to_string().contains("mine.yaml:2:8: "), "{error}");
        fs::write(&file, "on: []\nloops: true\n").unwrap();
        assert_eq!(plays(&args(&[("dev-b", file.to_str().unwrap())])).unwrap().roles().count(), 12);
    }

    #[test]
    fn a_role_or_a_play_that_is_not_there_is_named() {
        let role = plays(&args(&[("dev-z", "good/dev")])).unwrap_err().to_string();
        assert!(role.contains("there is no role dev-z") && role.contains("dev-a, dev-b"), "{role}");
        let play = plays(&args(&[("dev-a", "no/such.yaml")])).unwrap_err().to_string();
        assert!(play.contains("no/such.yaml"), "{play}");
    }
}

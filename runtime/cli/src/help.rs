//! The first page of help: a quick start and the commands by what they are for.

use crate::{args::Cli, exit::Exit};
use clap::{Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;

const QUICK_START: &str = "\
Quick start:
  agents run demo                 watch the team bring two features through the five gates
  agents init                     in your repository: writes .agents/config.yaml
  agents run --task \"what I want\" start the team on it
  agents inbox                    what waits for you";

/// The groups of commands, in order.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Set up", &["init", "trust", "check", "prompt", "doctor", "2fa", "hooks", "model-stub", "completions"]),
    ("Work", &["run", "feature", "send", "inbox", "answer", "down"]),
    ("Watch", &["status", "ps", "costs", "logs", "attach", "gate"]),
    ("Govern", &["approve", "reject", "freeze", "unfreeze", "role"]),
    ("Prove", &["verify", "keys", "audit"]),
];

/// The command line with its help.
pub fn command() -> Command {
    let plain = Cli::command();
    let template = format!(
        "{{about}}\n\n{QUICK_START}\n\n{{usage-heading}} {{usage}}\n\n{}{{options}}{{after-help}}",
        groups(&plain)
    );
    plain.help_template(template).after_long_help(exit_codes())
}

fn groups(command: &Command) -> String {
    let about = |name: &str| {
        let found = command.find_subcommand(name).and_then(|c| c.get_about());
        found.map(ToString::to_string).unwrap_or_default()
    };
    let line = |name: &&str| format!("  {name:<12} {}\n", about(name));
    let group = |(title, names): &(&str, &[&str])| {
        format!("{title}:\n{}\n", names.iter().map(line).collect::<String>())
    };
    GROUPS.iter().map(group).collect()
}

/// What scripts may rely on, for the long help.
fn exit_codes() -> String {
    let line = |exit: Exit| format!("  {:<3} {}\n", exit.code(), exit.meaning());
    format!("Exit codes:\n{}", Exit::ALL.map(line).concat())
}

/// Parses a command line.
///
/// # Errors
/// clap's own: help and version are among them.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(args)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = Cli::command();
        let visible = command.get_subcommands().filter(|c| !c.is_hide_set());
        let mut wanted: Vec<&str> = visible.map(Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        wanted.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, wanted);
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn first_page() {
        insta::assert_snapshot!(command().render_help());
    }

    #[test]
    fn exit_codes_never_change_their_meaning() {
        insta::assert_snapshot!(exit_codes(), @r"
        Exit codes:
          0   done
          1   the answer is no, or the act failed
          2   the command line is wrong
          3   the configuration has mistakes
          4   the configuration is not accepted (agents trust)
          5   no runtime runs for this repository (agents run)
          6   another runtime works on this repository
          7   something is missing on this machine (agents doctor)
          8   a rule refuses it
          9   the ledger or a signature does not verify
          10  a terminal is needed and there is none
          70  a fault of the machine or of this program
          71  a part did not come back after its restarts
        ");
    }

    #[test]
    fn page_of_run() {
        let mut command = command();
        command.build();
        let run = command.find_subcommand_mut("run").expect("a command");
        insta::assert_snapshot!(run.render_help());
    }

    #[test]
    fn wrong_command_lines_are_refused_with_a_usage_error() {
        for line in ["agents stauts", "agents reject 3", "agents run a b", "agents status --json --line"] {
            let error = parse(line.split(' ').map(OsString::from)).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_repository_may_be_named_before_and_after_the_command() {
        for line in ["agents --repo x status", "agents status --repo x"] {
            let cli = parse(line.split(' ').map(OsString::from)).expect(line);
            assert_eq!(cli.repo.as_deref(), Some(std::path::Path::new("x")));
        }
    }
}

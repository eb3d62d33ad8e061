//! Defaults below, the file above.

use foureyes_config::{
    Config, Millis, load,
    sections::{
        limits::{Limits, Rate, RateKind},
        roster::Backend,
    },
};
use foureyes_protocol::PrincipalId;

fn loaded(text: &str) -> Config {
    load(text, "t.yaml").unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_file_changes_only_what_it_names() {
    let mut expected = Config::default();
    expected.gates.limits.time = Millis::minutes(2);
    expected.limits.commits.hour = Some(5);
    assert_eq!(loaded("gates: {limits: {time: 2m}}\nlimits: {commits: {hour: 5}}"), expected);
}

#[test]
fn a_list_replaces_the_list_and_a_language_only_its_own() {
    let config = loaded("paths: {docs: [guide/]}\ngates: {suite: {test_files: {rust: [checks/**]}}}");
    assert_eq!(config.paths.docs, ["guide/"]);
    assert_eq!(config.gates.suite.test_files["rust"], ["checks/**"]);
    assert_eq!(config.gates.suite.test_files["go"], Config::default().gates.suite.test_files["go"]);
}

#[test]
fn programs_are_never_mixed() {
    let config = loaded("agents: {backend: {kind: command, argv: [sleep, 5]}}");
    let argv = vec!["sleep".to_owned(), "5".to_owned()];
    assert_eq!(config.agents.backend, Backend::Command { argv, env: Default::default() });
}

#[test]
fn strict_tightens_and_named_numbers_still_hold() {
    let config = loaded("limits: {profile: strict, votes: {day: 7}}");
    let expected = Limits { votes: Rate { day: Some(7), ..Rate::default() }, ..Limits::strict() };
    assert_eq!(config.limits, expected);
}

#[test]
fn a_section_whose_keys_are_all_commented_out_is_the_default() {
    assert_eq!(loaded("gates:\n  # limits:\nlock:\n"), Config::default());
}

#[test]
fn null_takes_a_limit_away() {
    let config = loaded("limits: {commits: {day: null}}");
    let dev: PrincipalId = "dev-a".parse().unwrap();
    let rate = config.limits.rate(&dev, RateKind::Commits);
    assert_eq!((rate.hour, rate.day), (Some(20), None));
}

#[test]
fn a_roster_of_one_and_of_two_hundred_load() {
    assert_eq!(loaded("roles: [{id: solo, family: dev}]").roster().len(), 1);
    let many: String = (0..200).map(|i| format!("\n  - {{id: dev-{i}, family: dev}}")).collect();
    assert_eq!(loaded(&format!("roles:{many}")).roster().len(), 200);
}

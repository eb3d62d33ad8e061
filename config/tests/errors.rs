//! Error reports are an interface: everything at once, each with its place and what mends it.

use foureyes_config::{ConfigErrors, load, load_with_plays};

fn errors(text: &str) -> ConfigErrors {
    load(text, "broken.yaml").expect_err("this configuration is broken")
}

/// Message and hint of the only mistake.
fn only(text: &str) -> (String, String) {
    let errors = errors(text);
    assert_eq!(errors.errors().len(), 1, "{errors}");
    let error = &errors.errors()[0];
    (error.message.clone(), error.hint.clone().unwrap_or_default())
}

const FIVE_MISTAKES: &str = "\
# Five mistakes of five kinds.
roles:
  - {id: dev-a, family: dev}
  - {id: dev-b, family: developer}
  - {id: dev-a, family: qa}

gates:
  limits:
    tiem: 15 min
    memory: lots
lock:
  lease: 0 s
";

#[test]
fn five_mistakes_are_told_at_once() {
    insta::assert_snapshot!(errors(FIVE_MISTAKES));
}

#[test]
fn five_mistakes_are_shown_with_their_lines() {
    insta::assert_snapshot!(errors(FIVE_MISTAKES).render(false, 100));
}

#[test]
fn every_kind_of_reference_is_followed() {
    let text = "\
roles:
  - {id: orchestrator, family: orchestrator, backend: {kind: scripted, play: demo/none}}
  - {id: qa-a, family: qa, backend: {kind: scripted, play: ../../secrets}}
  - {id: all, family: dev}
model: {plays: {qa-a: ../x, qa-b: demo/none, orchestrator: \"\"}}
limits:
  overrides:
    qa-b: {commits: {hour: 5}}
  commits: {hour: 30, day: 10}
  votes: {burst: 3}
repository:
  remote: \"ext::sh -c id\"
  target_branch: --upload-pack=x
gates:
  suite:
    adapter: generic
    prepare: {hosts: [\"https://example.org/\"]}
    toolchain: {directories: [tools, /opt/../etc], env: {\"A B\": c}}
    extra: [{name: lint, command: []}, {name: lint, command: [\"\"]}]
  returns: {orchestrator: 9}
signing: {renew_after: 3 years}
tasks:
  - {id: one, title: a}
  - {id: one, title: b}
  - {text: no title}
paths: {protected: [\"a[\", \"/\"]}
";
    let errors = load_with_plays(text, "broken.yaml", &|_| false).unwrap_err();
    insta::assert_snapshot!(errors);
}

#[test]
fn each_wrong_value_says_what_was_expected() {
    let text = "\
version: 2
four_eyes: {lines: many, files: -3, wide_line: 1_000}
tertiary: {rate: 10 %, deadline: 30}
collusion: {approval_rate: 1.5}
display: {tmux: yes, colours: nevr}
second_factor: {window: 300, tries: \"3\"}
run: [until_done]
tasks: {title: x}
deliver: pul-request
agents: {backend: {kind: cluade}, terminal: {rows: 1}}
messages: {max_size: }
sandbox: {read_only: /usr}
";
    insta::assert_snapshot!(errors(text));
}

#[test]
fn every_mistake_has_a_hint() {
    for text in [
        FIVE_MISTAKES,
        "four_eyes: {lines: many}",
        "version: 7",
        "tasks: [{text: a}]",
        "agents: {memory: }",
        "a: b: c",
        "lock:\n\tx: 1",
        "? {a: b}\n: c",
        "[",
        "- a",
        "--- 1\n--- 2",
    ] {
        for error in errors(text).errors() {
            assert!(error.hint.as_deref().is_some_and(|h| !h.is_empty()), "{error}");
        }
    }
}

#[test]
fn what_a_key_spells_does_not_reach_the_terminal() {
    let text = r#"limits: {overrides: {"\e[31m\u202e": {votes: {day: 0, x: 1}}}}"#;
    let errors = errors(text);
    assert!(errors.errors().len() >= 2, "{errors}");
    for shown in [errors.to_string(), errors.render(false, 80)] {
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn no_torn_file_makes_the_loader_panic(from in 0usize..4000, length in 1usize..400, with in "[-:{}\\[\\]&*!|>'\"#a0 \n]{0,6}") {
        let whole = include_str!("../demo.yaml");
        let cut = |at: usize| (0..=at.min(whole.len())).rev().find(|i| whole.is_char_boundary(*i)).unwrap_or(0);
        let torn = format!("{}{with}{}", &whole[..cut(from)], &whole[cut(from + length)..]);
        if let Err(errors) = load(&torn, "torn.yaml") {
            proptest::prop_assert!(!errors.errors().is_empty());
            errors.render(false, 80);
        }
    }
}

#[test]
fn nobody_to_write_code_is_an_error() {
    let (message, hint) = only("roles: [{id: p, family: planner}]");
    assert_eq!(message, "no role is of the family `dev`, so nobody could write code");
    assert_eq!(hint, "add a role such as `- {id: dev-a, family: dev}`");
}

#[test]
fn a_role_that_is_wrong_itself_makes_no_further_errors() {
    let (message, _) = only("roles: [{id: d, family: dve}]\nlimits: {overrides: {d: {votes: {day: 1}}}}");
    assert!(message.starts_with("expected `orchestrator`"), "{message}");
}

#[test]
fn unknown_keys_name_the_near_one_or_all() {
    assert_eq!(only("limts: {}").1, "did you mean `limits`?");
    assert_eq!(
        only("lock: {colour: red}").1,
        "the keys here are `alert_requests`, `alert_window`, `holds_in_a_row` and `lease`"
    );
}

#[test]
fn yaml_that_hides_something_is_refused() {
    for (text, message) in [
        ("run: &a {until_done: true}", "anchors (`&name`) are not used in configurations"),
        ("run: !include x", "tags (`!name`) are not used in configurations"),
        ("version: 1\n---\nversion: 1", "a second document begins here"),
        ("deliver: \"\u{202e}\"", "the invisible character U+202E is not allowed"),
        ("# \u{1b}[31m", "the invisible character U+001B is not allowed"),
    ] {
        let errors = errors(text);
        assert_eq!(errors.errors()[0].message, message);
        assert!(!errors.render(false, 80).contains(['\u{1b}', '\u{202e}']));
    }
    assert_eq!(errors("run: &a {}\ntasks: *a").errors().len(), 2);
    let deep = format!("tasks: {}", "[".repeat(10_000));
    assert_eq!(errors(&deep).errors().len(), 1);
    assert_eq!(errors(&"#".repeat(1 << 21)).errors().len(), 1);
}

#[test]
fn duplicate_keys_and_broken_syntax_have_their_place() {
    let twice = errors("lock:\n  lease: 1 min\n  lease: 2 min\n");
    assert_eq!(
        twice.to_string(),
        "broken.yaml:3:3: the key \"lease\" occurs twice\n  hint: the first one is in line 2; keep one of them"
    );
    let torn = errors("gates: [a, b\nlock: {}\n");
    assert!(torn.to_string().starts_with("broken.yaml:2:"), "{torn}");
}

#[test]
fn columns_are_characters_and_spans_are_bytes() {
    let text = "tasks: [{title: Übermut, nmae: x}]";
    let errors = errors(text);
    let error = &errors.errors()[0];
    assert_eq!((error.line, error.column), (1, 26));
    assert_eq!(&text[error.span.clone()], "nmae");
}

#[test]
fn a_program_keeps_the_options_that_the_runtime_gives_it() {
    let text = "version: 1
agents:
  backend: {kind: claude, args: [--verbose, --permission-mode=plan, --, --effort, high]}
model: {credentials: file}
";
    let errors = load_with_plays(text, "broken.yaml", &|_| true).unwrap_err();
    insta::assert_snapshot!(errors);
}

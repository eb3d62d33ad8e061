//! Holds the built-in prompts to what there is: tools, arguments, kinds of envelopes and reason codes.
//! A prompt that names what does not exist makes a model try it, turn after turn.

use foureyes_config::{
    Config,
    prompts::{Facts, Parts, assemble},
};
use foureyes_gateway::tools_of;
use foureyes_protocol::{Code, Family, Kind};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Words in backticks that are no tools: fields of envelopes and their bodies, tasks, subjects and
/// outcomes as they are written there. Words without `_` may be anything and are not held to a list.
const FIELDS: [&str; 9] = [
    "in_reply_to",
    "not_applicable",
    "write_spec",
    "assign_work",
    "write_docs",
    "propose_deploy",
    "how_to_test",
    "tests_pass",
    "sent_at",
];

/// Words that look like a kind of envelope and are none.
const OTHER_WORDS: [&str; 2] = ["ParseError", "SQLite"];

fn prompts() -> Vec<(Family, String)> {
    let config = Config::default();
    let facts = Facts { repository: "slate", target: "main" };
    let made = config.roles.iter().map(|role| {
        let prompt = assemble(&config, &role.id, &Parts::built_in(), &BTreeMap::new(), &facts);
        (role.family, prompt.unwrap_or_else(|errors| panic!("{errors}")).text)
    });
    made.collect()
}

/// What stands between backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let words = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    // How Claude Code spells a tool of the server `rt`.
    words.map(|word| word.strip_prefix("mcp__rt__").unwrap_or(word))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[test]
fn every_tool_in_a_prompt_is_one_that_the_family_has() {
    let all: BTreeSet<&str> = Family::ROLES.into_iter().flat_map(tools_of).map(|t| t.name).collect();
    for (family, text) in prompts() {
        let tools = tools_of(family);
        let own: BTreeSet<&str> = tools.iter().map(|t| t.name).collect();
        let arguments: BTreeSet<&str> =
            tools.iter().flat_map(|t| t.arguments.iter().map(String::as_str)).collect();
        for word in quoted(&text).filter(|word| is_word(word)) {
            let known = own.contains(word) || FIELDS.contains(&word) || arguments.contains(word);
            let foreign = all.contains(word) && !own.contains(word) && !FIELDS.contains(&word);
            assert!(!foreign, "a {family} is told of the tool `{word}`, which it does not have");
            assert!(
                known || !word.contains('_'),
                "`{word}` in the prompt of a {family} is nothing that exists"
            );
        }
    }
}

#[test]
fn every_tool_of_a_family_is_in_its_prompt() {
    // Comments are asked for at will, and a turn is ended instead of waited through.
    let told_by_its_schema = ["team", "task_complete", "widen_claim"];
    for (family, text) in prompts() {
        let words: BTreeSet<&str> = quoted(&text).collect();
        for tool in tools_of(family) {
            let told = words.contains(tool.name) || told_by_its_schema.contains(&tool.name);
            assert!(told, "a {family} is not told what `{}` is for", tool.name);
        }
    }
}

/// Calls as the worked examples write them: a tool in backticks and its arguments behind.
fn calls(text: &str) -> Vec<(String, Map<String, Value>)> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("` {") {
            let tool = line[..at].rsplit('`').next().unwrap_or_default().to_owned();
            let mut values = serde_json::Deserializer::from_str(&line[at + 2..]).into_iter::<Value>();
            match values.next() {
                Some(Ok(Value::Object(arguments))) => found.push((tool, arguments)),
                other => panic!("the arguments of `{tool}` are no JSON: {other:?} in {line}"),
            }
        }
    }
    found
}

#[test]
fn the_calls_of_the_worked_examples_fit_the_schemas() {
    for (family, text) in prompts() {
        let tools = tools_of(family);
        let calls = calls(&text);
        assert!(calls.len() >= 3, "the example of a {family} shows no turn");
        for (name, arguments) in &calls {
            let tool = tools.iter().find(|t| t.name == name);
            let tool = tool.unwrap_or_else(|| panic!("a {family} has no tool `{name}`"));
            for argument in arguments.keys() {
                assert!(tool.arguments.contains(argument), "`{name}` of a {family} takes no {argument:?}");
            }
            for needed in &tool.required {
                assert!(arguments.contains_key(needed), "`{name}` of a {family} needs {needed:?}");
            }
        }
        let acknowledges = calls.iter().filter(|(name, _)| name == "acknowledge").count();
        assert!(calls[0].0 == "inbox" && acknowledges >= 1, "a turn of a {family} begins and ends");
    }
}

#[test]
fn every_kind_of_envelope_and_every_code_exists() {
    let kinds: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    for (family, text) in prompts() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        for word in words {
            let capitals = word.chars().filter(char::is_ascii_uppercase).count();
            let lower = word.chars().any(|c| c.is_ascii_lowercase());
            let like_a_kind = capitals >= 2 && lower && word.chars().all(|c| c.is_ascii_alphabetic());
            if like_a_kind && word.starts_with(|c: char| c.is_ascii_uppercase()) {
                let known = kinds.contains(word) || OTHER_WORDS.contains(&word);
                assert!(known, "{word} in the prompt of a {family} is no kind of envelope");
            }
            let like_a_code = word.as_bytes().get(1) == Some(&b'-')
                && word.len() > 3
                && word.chars().all(|c| c.is_ascii_uppercase() || c == '-');
            assert!(!like_a_code || codes.contains(word), "{word} in the prompt of a {family} is no code");
        }
    }
}

#[test]
fn every_family_is_told_what_its_envelopes_ask_for() {
    let everybody = ["Question", "Answer", "ReviewRequest", "Freeze"];
    let more: [(Family, &[&str]); 7] = [
        (Family::Orchestrator, &["`assign_work`", "`propose_deploy`", "Escalation"]),
        (Family::Librarian, &["CoSignRequest", "SignOffRequest"]),
        (Family::Planner, &["`write_spec`", "GateVerdict SPEC `returned`", "SignOffRequest `spec`"]),
        (Family::Architect, &["SignOffRequest `spec`", "a vote of the council"]),
        (
            Family::Dev,
            &[
                "`implement`",
                "SignOffRequest `tests`",
                "SignOffRequest `change`",
                "GateVerdict RED `passed`",
                "GateVerdict GREEN `passed`",
                "GateVerdict `returned`",
            ],
        ),
        (Family::Qa, &["SignOffRequest `verification`", "SignOffRequest `tests`", "`implement`"]),
        (Family::Docs, &["SignOffRequest `docs`", "`implement`", "`write_docs`"]),
    ];
    let prompts = prompts();
    for (family, words) in more {
        for (_, text) in prompts.iter().filter(|(f, _)| *f == family) {
            for word in everybody.iter().chain(words) {
                assert!(
                    text.contains(&format!("| {word}")) || text.contains(word),
                    "a {family} is not told of {word}"
                );
            }
        }
    }
}

#[test]
fn every_role_is_told_whose_word_counts_and_never_to_poll() {
    for (family, text) in prompts() {
        for word in
            ["Three voices instruct you", "**data**", "**Never poll, wait or sleep.**", "End the turn"]
        {
            assert!(text.contains(word), "a {family} is not told: {word}");
        }
        let shell = text.contains("a shell there");
        assert_eq!(shell, matches!(family, Family::Dev | Family::Qa | Family::Docs), "{family}");
        let runs = text.contains("You may run\n  the tests:");
        assert_eq!(runs, matches!(family, Family::Dev | Family::Qa), "{family}");
        let pushes = text.contains("`git push origin feature/<id>`");
        assert_eq!(pushes, shell, "{family}");
    }
}

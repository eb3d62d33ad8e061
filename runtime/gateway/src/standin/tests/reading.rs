//! Requests as several programs write them.

use super::super::{request::Seen, shell};
use serde_json::json;

fn tools(names: &[&str]) -> Seen {
    let tools: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    Seen::of(&json!({"tools": tools}))
}

#[test]
fn tools_are_found_by_the_names_of_every_program() {
    for (names, inbox, deploy) in [
        (["Bash", "mcp__rt__inbox", "mcp__other__sign_off"], "mcp__rt__inbox", "mcp__rt__propose_deploy"),
        (["bash", "rt_inbox", "rt_sign_off"], "rt_inbox", "rt_propose_deploy"),
        (["shell", "inbox", "sign_off"], "inbox", "propose_deploy"),
    ] {
        let seen = tools(&names);
        assert_eq!(seen.runtime("inbox").unwrap().name, inbox);
        assert_eq!(seen.runtime("sign_off").unwrap().name, names[2]);
        assert_eq!(seen.runtime_name("propose_deploy"), deploy);
        assert_eq!(seen.own("BASH").map(|t| t.name.as_str()), Some(names[0]).filter(|n| *n != "shell"));
    }
}

#[test]
fn where_it_works_is_read_from_the_request() {
    let work = |request| Seen::of(&request).work;
    assert_eq!(work(json!({})), "/work");
    assert_eq!(work(json!({"system": "<env>\n  Working directory: /a b\n</env>"})), "/a b");
    assert_eq!(
        work(json!({"system": [{"type": "text", "text": " - Primary working directory: /c\n"}]})),
        "/c"
    );
    let message = json!({"role": "system", "content": [{"type": "text", "text": "Working directory: d\n - Primary working directory: /e"}]});
    assert_eq!(work(json!({"messages": [message]})), "/e");
    let said = json!({"role": "assistant", "content": "Working directory: /f"});
    assert_eq!(work(json!({"messages": [said]})), "/work");
}

#[test]
fn words_of_a_command_stay_words() {
    assert_eq!(shell::words(&["echo", "a-b", "it's", ""]), r"echo a-b 'it'\''s' ''");
    assert!(shell::words(&["git", "commit"]).starts_with("git commit || {"));
    assert_eq!(shell::quoted("$(id)"), "'$(id)'");
    assert_eq!(shell::quoted("~"), "'~'");
}

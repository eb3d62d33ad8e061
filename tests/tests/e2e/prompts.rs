//! Prompts through the program: copied, printed, changed, refused; and what they tell agents to do.

use foureyes_tests::{
    bench::{Bench, role},
    plays,
};
use serde_json::json;
use std::{fs, process::Output};

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn parts_are_copied_printed_and_shown_before_they_count() {
    let bench = Bench::shell();
    let init = bench.agents(&["init", "--yes"]);
    assert!(init.status.success(), "{}", text(&init));
    let part = bench.repo.path.join(".agents/prompts/reports.md");
    let built_in = fs::read_to_string(&part).expect("init copied the parts");
    let shown = bench.agents(&["prompt", "show", "dev-a"]);
    let prompt = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && prompt.starts_with("# You are `dev-a`, a dev of"), "{}", text(&shown));
    assert!(String::from_utf8_lossy(&shown.stderr).contains("of 6000"), "{}", text(&shown));
    fs::write(&part, format!("{built_in}\nAlways in ${{family}} verse.\n")).expect("the part is changed");
    let shown = bench.agents(&["prompt", "show", "qa-b"]);
    assert!(
        text(&shown).contains("Always in qa verse.") && text(&shown).contains("agents trust"),
        "{}",
        text(&shown)
    );
    let review = bench.agents(&["trust", "--show"]);
    assert!(text(&review).contains("+Always in ${family} verse."), "{}", text(&review));
    let list = bench.agents(&["prompt", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(12), "{}", text(&list));

    fs::write(&part, "${nothing}").expect("the part is broken");
    for command in [&["check"][..], &["trust", "--show"], &["prompt", "list"]] {
        let refused = bench.agents(command);
        assert_eq!(refused.status.code(), Some(3), "{command:?}: {}", text(&refused));
        assert!(text(&refused).contains(".agents/prompts/reports.md:1:1"), "{}", text(&refused));
    }
}

/// Reviewers are told to read the spec with `evidence` and the digest of the request.
#[test]
fn a_spec_is_read_by_the_digest_that_a_request_names() {
    let mut bench = Bench::shell();
    let specs = json!({"note": {"title": "a note", "risk": "HIGH", "text": "it says done", "paths": ["**"]}});
    bench.play("planner-a", "planner", &plays::planner(&specs));
    // A step that is refused leaves the signature out, and then SPEC never passes.
    let read = json!({"call": {"tool": "evidence", "args": {"digest": "${content}"}}});
    let steps = json!([read, {"sign_off": {"checked": ["read by its digest"]}}]);
    let rule = json!({"when": {"kind": "SignOffRequest", "subject": "spec"}, "do": steps});
    let reads = json!({"role": "architect", "extends": "good/architect", "on": [rule]});
    for id in ["architect-a", "architect-b"] {
        bench.play(id, "architect", &reads);
    }
    bench.cast(role("librarian", "librarian", "good/librarian"));
    bench.task("note").devs(&plays::dev(&plays::note("note")));
    let records = bench.finish();
    assert_eq!(records.merged("note").len(), 1, "{}", records.lines());
}

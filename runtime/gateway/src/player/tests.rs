//! Plays against a runtime that is faked at its socket, with real git and real cargo.

mod demo;
mod format;
pub(crate) mod stage;

use super::*;
use serde_json::json;
use stage::{Stage, assignment, request, verdict};

const ON_ALL: &str = "on: [{when: {}, do: []}]";

#[test]
fn what_no_rule_wants_is_acknowledged() {
    let stage = Stage::new();
    stage.send(&json!({"id": "m1", "kind": "StatusReport", "from": "qa-a", "body": {"text": "hello"}}));
    let screen = stage.play(ON_ALL);
    assert_eq!(stage.acknowledged(), ["m1"]);
    assert!(screen.contains("▸ StatusReport from qa-a  hello"), "{screen}");
}

#[test]
fn a_signer_reads_before_it_signs() {
    let stage = Stage::new();
    stage.send(&request("m1", "change", "clamp"));
    stage.answer("review_diff", json!({"diff": "+++ b/x\n+new\n-old\n"}));
    let screen = stage.play_builtin("good/dev");
    assert_eq!(stage.called(), ["review_diff", "sign_off", "acknowledge"]);
    assert_eq!(stage.arguments("sign_off")["request"], "m1");
    assert_eq!(stage.arguments("sign_off")["ran"], json!(["review_diff clamp"]));
    assert!(screen.contains("read 1 added and 1 deleted lines"), "{screen}");
}

#[test]
fn what_a_rule_refuses_for_good_is_not_tried_again() {
    let stage = Stage::new();
    stage.send(&request("m1", "change", "clamp"));
    stage.refuse("sign_off", "E-STALE (four eyes): the change was pushed again", usize::MAX);
    let screen = stage.play_builtin("good/dev");
    assert_eq!(stage.called(), ["review_diff", "sign_off", "acknowledge"]);
    assert!(screen.contains("✗ E-STALE"), "{screen}");
}

#[test]
fn what_time_mends_is_tried_again_with_the_same_key() {
    let stage = Stage::new();
    stage.send(&request("m1", "change", "clamp"));
    stage.refuse("sign_off", "L-RATE (rate limits): later", 1);
    stage.play_builtin("good/dev");
    assert_eq!(stage.called(), ["review_diff", "sign_off", "review_diff", "sign_off", "acknowledge"]);
    assert_eq!(stage.keys("sign_off"), ["play/m1/0.1", "play/m1/0.1"]);
}

#[test]
fn work_goes_to_who_is_named_else_to_a_candidate() {
    let stage = Stage::new();
    let mut task = assignment("m1", "assign_work", "clamp");
    task["body"]["candidates"] = json!(["dev-a", "dev-b"]);
    stage.send(&task);
    stage.play("on: [{when: {task: assign_work}, do: [{assign: {'cl*': dev-b}}]}]");
    assert_eq!(stage.arguments("assign"), json!({"feature": "clamp", "role": "dev-b"}));

    let other = Stage::new();
    task["body"]["candidates"] = json!(["dev-c"]);
    other.send(&task);
    other.play("on: [{when: {task: assign_work}, do: [{assign: {'cl*': dev-b}}]}]");
    assert_eq!(other.arguments("assign")["role"], "dev-c");
}

#[test]
fn envelopes_wait_for_those_of_the_other_features() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "propose_deploy", "statistics"));
    let screen = stage.play_builtin("demo/orchestrator");
    assert!(stage.called().is_empty(), "{screen}");
    stage.send(&assignment("m2", "propose_deploy", "clamp"));
    stage.play_builtin("demo/orchestrator");
    assert_eq!(stage.called(), ["propose_deploy", "acknowledge", "propose_deploy", "acknowledge"]);
    // From now on each may come alone.
    stage.send(&assignment("m3", "propose_deploy", "clamp"));
    stage.play_builtin("demo/orchestrator");
    assert_eq!(stage.acknowledged(), ["m1", "m2", "m3"]);
}

#[test]
fn a_planner_asks_and_waits_for_the_answer() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "write_spec", "clamp"));
    stage.answer("ask", json!({"message": "q1", "record": 7}));
    stage.play_builtin("demo/planner-a");
    assert_eq!(stage.called(), ["ask", "acknowledge"]);
    assert_eq!(stage.arguments("ask")["to"], "user");
    // Another life of the same role; the answer does not name the feature.
    let answer = json!({"id": "m2", "kind": "Answer", "from": "user", "in_reply_to": "q1",
        "body": {"text": "an error"}});
    stage.send(&answer);
    stage.play_builtin("demo/planner-a");
    let spec = stage.arguments("submit_spec");
    assert_eq!((&spec["feature"], &spec["kind"]), (&json!("clamp"), &json!("fix")));
    assert!(spec["text"].as_str().unwrap().contains("swapped ends: an error"), "{spec}");
}

#[test]
fn a_spec_that_no_play_holds_is_made_of_the_request() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "write_spec", "anything"));
    stage.play_builtin("good/planner");
    let expected = json!({
        "feature": "anything", "title": "A title", "kind": "feature", "risk": "MEDIUM", "text": "A text",
        "paths": ["**"], "characterisation": [], "removes": [], "reverts": null,
    });
    assert_eq!(stage.arguments("submit_spec"), expected);
}

#[test]
fn a_lost_connection_is_made_again() {
    let stage = Stage::new();
    stage.send(&request("m1", "change", "clamp"));
    stage.hang_up_after("review_diff");
    stage.play_builtin("good/dev");
    assert_eq!(stage.called(), ["review_diff", "review_diff", "sign_off", "acknowledge"]);
}

#[test]
fn a_killed_dev_comes_back_to_the_same_envelope() {
    let stage = Stage::new();
    stage.send(&verdict("m1", "GREEN", "passed", "none"));
    stage.send(&assignment("m2", "implement", "statistics"));
    stage.play_builtin("demo/dev-a");
    stage.send(&verdict("m3", "RED", "passed", "statistics"));
    let first = stage.life("demo/dev-a");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&first), Some(9));
    assert_eq!(stage.acknowledged(), ["m1", "m2"]);
    assert_eq!(stage.origin(&["rev-list", "--count", "main..feature/statistics"]), "1");

    assert!(stage.life("demo/dev-a").success());
    assert_eq!(stage.acknowledged(), ["m1", "m2", "m3"]);
    assert_eq!(stage.origin(&["rev-list", "--count", "main..feature/statistics"]), "2");
}

/// Not a test of its own: the process that [`Stage::life`] starts, kills itself in and starts again.
#[test]
fn one_life() {
    let Some(play) = env::var_os("PLAYER_TEST_PLAY") else { return };
    main(["agents-play".into(), "--builtin".into(), play]);
}

#[test]
fn an_unsigned_commit_leaves_the_branch_clean() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let expect = "{expect: {refused: P-UNSIGNED, of: {misbehave: unsigned}}}";
    let screen = stage.play(&format!("on: [{{when: {{}}, do: [{{branch: {{}}}}, {expect}]}}]"));
    // This origin asks for no signatures, which the screen tells.
    assert!(screen.contains("✗ not refused, P-UNSIGNED was expected"), "{screen}");
    assert_eq!(stage.clone_git(&["log", "-1", "--format=%s"]), "the base");
    assert_eq!(stage.acknowledged(), ["m1"]);
}

#[test]
fn files_stay_in_the_clone() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    for path in ["../outside", "/tmp/outside"] {
        let failure = stage.workspace().write(path, "x").unwrap_err();
        assert!(failure.to_string().contains("does not lie in the clone"));
    }
}

#[test]
fn values_are_filled_in_once() {
    let mut item = Item::of(&assignment("m1", "implement", "two-words"));
    item.body["title"] = json!("${role}");
    let values = Values::of(&item, "dev-a");
    let filled = values.fill("${feature} ${ident} ${title} ${unknown} ${ $x} ${request}${");
    assert_eq!(filled, "two-words two_words ${role} ${unknown} ${ $x} m1${");
}

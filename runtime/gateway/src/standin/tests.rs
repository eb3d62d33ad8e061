//! The stand-in against a program that is played by a test, before the player's own stage.

mod driver;
mod faults;
mod reading;

use super::*;
use crate::player::tests::stage::{Stage, assignment, request, returned, verdict};
use driver::Driver;
use foureyes_ports::clock::FakeClock;
use serde_json::json;

/// A model that plays `play` for `agent`.
fn playing(agent: &str, family: Family, play: &str, texts: &[(&str, &str)]) -> Arc<dyn StandIn> {
    let roster = [(PrincipalId::new(agent).unwrap(), family)];
    let texts = texts.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    let named = BTreeMap::from([(agent.to_owned(), play.to_owned())]);
    model(&Plays::new(&roster, &named, &texts).unwrap(), Arc::new(FakeClock::at(1_000_000)))
}

fn driver<'s>(stage: &'s Stage, family: Family, play: &str) -> Driver<'s> {
    Driver::new(stage, playing("dev-x", family, play, &[]), "dev-x", family)
}

fn own<'s>(stage: &'s Stage, family: Family, text: &str) -> Driver<'s> {
    Driver::new(stage, playing("dev-x", family, "own", &[("own", text)]), "dev-x", family)
}

fn family_of(play: &str) -> Family {
    let name = play.rsplit('/').next().unwrap();
    let text = if name == "reviewer" { "dev" } else { name.split('-').next().unwrap() };
    Family::ROLES.into_iter().find(|f| f.as_str() == text).unwrap()
}

/// One of everything that is sent to anybody.
fn everything(stage: &Stage, feature: &str) {
    let mut work = assignment("m02", "assign_work", feature);
    work["body"]["candidates"] = json!(["dev-a", "dev-b"]);
    let cosign = json!({"id": "m03", "kind": "CoSignRequest", "from": "system", "feature": feature,
        "body": {"points": ["all gates passed", "all signatures fit"]}});
    let answer = json!({"id": "m04", "kind": "Answer", "from": "user", "feature": feature,
        "in_reply_to": "m", "body": {"text": "an error"}});
    let report = json!({"id": "m05", "kind": "StatusReport", "from": "qa-a", "body": {"text": "hello"}});
    let mut items = vec![assignment("m01", "write_spec", feature), work, cosign, answer, report];
    for (id, subject) in [("m11", "spec"), ("m12", "tests"), ("m13", "change"), ("m14", "verification")] {
        items.push(request(id, subject, feature));
    }
    items.push(assignment("m21", "implement", feature));
    items.push(verdict("m22", "RED", "passed", feature));
    items.push(returned("m23", "PEER", "E-STALE", feature));
    items.push(verdict("m24", "GREEN", "passed", feature));
    items.push(assignment("m25", "propose_deploy", feature));
    items.iter().for_each(|item| stage.send(item));
    stage.answer("review_diff", json!({"diff": "+++ b/x\n+new\n-old\n"}));
}

/// What a play came to: the calls, the acknowledged envelopes, the feature's branch.
type Effects = (Vec<(String, Value, String)>, Vec<String>, String);

fn effects(stage: &Stage, feature: &str) -> Effects {
    let branch = format!("refs/heads/feature/{feature}");
    let exists = !stage.origin(&["for-each-ref", &branch]).is_empty();
    let format = format!("--format=%s %an {}", "%T");
    let log = if exists { stage.origin(&["log", &format, &branch]) } else { String::new() };
    (stage.calls(), stage.acknowledged(), log)
}

fn both(play: &str, feature: &str) -> (Effects, Effects, String) {
    let scripted = Stage::new();
    everything(&scripted, feature);
    scripted.play_builtin(play);
    let stage = Stage::new();
    everything(&stage, feature);
    let said = driver(&stage, family_of(play), play).turn();
    (effects(&scripted, feature), effects(&stage, feature), said)
}

#[test]
fn who_asks_is_told_by_the_path_or_by_the_prompt() {
    let roster = [(PrincipalId::new("dev-a").unwrap(), Family::Dev)];
    let plays = Plays::new(&roster, &Default::default(), &Default::default()).unwrap();
    let model = model(&plays, Arc::new(foureyes_ports::clock::FakeClock::at(0)));
    let asked = |agent: &str, system: &str| {
        let request =
            serde_json::json!({"system": [{"type": "text", "text": system}], "messages": [], "tools": []});
        matches!(model.reply(agent, &request).outcome, ReplyOutcome::Message(_))
    };
    assert!(asked("dev-a", ""));
    assert!(asked("agent", "x\n# You are `dev-a`, a dev of r"));
    assert!(!asked("agent", "x\n# You are `dev-b`, a dev of r"));
    assert!(!asked("agent", ""));
}

#[test]
fn every_play_has_the_effects_that_it_has_without_a_model() {
    let plays = builtin::play_names().filter(|p| {
        p.starts_with("good/") || p.starts_with("offline/") || *p == "lying/dev" || *p == "demo/planner"
    });
    for play in plays {
        for feature in
            if play.starts_with("good/dev") { ["two-words", "clamp"] } else { ["clamp", "statistics"] }
        {
            let (wanted, found, said) = both(play, feature);
            assert_eq!(found, wanted, "{play} on {feature}: {said}");
            assert_eq!(found.1.len(), 14, "{play} on {feature}");
        }
    }
}

#[test]
fn the_liar_of_the_demo_does_through_a_model_what_it_does_alone() {
    let (wanted, found, said) = both("demo/dev-b", "clamp");
    assert_eq!(found, wanted, "{said}");
    assert!(said.contains("⛔ refused: P-MAIN (repository)"), "{said}");
}

#[test]
fn a_turn_needs_few_requests() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let mut driver = driver(&stage, Family::Dev, "good/dev");
    let said = driver.turn();
    let called: Vec<String> =
        driver.called().iter().map(|n| n.trim_start_matches("mcp__rt__").to_owned()).collect();
    assert_eq!(called, ["inbox", "Bash", "Write", "Bash", "Bash", "acknowledge", "inbox"]);
    assert!(said.starts_with("▸ TaskAssignment from system clamp implement\n"), "{said}");
    assert!(said.ends_with("nothing more to do\n"), "{said}");
    // Nothing waits: one look.
    let before = driver.called().len();
    assert_eq!(driver.turn(), "nothing more to do\n");
    assert_eq!(driver.called().len(), before + 1);
}

#[test]
fn what_a_rule_refuses_is_left_and_what_time_mends_is_tried_again() {
    let stage = Stage::new();
    stage.send(&request("m1", "change", "clamp"));
    stage.refuse("sign_off", "E-STALE (four eyes): the change was pushed again", 1);
    let said = driver(&stage, Family::Dev, "good/dev").turn();
    assert_eq!(stage.called(), ["review_diff", "sign_off", "acknowledge"]);
    assert!(said.contains("✗ E-STALE (four eyes): the change was pushed again"), "{said}");

    let stage = Stage::new();
    stage.send(&request("m1", "change", "clamp"));
    stage.refuse("sign_off", "L-RATE (rate limits): later", 1);
    let mut driver = driver(&stage, Family::Dev, "good/dev");
    driver.turn();
    assert_eq!(stage.called(), ["review_diff", "sign_off", "review_diff", "sign_off", "acknowledge"]);
    assert_eq!(stage.keys("sign_off"), ["play/m1/0.1", "play/m1/0.1"]);
    assert_eq!(driver.thought.as_millis(), 100);
}

#[test]
fn it_thinks_where_a_scripted_agent_waits() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let play = "pace: 2 s\non: [{when: {}, do: [{pause: 300 ms}, {say: hello}]}]";
    let mut driver = own(&stage, Family::Dev, play);
    let said = driver.turn();
    assert_eq!(driver.thought.as_millis(), 2300);
    assert!(said.contains("“hello”"), "{said}");
}

#[test]
fn files_are_read_first_where_the_writer_wants_it() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let play = "on: [{when: {}, do: [{branch: {}}, {write: {src/lib.rs: \"// new\\n\"}}]}]";
    let mut driver = own(&stage, Family::Dev, play);
    driver.read_first = true;
    driver.turn();
    assert!(driver.called().join(" ").contains("Write Read Write"));
    assert_eq!(std::fs::read_to_string(stage.work().join("src/lib.rs")).unwrap(), "// new\n");
}

#[test]
fn without_a_writer_the_shell_writes() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let play = "on: [{when: {}, do: [{write: {\"a b/c'd.txt\": \"it's $HOME\\n\\\\\"}}, {misbehave: {edit_admitted: \"a b/c'd.txt\"}}]}]";
    own(&stage, Family::Dev, play).without(&["Write"]).turn();
    let text = std::fs::read_to_string(stage.work().join("a b/c'd.txt")).unwrap();
    assert_eq!(text, "it's $HOME\n\\// edited after it was admitted\n");
    assert_eq!(stage.clone_git(&["log", "-1", "--format=%s"]), "test: make it fit the code");
}

#[test]
fn what_needs_a_shell_that_is_not_offered_is_left() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let said = driver(&stage, Family::Planner, "good/dev").turn();
    assert!(said.contains("✗ BAD-CALL: a shell is not offered"), "{said}");
    assert_eq!(stage.acknowledged(), ["m1"]);
}

#[test]
fn a_hidden_tool_is_tried_all_the_same() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let play = "on: [{when: {}, do: [{call: {tool: propose_deploy, args: {feature: clamp}}}]}]";
    let mut driver = own(&stage, Family::Dev, play);
    let said = driver.turn();
    assert!(driver.called().contains(&"mcp__rt__propose_deploy".to_owned()));
    assert!(said.contains("✗ <tool_use_error>Error: No such tool available"), "{said}");
    assert_eq!(stage.acknowledged(), ["m1"]);
}

fn answer_of_the_user(stage: &Stage) {
    let answer = json!({"id": "m2", "kind": "Answer", "from": "user", "in_reply_to": "q1",
        "body": {"text": "an error"}});
    stage.send(&answer);
}

#[test]
fn a_planner_without_a_shell_knows_what_it_asked() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "write_spec", "clamp"));
    stage.answer("ask", json!({"message": "q1", "record": 7}));
    let mut driver = driver(&stage, Family::Planner, "demo/planner-a");
    driver.turn();
    assert_eq!(stage.called(), ["ask", "acknowledge"]);
    answer_of_the_user(&stage);
    driver.turn();
    let spec = stage.arguments("submit_spec");
    assert_eq!((&spec["feature"], &spec["kind"]), (&json!("clamp"), &json!("fix")));
    assert!(spec["text"].as_str().unwrap().contains("swapped ends: an error"), "{spec}");
}

#[test]
fn notes_outlive_a_summary() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "write_spec", "clamp"));
    stage.answer("ask", json!({"message": "q1", "record": 7}));
    let mut driver = driver(&stage, Family::Planner, "demo/planner-a");
    driver.turn();
    driver.say("user", "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools. …");
    let (summary, calls) = driver.answer();
    assert!(calls.is_empty() && summary.contains("noted question-q1: {"), "{summary}");
    driver.messages.clear();
    driver.say("user", format!("This session is being continued.\n\n{summary}"));
    answer_of_the_user(&stage);
    driver.turn();
    assert_eq!(stage.arguments("submit_spec")["feature"], "clamp");
}

#[test]
fn what_happens_once_happens_once_over_a_kill() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    stage.send(&verdict("m2", "RED", "passed", "clamp"));
    let mut driver = driver(&stage, Family::Dev, "crashing/dev");
    let killed = driver.turn();
    assert!(killed.ends_with("killed\n"), "{killed}");
    assert_eq!(stage.acknowledged(), ["m1"]);
    assert_eq!(stage.origin(&["rev-list", "--count", "main..feature/clamp"]), "1");
    driver.turn();
    assert_eq!(stage.acknowledged(), ["m1", "m2"]);
    assert_eq!(stage.origin(&["rev-list", "--count", "main..feature/clamp"]), "2");
}

#[test]
fn an_orchestrator_without_a_shell_waits_once_for_both() {
    let stage = Stage::new();
    let mut driver = driver(&stage, Family::Orchestrator, "demo/orchestrator");
    stage.send(&assignment("m1", "propose_deploy", "statistics"));
    driver.turn();
    assert!(stage.called().is_empty());
    stage.send(&assignment("m2", "propose_deploy", "clamp"));
    driver.turn();
    assert_eq!(stage.called(), ["propose_deploy", "acknowledge", "propose_deploy", "acknowledge"]);
    stage.send(&assignment("m3", "propose_deploy", "clamp"));
    driver.turn();
    assert_eq!(stage.acknowledged(), ["m1", "m2", "m3"]);
}

#[test]
fn after_an_interrupt_the_turn_begins_anew() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let mut driver = driver(&stage, Family::Dev, "good/dev");
    driver.say("user", "1 envelope waits");
    for _ in 0..3 {
        let (_, calls) = driver.answer();
        let results: Vec<Value> = calls.iter().map(|c| driver.carry_out(c)).collect();
        driver.say("user", results);
    }
    let (_, calls) = driver.answer();
    assert!(calls[0]["input"]["command"].as_str().unwrap().contains("git commit"));
    let stopped = json!({"type": "tool_result", "tool_use_id": calls[0]["id"], "is_error": true,
        "content": "The user doesn't want to proceed with this tool use."});
    let text = |t: &str| json!({"type": "text", "text": t});
    driver.say(
        "user",
        vec![stopped, text("[Request interrupted by user for tool use]\n"), text("2 envelopes wait")],
    );
    let (_, calls) = driver.answer();
    assert_eq!(calls[0]["name"], "mcp__rt__inbox");
    let result = driver.carry_out(&calls[0]);
    driver.say("user", vec![result]);
    driver.go_on();
    assert_eq!(stage.acknowledged(), ["m1"]);
    assert_eq!(stage.origin(&["rev-list", "--count", "main..feature/clamp"]), "1");
}

#[test]
fn a_message_in_mid_turn_and_reminders_change_nothing() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let mut driver = driver(&stage, Family::Dev, "good/dev");
    driver.say("user", "1 envelope waits");
    let (_, calls) = driver.answer();
    let result = driver.carry_out(&calls[0]);
    let reminder = json!({"type": "text", "text": "Note: a file was changed."});
    driver.say("user", vec![result, reminder]);
    driver.say("system", "The user sent a new message while you were working:\n3 envelopes wait");
    driver.say("user", "<system-reminder>\nas you work\n</system-reminder>");
    driver.go_on();
    assert_eq!(driver.called().iter().filter(|n| *n == "mcp__rt__inbox").count(), 2);
}

#[test]
fn requests_that_are_not_about_work_are_answered_in_words() {
    let stage = Stage::new();
    let mut driver = driver(&stage, Family::Dev, "good/dev");
    driver.tools.clear();
    driver.say("user", "make a title");
    let (said, calls) = driver.answer();
    assert!(calls.is_empty() && said.contains("`inbox` is not offered"), "{said}");
}

#[test]
fn an_inbox_that_is_too_long_is_read_one_by_one() {
    let stage = Stage::new();
    stage.send(&assignment("m1", "implement", "clamp"));
    let mut driver = driver(&stage, Family::Planner, "good/planner");
    driver.say("user", "go");
    let (_, calls) = driver.answer();
    let cut = json!({"type": "tool_result", "tool_use_id": calls[0]["id"], "content": "Output too large, saved to x"});
    driver.say("user", vec![cut]);
    let (_, calls) = driver.answer();
    assert_eq!(calls[0]["input"], json!({"max": 1}));
    let result = driver.carry_out(&calls[0]);
    driver.say("user", vec![result]);
    driver.go_on();
    assert_eq!(stage.acknowledged(), ["m1"]);
}

#[test]
fn plays_are_refused_by_name_line_and_column() {
    let roster = [(PrincipalId::new("dev-a").unwrap(), Family::Dev)];
    let texts = BTreeMap::from([(
        "bad.yaml".to_owned(),
        "on: []\nfaults:\n  - {request: 0, cut: true}\n".to_owned(),
    )]);
    let told = |play: &str| {
        let plays = BTreeMap::from([("dev-a".to_owned(), play.to_owned())]);
        Plays::new(&roster, &plays, &texts).unwrap_err().to_string()
    };
    assert_eq!(
        told("none.yaml"),
        "none.yaml: there is no such play for dev-a: name a built-in one or a file"
    );
    assert_eq!(told("bad.yaml"), "bad.yaml:3:5: `request` and `times` of a fault count from 1");
    let roles: Vec<String> =
        Plays::new(&roster, &BTreeMap::new(), &texts).unwrap().roles().map(str::to_owned).collect();
    assert_eq!(roles, ["dev-a"]);
}

#[test]
fn a_role_that_is_not_played_is_told() {
    let model = playing("dev-a", Family::Dev, "good/dev", &[]);
    let ReplyOutcome::Error { status, message, .. } = model.reply("dev-b", &json!({})).outcome else {
        panic!()
    };
    assert_eq!((status, message.as_str()), (404, "no role \"dev-b\" is played here"));
}

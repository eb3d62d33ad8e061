//! Claude Code on its own screen, in a terminal of the runtime: the same way as over pipes.

use crate::kills::{assignee, conversation, goes_on, in_sandbox, kill_pid, once, same, stands, stopped};
use foureyes_protocol::Code;
use foureyes_tests::{
    bench::{Bench, Running, SHELL},
    claude::{THREE, roles},
    model::Model,
    plays::{assigned, dev, note, verdict},
    processes,
};
use serde_json::{Value, json};
use std::time::Duration;

/// A small team on its own screens.
fn bench() -> Bench {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["agents"]["backend"]["mode"] = json!("terminal");
    bench
}

#[test]
fn programs_on_their_own_screens_bring_a_feature_to_signed_merge() {
    let mut bench = bench();
    bench.config["run"] = json!({"until_done": false});
    bench.task("note").dev_models(&dev(&note("note")));
    let mut run = bench.start();
    let landed = |s: &Value| {
        let at_rest = |r: &Value| r["state"] == "idle" && r["unread"] == 0;
        let dialog = roles(s).iter().any(|r| r["state"] == "waiting");
        assert!(!dialog, "an agent waits for a permission: {s}");
        (s["features"][0]["status"] == "done" && roles(s).iter().all(at_rest)).then(|| s.clone())
    };
    let status = run.status("the feature is done and everybody rests", Duration::from_secs(150), landed);
    assert_eq!(status["idle_turns"], 0, "{status}");
    for role in roles(&status) {
        let at = |what: &str| role["delivery"][what].as_u64().unwrap_or_else(|| panic!("no {what}: {role}"));
        let order = [at("prompted_ms"), at("written_ms"), at("seen_ms"), at("acted_ms")];
        assert!(order.is_sorted(), "{order:?}: {role}");
        assert!(role["turns"].as_u64() > Some(0) && role["restarts"] == 0, "{role}");
    }
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
    let records = bench.records();
    assert!(records.refusals().is_empty(), "{}", records.lines());
    once(&bench, &records);
    assert_eq!(bench.repo.git(&["rev-parse", "main"]), records.merged("note")[0].commit.as_str());
}

/// The hooks of such a program are commands: a refusal of the runtime comes to the model all the same,
/// also in the program that replaces a killed one.
#[test]
fn a_killed_screen_comes_back_with_its_conversation_and_its_hooks() {
    let mut bench = bench();
    let refused = || json!({"expect": {"refused": "T-PUSH", "of": {"run": ["git", "push", "-q", "origin", "HEAD:main"]}}});
    let before_push = |mut steps: Vec<Value>| {
        steps.insert(steps.len() - 1, refused());
        steps
    };
    let tests = stopped("tests", "test: note", &[("tests/note.sh", "grep -q done note.txt\n")]);
    let code = foureyes_tests::plays::push("feat: note", &[("note.txt", "done\n")]);
    let play =
        dev(&[assigned("note", before_push(tests)), verdict("note", "RED", "passed", before_push(code))]);
    bench.task("note").dev_models(&play);
    let model = bench.serve_models();
    let mut run = bench.start();
    let who = run.wait("the work is assigned", Duration::from_secs(60), assignee);
    let home = bench.home_of(&who);
    stands(&mut run, &home, "tests");
    let before = conversation(&bench, &who);
    die(&mut run, &who);
    goes_on(&mut run, &home, "tests", &who, &model);
    run.finish();
    same(&bench, &who, &before);
    bench.assert_nobody_left();
    once(&bench, &bench.records());
    told(&model, &who);
    assert!(!bench.records().refused(&who, Code::PushMain), "{}", bench.records().lines());
}

/// SIGKILL of a role's CLI; what it had started goes with it.
fn die(run: &mut Running<'_>, who: &str) {
    let sandbox = in_sandbox(run.bench(), who);
    kill_pid(run.bench().cli_of(who).expect("its CLI").pid);
    run.until("what the CLI had started is gone, too", |_| {
        !sandbox.iter().any(|pid| processes::is_there(*pid))
    });
}

/// The model was told the reason, for each push.
fn told(model: &Model, who: &str) {
    let last = model.asked().into_iter().rfind(|a| a.role == who).expect("a request");
    let results = results_with(&last.body, "T-PUSH");
    assert!(results >= 2, "{results} refusals in {}", last.body);
}

/// Results of tools that hold this text.
fn results_with(request: &Value, text: &str) -> usize {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let blocks = messages.iter().flat_map(|m| m["content"].as_array().cloned().unwrap_or_default());
    blocks.filter(|b| b["type"] == "tool_result" && b.to_string().contains(text)).count()
}

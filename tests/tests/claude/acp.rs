//! A whole team of opencode, over the Agent Client Protocol.

use crate::{
    kills::{assignee, goes_on, in_sandbox, kill_pid, once, stands, stopped},
    limits::{alerts, faulty},
};
use foureyes_tests::{
    bench::{Bench, Running, SHELL, said},
    claude::{THREE, roles},
    plays::{self, assigned, dev, note, verdict},
    processes,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Where the runtime keeps which conversation a role has.
fn kept(bench: &Bench, who: &str) -> Value {
    let file: PathBuf = bench.clone_of(who).with_file_name("conversation.json");
    serde_json::from_slice(&fs::read(&file).expect("a conversation")).expect("JSON")
}

/// Also where one program is killed in the middle of its work.
#[test]
fn another_program_brings_a_feature_to_signed_merge() {
    let mut bench = Bench::acp(&THREE, SHELL);
    bench.config["run"] = json!({"until_done": false});
    let tests = stopped("tests", "test: note", &[("tests/note.sh", "grep -q done note.txt\n")]);
    let code = plays::push("feat: note", &[("note.txt", "done\n")]);
    let play = dev(&[assigned("note", tests), verdict("note", "RED", "passed", code)]);
    bench.task("note").dev_models(&play);
    let model = bench.serve_models();
    let mut run = bench.start();
    let who = run.wait("the work is assigned", Duration::from_secs(60), assignee);
    let home = bench.home_of(&who);
    stands(&mut run, &home, "tests");
    let before = kept(&bench, &who);
    assert!(before["foreign"].is_string(), "{before}");
    die(&mut run, &who);
    goes_on(&mut run, &home, "tests", &who, &model);
    let landed = |s: &Value| {
        let at_rest = |r: &Value| r["state"] == "idle" && r["unread"] == 0;
        (s["features"][0]["status"] == "done" && roles(s).iter().all(at_rest)).then(|| s.clone())
    };
    let status = run.status("the feature is done and everybody rests", Duration::from_secs(150), landed);
    assert_eq!(kept(&bench, &who), before, "another conversation");
    turns(&status, &who);
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
    let records = bench.records();
    assert!(records.refusals().is_empty(), "{}", records.lines());
    once(&bench, &records);
    // No title and nothing else is asked for on the program's own account.
    assert!(model.asked().iter().all(|a| THREE.iter().any(|(role, _)| *role == a.role)));
}

/// SIGKILL of a role's program; what it had started goes with it.
fn die(run: &mut Running<'_>, who: &str) {
    let sandbox = in_sandbox(run.bench(), who);
    let programs = run.bench().programs_of(who);
    assert!(!programs.is_empty(), "{who} has no program: {:?}", run.bench().processes());
    programs.iter().for_each(|p| kill_pid(p.pid));
    run.until("what it had started is gone, too", |_| !sandbox.iter().any(|pid| processes::is_there(*pid)));
}

/// No turn without something that waits, every prompt seen and acted on, every request counted; only
/// who was killed was restarted.
fn turns(status: &Value, killed: &str) {
    assert_eq!(status["idle_turns"], 0, "{status}");
    for role in roles(status) {
        let at = |what: &str| role["delivery"][what].as_u64().unwrap_or_else(|| panic!("no {what}: {role}"));
        let order = [at("prompted_ms"), at("written_ms"), at("seen_ms"), at("acted_ms")];
        assert!(order.is_sorted(), "{order:?}: {role}");
        assert!(role["turns"].as_u64() > Some(0) && role["spent"]["requests"].as_u64() > Some(0), "{role}");
        assert_eq!(role["restarts"], u64::from(role["id"] == killed), "{role}");
    }
}

/// The program does not say what its model's trouble is; the proxy saw it.
#[test]
fn limits_and_refused_keys_of_another_program_are_known_from_its_requests() {
    let mut bench = Bench::acp(&THREE, SHELL);
    let faults = json!([{"request": 2, "status": 429, "reset_in": "22 s"}, {"request": 4, "status": 401}]);
    bench.task("note").dev_models(&dev(&note("note"))).model("planner-a", &faulty(faults));
    let model = bench.serve_models();
    let mut run = bench.start();
    run.until("the limit is told", |r| alerts(r, "account-paused").len() == 1);
    let paused = Instant::now();
    let asked = model.count();
    run.status("it comes back", Duration::from_secs(60), |_| (model.count() > asked).then_some(()));
    let again = model.asked()[asked].at.duration_since(paused);
    assert!(again > Duration::from_secs(15), "asked again after {again:?}");
    run.until("the refusal is told", |r| alerts(r, "account-refused").len() == 1);
    let asked = model.count();
    run.stays("nothing is asked", Duration::from_secs(4), || match model.count() - asked {
        0 => Ok(()),
        n => Err(format!("{n} more requests")),
    });
    let mended = bench.agents(&["role", "restart", "planner-a"]);
    assert!(mended.status.success(), "{}", said(&mended));
    run.finish();
    bench.assert_nobody_left();
    let records = bench.records();
    once(&bench, &records);
    assert_eq!(alerts(&records, "account-paused").len(), 1, "{}", records.lines());
    assert_eq!(alerts(&records, "account-refused").len(), 1, "{}", records.lines());
}

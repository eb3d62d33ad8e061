//! A program that stands still, and one whose tools want too much.

use crate::kills::{assignee, goes_on, once, stands, stopped};
use foureyes_tests::{
    bench::{Bench, SHELL},
    claude::{THREE, roles},
    plays::{self, assigned, dev, verdict},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How much later than on an idle machine a hang may be found here.
const LOAD: Duration = Duration::from_secs(20);

#[test]
fn a_program_that_stands_still_is_found_and_goes_on() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["agents"]["quiet"] = json!("6 s");
    bench.config["agents"]["answer_within"] = json!("4 s");
    let tests = stopped("tests", "test: note", &[("tests/note.sh", "grep -q done note.txt\n")]);
    let code = plays::push("feat: note", &[("note.txt", "done\n")]);
    let play = dev(&[assigned("note", tests), verdict("note", "RED", "passed", code)]);
    bench.task("note").dev_models(&play);
    let model = bench.serve_models();
    let mut run = bench.start();
    let who = run.wait("the work is assigned", Duration::from_secs(60), assignee);
    let home = bench.home_of(&who);
    stands(&mut run, &home, "tests");
    let cli = bench.cli_of(&who).expect("its CLI").pid;
    kill(Pid::from_raw(cli), Signal::SIGSTOP).expect("a signal");
    let since = Instant::now();
    run.wait("the hang is found", Duration::from_secs(45) + LOAD, |r| {
        r.health(&who).iter().any(|h| h.state == "restarting").then_some(())
    });
    println!("a program that stands still was found after {:.1} s", since.elapsed().as_secs_f64());
    goes_on(&mut run, &home, "tests", &who, &model);
    run.finish();
    let records = bench.records();
    let causes: Vec<&str> = records.health(&who).iter().map(|h| h.cause.as_str()).collect();
    assert!(causes.iter().any(|c| c.contains("hung")), "{causes:?}");
    let others = THREE.iter().filter(|(role, _)| *role != who);
    assert!(others.flat_map(|(role, _)| records.health(role)).all(|h| h.state != "restarting"));
    bench.assert_nobody_left();
    once(&bench, &records);
}

/// More than a process may have, at once and bit by bit.
const EAT: &str = "python3 -c 'bytearray(3 << 30)'; python3 -c '\n\
all = []\n\
while True: all.append(bytearray(1 << 28))\n'; echo over";

#[test]
fn a_tool_that_wants_too_much_memory_fails_alone() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["agents"]["memory"] = json!("2 GiB");
    bench.config["run"] = json!({"until_done": false});
    let eat = json!({"run": ["/bin/sh", "-c", EAT]});
    let mut first = plays::push("test: note", &[("tests/note.sh", "grep -q done note.txt\n")]);
    first.insert(0, eat);
    let code = plays::push("feat: note", &[("note.txt", "done\n")]);
    bench.task("note").dev_models(&dev(&[assigned("note", first), verdict("note", "RED", "passed", code)]));
    let model = bench.serve_models();
    let mut run = bench.start();
    run.wait("the feature lands", Duration::from_secs(120), |r| r.delivered("note").then_some(()));
    let status = bench.status().expect("a status");
    assert!(roles(&status).iter().all(|r: &Value| r["restarts"] == 0), "{status}");
    let failed = |a: &foureyes_tests::model::Asked| {
        let text = a.body["messages"].to_string();
        text.matches("MemoryError").count() >= 2 && text.contains("over")
    };
    assert!(model.asked().iter().any(failed), "nothing failed");
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    once(&bench, &bench.records());
}

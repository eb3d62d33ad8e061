//! SIGKILL in the middle of the work: of one CLI, of all of them, of the runtime. The conversation goes
//! on, and nothing is done twice.

use foureyes_protocol::Body;
use foureyes_tests::{
    bench::{Bench, Running, SHELL},
    claude::{THREE, until_there},
    model::Model,
    plays::{self, assigned, dev, push, verdict},
    processes,
    records::Records,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// A call of a tool that does not end before somebody writes the file `go-<name>`.
pub fn stop(name: &str) -> Value {
    let wait =
        format!("touch ~/at-{name}; until [ -e ~/go-{name} ]; do sleep 0.2; done; echo went-on-{name}");
    json!({"run": ["/bin/sh", "-c", wait]})
}

/// Steps with a stop before the last one, the push.
pub fn stopped(name: &str, message: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let mut steps = push(message, files);
    steps.insert(steps.len() - 1, stop(name));
    steps
}

#[test]
fn a_conversation_survives_the_death_of_its_program_of_all_programs_and_of_the_runtime() {
    let mut bench = Bench::claude(&THREE, SHELL);
    let play = dev(&[
        assigned("note", stopped("tests", "test: note", &[("tests/note.sh", "grep -q done note.txt\n")])),
        verdict("note", "RED", "passed", stopped("code", "feat: note", &[("note.txt", "done\n")])),
        verdict("note", "GREEN", "passed", vec![stop("end")]),
    ]);
    bench.task("note").dev_models(&play);
    let model = bench.serve_models();
    let mut run = bench.start();
    let who = run.wait("the work is assigned", Duration::from_secs(60), assignee);
    let home = bench.home_of(&who);

    stands(&mut run, &home, "tests");
    let before = conversation(&bench, &who);
    let sandbox = in_sandbox(&bench, &who);
    kill_pid(bench.cli_of(&who).expect("its CLI").pid);
    run.until("what the CLI had started is gone, too", |_| {
        !sandbox.iter().any(|pid| processes::is_there(*pid))
    });
    goes_on(&mut run, &home, "tests", &who, &model);
    same(&bench, &who, &before);

    stands(&mut run, &home, "code");
    let before = conversation(&bench, &who);
    bench.clis().iter().for_each(|p| kill_pid(p.pid));
    goes_on(&mut run, &home, "code", &who, &model);
    same(&bench, &who, &before);
    let runtime = run.pid();
    run.until("no dead child is left", |_| processes::zombies(runtime).is_empty());

    stands(&mut run, &home, "end");
    let before = conversation(&bench, &who);
    run.kill();
    bench.assert_ledger_verifies();
    let mut run = bench.start();
    goes_on(&mut run, &home, "end", &who, &model);
    run.finish();
    same(&bench, &who, &before);

    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
    once(&bench, &bench.records());
}

/// The CLI and what it started.
pub fn in_sandbox(bench: &Bench, who: &str) -> Vec<i32> {
    let state = bench.state();
    bench.processes().iter().filter(|p| p.shows(&state, who)).map(|p| p.pid).collect()
}

/// Also in the moments between a prompt that was written and one that was seen, and between an effect
/// and the word of it.
#[test]
fn kills_of_programs_and_of_the_runtime_at_any_time_change_nothing() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.task("note").dev_models(&dev(&plays::note("note")));
    let mut seed =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let mut next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Duration::from_millis(u64::from(seed >> 16) % 3_000)
    };
    for _ in 0..3 {
        let run = bench.start();
        for _ in 0..2 {
            let after = next();
            thread::sleep(after);
            let clis = bench.clis();
            println!("{} programs killed after {after:?}", clis.len());
            clis.iter().for_each(|p| kill_pid(p.pid));
        }
        let after = next();
        thread::sleep(after);
        println!("the runtime killed after {after:?}");
        run.kill();
    }
    once(&bench, &bench.finish());
}

/// Everything happened exactly once.
pub fn once(bench: &Bench, records: &Records) {
    assert_eq!((records.merged("note").len(), records.pushes("note").len()), (1, 2), "{}", records.lines());
    assert_eq!(bench.repo.git(&["rev-list", "--merges", "--count", "main"]), "1");
    assert_eq!(bench.repo.git(&["rev-list", "--no-merges", "--count", "main"]), "3");
    assert!(bench.repo.try_git(&["fsck", "--strict", "--no-dangling"]).status.success());
}

/// Who implements the feature.
pub fn assignee(records: &Records) -> Option<String> {
    let mut all = records.of("note").into_iter();
    let implements =
        |b: &Body| matches!(b, Body::TaskAssignment(t) if t.task == foureyes_protocol::body::Task::Implement);
    all.find(|e| implements(&e.body)).map(|e| e.to.to_string())
}

/// SIGKILL.
pub fn kill_pid(pid: i32) {
    // One of several may have gone with another.
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
}

/// Waits until the agent is in the middle of the call.
pub fn stands(run: &mut Running<'_>, home: &Path, name: &str) {
    until_there(run, &format!("the agent stands at {name}"), &home.join(format!("at-{name}")));
}

/// Lets the call end; the next program of the role knows what was before.
pub fn goes_on(run: &mut Running<'_>, home: &Path, name: &str, who: &str, model: &Model) {
    let killed = model.count();
    fs::write(home.join(format!("go-{name}")), "").expect("the word to go on");
    let until = format!("{who} asks its model again after the death at {name}");
    run.until(&until, |_| model.asked()[killed..].iter().any(|a| a.role == who));
    let again = model.asked().into_iter().skip(killed).find(|a| a.role == who).expect("a request");
    let text = again.body.to_string();
    assert!(text.contains("You were interrupted"), "{text}");
    // What was said and done before the death is still known.
    assert!(text.contains("TaskAssignment (Implement)"), "the conversation is another one: {text}");
}

/// The one transcript of a role, and what stands in it.
pub fn conversation(bench: &Bench, who: &str) -> (PathBuf, String) {
    let all = bench.transcripts(who);
    assert_eq!(all.len(), 1, "{all:?}");
    (all[0].clone(), fs::read_to_string(&all[0]).expect("a transcript"))
}

/// It is the same conversation, longer.
pub fn same(bench: &Bench, who: &str, (path, before): &(PathBuf, String)) {
    let (now, after) = conversation(bench, who);
    assert_eq!(now, *path);
    // Lines without an id are notes of the program to itself, which it replaces.
    let said =
        |text: &str| text.lines().filter(|l| l.contains("\"uuid\":")).map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (said(before), said(&after));
    let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    assert!(
        lost.is_empty() && after.len() > before.len(),
        "{} lines of {}: {lost:?}",
        after.len(),
        before.len()
    );
}

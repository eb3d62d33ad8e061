//! A person takes an agent over, in a terminal of their own.

use foureyes_protocol::Body;
use foureyes_tests::{
    bench::{Bench, Running, SHELL},
    claude::{THREE, roles},
    model::Model,
    records::Records,
    terminal::Terminal,
};
use serde_json::{Value, json};
use std::time::Duration;

const LINE: &str = "which way is the wind blowing";

/// What was taken and given back, of `dev-a`.
fn taken(records: &Records) -> Vec<bool> {
    records.bodies(|b| match b {
        Body::TakenOver(t) if t.role.as_str() == "dev-a" => Some(t.taken),
        _ => None,
    })
}

/// Whether a person's line came to the model as a prompt.
fn said(model: &Model) -> bool {
    model.asked().iter().any(|a| a.role == "dev-a" && a.body["messages"].to_string().contains(LINE))
}

fn asked(model: &Model) -> usize {
    model.asked().iter().filter(|a| a.role == "dev-a").count()
}

/// How the role stands.
fn stands(status: &Value) -> Value {
    roles(status).iter().find(|r| r["id"] == "dev-a").cloned().unwrap_or_default()
}

/// An agent that runs and has nothing to do.
fn at_rest(run: &mut Running<'_>, unread: u64) {
    let rests = |s: &Value| {
        let role = stands(s);
        (role["state"] == "idle" && !role["pid"].is_null() && role["unread"] == unread).then_some(())
    };
    run.status("it is at rest", Duration::from_secs(60), rests);
}

/// The way of both kinds: `type_line` is what a person does to say something.
fn taken_over(bench: &mut Bench, types: &str, submits: &str) {
    bench.config["agents"]["lazy"] = json!(false);
    bench.config["run"] = json!({"until_done": false});
    let model = bench.serve_models();
    let mut run = bench.start();
    at_rest(&mut run, 0);
    let mut person = Terminal::of(bench.command(&["attach", "dev-a", "--take"]));
    person.shows("Ctrl-] gives it back");
    run.until("it is recorded that it was taken", |r| taken(r) == [true]);
    person.types(types);
    person.shows(types.trim_end());
    person.types(submits);
    run.until("the line comes to the model", |_| said(&model));
    at_rest(&mut run, 0);
    // The runtime says nothing to it meanwhile.
    let before = asked(&model);
    assert!(bench.agents(&["send", "dev-a", "good morning"]).status.success());
    run.status("something waits for it", Duration::from_secs(20), |s| {
        (stands(s)["unread"] == 1).then_some(())
    });
    run.stays("it is not told", Duration::from_secs(3), || match asked(&model) - before {
        0 => Ok(()),
        n => Err(format!("{n} requests of an agent that is taken over")),
    });
    person.types("\x1d");
    assert!(person.end().success(), "{}", person.shown());
    run.until("it is recorded that it was given back", |r| taken(r) == [true, false]);
    run.until("what waited is told", |_| asked(&model) > before);
    at_rest(&mut run, 0);
    let status = bench.status().expect("a status");
    assert_eq!(status["idle_turns"], 0, "{status}");
    assert!(roles(&status).iter().all(|r| r["restarts"] == 0), "{status}");
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
}

#[test]
fn a_line_of_a_person_is_a_prompt_of_an_agent_without_a_screen() {
    let mut bench = Bench::claude(&THREE, SHELL);
    taken_over(&mut bench, LINE, "\r");
}

#[test]
fn keys_of_a_person_go_to_the_screen_of_the_program() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["agents"]["backend"]["mode"] = json!("terminal");
    taken_over(&mut bench, LINE, "\r");
}

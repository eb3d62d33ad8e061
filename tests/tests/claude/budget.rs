//! A model that gets no further: budgets and the longest turn end it.

use foureyes_protocol::Body;
use foureyes_tests::{
    bench::{Bench, SHELL},
    claude::{THREE, roles},
    plays,
    records::Records,
};
use serde_json::json;
use std::time::Duration;

fn told(records: &Records, event: &str) -> Option<String> {
    let all = records.bodies(|b| if let Body::Alert(a) = b { Some(a) } else { None });
    all.into_iter().rfind(|a| a.event == event).map(|a| a.text.clone())
}

fn looping() -> serde_json::Value {
    let mut play = plays::planner(&json!({}));
    play["loops"] = json!(true);
    play
}

#[test]
fn a_looping_model_is_interrupted_when_its_budget_is_spent() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.task("note").model("planner-a", &looping());
    bench.config["model"]["prices"] =
        json!({"claude": {"input": 10, "output": 10, "cache_read": 10, "cache_write": 10}});
    bench.config["model"]["budgets"] = json!({"role": 0.5});
    let model = bench.serve_models();
    let mut run = bench.start();
    let text = run.wait("the budget is told", Duration::from_secs(60), |r| told(r, "role-held"));
    assert!(text.contains("planner-a") && text.contains("budget"), "{text}");
    println!("{text}");
    let asked = model.count();
    let idle = |s: &serde_json::Value| {
        let role = roles(s).iter().find(|r| r["id"] == "planner-a").cloned();
        role.filter(|r| r["state"] == "idle" && r["held"].is_string())
    };
    let role = run.status("its turn was interrupted", Duration::from_secs(20), idle);
    assert!(role["spent"]["microusd"].as_u64() >= Some(500_000), "{role}");
    run.stays("nothing more is asked", Duration::from_secs(5), || match model.count() - asked {
        0 | 1 => Ok(()),
        n => Err(format!("{n} more requests")),
    });
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
}

#[test]
fn a_looping_model_is_interrupted_when_its_turn_is_too_long() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.task("note").model("planner-a", &looping());
    bench.config["agents"]["turn"] = json!("3 s");
    bench.config["agents"]["remind"] = json!("1 s");
    let model = bench.serve_models();
    let mut run = bench.start();
    let text = run.wait("a person is told", Duration::from_secs(90), |r| told(r, "role-does-not-act"));
    println!("{text}");
    let asked = model.count();
    run.stays("nothing more is asked", Duration::from_secs(8), || match model.count() - asked {
        0 | 1 => Ok(()),
        n => Err(format!("{n} more requests")),
    });
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
}

//! Agents that die: they come back to the same inbox; one that dies again and again is given up, and
//! its work goes to others.

use foureyes_protocol::Body;
use foureyes_tests::{
    bench::{Bench, role},
    plays::{self, assigned, dev},
    records::Records,
};
use serde_json::json;

/// One agent of every family is killed from outside while a feature is under way.
#[test]
fn every_kind_of_agent_comes_back() {
    let mut bench = Bench::shell();
    for family in ["orchestrator", "librarian", "qa", "docs", "architect"] {
        bench.cast(role(family, family, &format!("good/{family}")));
    }
    bench.config["run"] = json!({"until_done": false});
    bench.task("note").devs(&dev(&plays::note("note")));
    let mut run = bench.start();
    run.until("the work is asked for", |r| !r.of("note").is_empty());
    let killed = ["planner-a", "orchestrator", "dev-a", "dev-b", "qa", "docs", "architect", "librarian"];
    for role in killed {
        bench.kill_role(role);
    }
    for role in killed {
        run.until(role, |r| comes_back(r, role));
    }
    run.until("the feature lands", |r| r.delivered("note"));
    let records = bench.records();
    assert_eq!((records.merged("note").len(), records.pushes("note").len()), (1, 2), "{}", records.lines());
    run.kill();
}

fn comes_back(records: &Records, role: &str) -> bool {
    let states: Vec<&str> = records.health(role).iter().map(|h| h.state.as_str()).collect();
    let died = states.iter().position(|s| *s == "restarting");
    died.is_some_and(|at| states[at..].contains(&"up"))
}

/// A dev that dies more than five times within ten minutes is given up; the other dev takes over.
#[test]
fn a_crash_loop_ends_in_degraded_and_another_dev_takes_over() {
    let mut bench = Bench::shell();
    let assign = json!({"role": "orchestrator", "extends": "good/orchestrator", "on": [
        {"when": {"kind": "TaskAssignment", "task": "assign_work"}, "do": [{"assign": {"note": "dev-a"}}]},
    ]});
    let idle = dev(&[assigned("note", vec![json!({"pause": "60 s"})])]);
    bench.play("orchestrator", "orchestrator", &assign);
    bench.task("note").play("dev-a", "dev", &idle).play("dev-b", "dev", &dev(&plays::note("note")));
    bench.cast(role("architect", "architect", "good/architect"));
    bench.config["supervision"] = json!({"poison_crashes": 100});
    let mut run = bench.start();
    run.until("dev-a has the work", |r| {
        r.of("note").iter().any(|e| e.to.to_string() == "dev-a" && matches!(e.body, Body::TaskAssignment(_)))
    });
    let degraded = |r: &Records| r.health("dev-a").iter().any(|h| h.state == "degraded");
    for n in 1..=6 {
        bench.kill_role("dev-a");
        run.until("the death is seen", |r| {
            degraded(r) || r.health("dev-a").iter().filter(|h| h.state == "restarting").count() >= n
        });
    }
    run.until("dev-a is degraded", degraded);
    run.until("dev-b has landed it", |r| r.delivered("note"));
    let records = bench.records();
    assert!(records.pushes("note").iter().all(|p| p.by.as_str() == "dev-b"), "{}", records.lines());
    run.finish();
}

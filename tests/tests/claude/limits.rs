//! A model that cannot be had: limits that end, servers that fail, streams that break, keys that are
//! refused.

use foureyes_protocol::Body;
use foureyes_tests::{
    bench::{Bench, SHELL, said},
    claude::{THREE, roles},
    model::Asked,
    plays,
    records::Records,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A planner whose model fails so.
pub fn faulty(faults: Value) -> Value {
    let mut play = plays::planner(&json!({}));
    play["faults"] = faults;
    play
}

/// The texts of the alerts of this kind.
pub fn alerts(records: &Records, event: &str) -> Vec<String> {
    records.bodies(|b| match b {
        Body::Alert(a) if a.event == event => Some(a.text.clone()),
        _ => None,
    })
}

fn held(status: &Value) -> bool {
    let running = || roles(status).iter().filter(|r| !r["pid"].is_null());
    running().count() == THREE.len() && running().all(|r| r["held"].is_string())
}

#[test]
fn a_limit_pauses_everybody_of_the_account_until_it_ends() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.task("note").dev_models(&plays::dev(&plays::note("note")));
    bench.model("planner-a", &faulty(json!([{"request": 2, "status": 429, "reset_in": "25 s"}])));
    let model = bench.serve_models();
    let mut run = bench.start();
    run.until("the limit is told", |r| alerts(r, "account-paused").len() == 1);
    let paused = Instant::now();
    let asked = model.count();
    // Something waits for everybody.
    assert!(bench.agents(&["send", "all", "hello"]).status.success());
    run.status("everybody is held", Duration::from_secs(20), |s| held(s).then_some(()));
    let rest = Duration::from_secs(20).saturating_sub(paused.elapsed());
    run.stays("nobody asks", rest, || match model.count() {
        n if n == asked => Ok(()),
        n => Err(format!("{} requests during the pause", n - asked)),
    });
    run.until("they come back", |_| model.count() > asked);
    let first = model.asked()[asked].at.duration_since(paused);
    assert!(first > Duration::from_secs(20), "asked again after {first:?}");
    run.finish();
    let records = bench.records();
    assert_eq!((records.merged("note").len(), records.pushes("note").len()), (1, 2), "{}", records.lines());
    assert_eq!(alerts(&records, "account-paused").len(), 1, "{:?}", alerts(&records, "account-paused"));
    assert!(restarts(&records).is_empty(), "{:?}", restarts(&records));
    bench.assert_nobody_left();
}

/// What was restarted, and why.
fn restarts(records: &Records) -> Vec<String> {
    let all = THREE.iter().flat_map(|(role, _)| records.health(role));
    all.filter(|h| h.state == "restarting").map(|h| format!("{}: {}", h.who, h.cause)).collect()
}

#[test]
fn a_model_that_fails_in_every_way_is_asked_again_and_the_feature_lands() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.task("note").config["model"]["silence"] = json!("2 s");
    // Each four times: once more than the program tries by itself.
    let times = |request: u32, how: &str, what: Value| json!({"request": request, "times": 4, how: what});
    bench.model("planner-a", &faulty(json!([times(2, "cut", json!(true)), times(7, "status", json!(500))])));
    let mut dev = plays::dev(&plays::note("note"));
    dev["faults"] = json!([times(3, "status", json!(529))]);
    bench.model("dev-a", &dev);
    dev["faults"] = json!([times(1, "silence", json!(true))]);
    bench.model("dev-b", &dev);
    let model = bench.serve_models();
    let mut run = bench.start();
    run.wait("the feature lands", Duration::from_secs(150), |r| r.delivered("note").then_some(()));
    run.finish();
    let records = bench.records();
    assert_eq!((records.merged("note").len(), records.pushes("note").len()), (1, 2), "{}", records.lines());
    // A stream that breaks off is mostly mended by the program itself, which asks for the rest.
    let rest = |a: &Asked| a.role == "planner-a" && a.body.to_string().contains("cut off mid-stream");
    let mended = model.asked().iter().any(rest);
    let of = |role: &str| records.health(role).iter().map(|h| h.cause.clone()).collect::<Vec<_>>();
    for (role, cause) in
        [("planner-a", "failed (500)"), ("dev-a", "overloaded"), ("dev-b", "said nothing for")]
    {
        assert!(of(role).iter().any(|w| w.contains(cause)), "{role}, {cause}: {:?}", of(role));
    }
    assert!(
        mended || of("planner-a").iter().any(|w| w.contains("cannot be reached")),
        "{:?}",
        of("planner-a")
    );
    let specs = records.bodies(|b| matches!(b, Body::SpecSubmitted(_)).then_some(()));
    assert_eq!(specs.len(), 1, "said twice\n{}", records.lines());
    assert!(restarts(&records).is_empty(), "{:?}", restarts(&records));
    assert!(alerts(&records, "role-held").is_empty() && alerts(&records, "account-paused").is_empty());
    let asked = model.count();
    assert!(asked < 100, "{asked} requests");
    bench.assert_nobody_left();
}

#[test]
fn a_refused_key_stops_the_account_until_a_person_has_mended_it() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.task("note").dev_models(&plays::dev(&plays::note("note")));
    bench.model("planner-a", &faulty(json!([{"request": 2, "times": 1, "status": 401}])));
    let model = bench.serve_models();
    let mut run = bench.start();
    run.until("the refusal is told", |r| alerts(r, "account-refused").len() == 1);
    let asked = model.count();
    // Something waits for everybody.
    assert!(bench.agents(&["send", "all", "hello"]).status.success());
    let generations = |s: &Value| roles(s).iter().map(|r| r["generation"].clone()).collect::<Vec<_>>();
    let before =
        run.status("everybody is held", Duration::from_secs(20), |s| held(s).then(|| generations(s)));
    run.stays("nothing is asked and nothing restarts", Duration::from_secs(8), || {
        let now = bench.status().map(|s| generations(&s));
        match (model.count() == asked, now.as_ref() == Some(&before)) {
            (true, true) => Ok(()),
            other => Err(format!("{other:?}: {now:?}")),
        }
    });
    let mended = bench.agents(&["role", "restart", "planner-a"]);
    assert!(mended.status.success(), "{}", said(&mended));
    run.finish();
    let records = bench.records();
    assert_eq!((records.merged("note").len(), records.pushes("note").len()), (1, 2), "{}", records.lines());
    assert_eq!(alerts(&records, "account-refused").len(), 1);
    bench.assert_nobody_left();
}

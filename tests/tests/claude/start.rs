//! All twelve at once.

use foureyes_tests::{
    bench::{Bench, SHELL},
    claude::{TWELVE, memory, roles},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn twelve_agents_started_at_once_are_all_ready() {
    let mut bench = Bench::claude(&TWELVE, SHELL);
    bench.config["agents"]["lazy"] = json!(false);
    bench.config["run"] = json!({"until_done": false});
    let begun = Instant::now();
    let mut run = bench.start();
    let ready = |s: &Value| {
        let idle = roles(s).iter().filter(|r| r["state"] == "idle" && !r["pid"].is_null()).count();
        (idle == 12).then(|| s.clone())
    };
    let status = run.status("all twelve are idle", Duration::from_secs(120), ready);
    let (time, all) = (begun.elapsed(), bench.processes());
    println!(
        "twelve agents at once: ready after {:.1} s; {} processes, {} MiB of memory (PSS)",
        time.as_secs_f64(),
        all.len(),
        memory(&all) >> 20
    );
    assert_eq!(bench.clis().len(), 12);
    assert!(memory(&all) < 4 << 30 && all.len() < 100, "{} processes", all.len());
    assert_eq!(status["idle_turns"], 0);
    assert!(roles(&status).iter().all(|r| r["turns"] == 0 && r["restarts"] == 0), "{status}");
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
}

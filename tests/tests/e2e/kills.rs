//! SIGKILL of the runtime at any moment: nobody is left behind, and the next start goes on.

use foureyes_protocol::{Body, Gate, Outcome};
use foureyes_tests::{bench::Bench, plays, records::Records};
use std::{
    thread,
    time::{Duration, SystemTime},
};

/// A suite that takes a while, so that a kill hits the run itself.
const SLOW: &[(&str, &str)] = &[
    ("run.sh", "sleep 0.7\nfor t in tests/*.sh; do sh \"$t\" || exit 1; done\n"),
    ("tests/base.sh", "test -f README.md\n"),
    ("README.md", "# base\n"),
];

fn passed(r: &Records, gate: Gate) -> bool {
    r.verdict("note", gate, Outcome::Passed)
}

#[test]
fn a_runtime_that_is_killed_in_each_gate_goes_on_and_does_nothing_twice() {
    let mut bench = Bench::with(SLOW);
    bench.task("note").devs(&plays::dev(&plays::note("note")));
    let asked = |r: &Records| !r.bodies(|b| matches!(b, Body::TaskAssignment(_)).then_some(())).is_empty();
    type In<'a> = (&'a str, &'a dyn Fn(&Records) -> bool);
    let gates: [In<'_>; 6] = [
        ("SPEC", &asked),
        ("RED", &|r| r.pushes("note").len() == 1),
        ("GREEN", &|r| passed(r, Gate::Red) && r.pushes("note").len() == 2),
        ("PEER", &|r| passed(r, Gate::Green)),
        ("QA", &|r| passed(r, Gate::Peer)),
        ("DEPLOY", &|r| passed(r, Gate::Qa)),
    ];
    for (gate, inside) in gates {
        let mut run = bench.start();
        run.until(gate, inside);
        run.kill();
        bench.assert_ledger_verifies();
    }
    once(&bench, &bench.finish(), &["note"]);
}

#[test]
fn five_kills_at_any_time_change_nothing() {
    let mut bench = Bench::shell();
    let rules = [plays::note("one"), plays::note("two")].concat();
    bench.task("one").task("two").devs(&plays::dev(&rules));
    let mut seed =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").subsec_nanos();
    for _ in 0..5 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let after = Duration::from_millis(u64::from(seed >> 16) % 5_000);
        let run = bench.start();
        thread::sleep(after);
        println!("killed after {after:?}");
        run.kill();
    }
    once(&bench, &bench.finish(), &["one", "two"]);
}

/// Every push, merge and delivery happened once, and all of it is on `main`.
fn once(bench: &Bench, records: &Records, features: &[&str]) {
    for feature in features {
        let lines = || format!("{feature}\n{}", records.lines());
        assert_eq!(records.merged(feature).len(), 1, "{}", lines());
        assert_eq!(records.pushes(feature).len(), 2, "{}", lines());
        assert!(records.delivered(feature), "{}", lines());
        assert!(bench.repo.show("main", &format!("{feature}.txt")).is_some(), "{}", lines());
    }
    let merges = bench.repo.git(&["rev-list", "--merges", "--count", "main"]);
    assert_eq!(merges, features.len().to_string());
    assert!(bench.repo.try_git(&["fsck", "--strict", "--no-dangling"]).status.success());
    assert_eq!(bench.repo.git(&["status", "--porcelain"]), "");
}

//! Suites as gates: what a test run proves, and what it does not.

use foureyes_protocol::{Code, Gate, Outcome, body::GateVerdict};
use foureyes_tests::{
    bench::Bench,
    plays::{self, assigned, dev, push, verdict},
};
use serde_json::json;

const TEST: (&str, &str) = ("tests/note.sh", "grep -q done note.txt\n");
const CODE: (&str, &str) = ("note.txt", "done\n");

/// A test that passes before there is anything to test proves nothing; the next one does.
#[test]
fn a_test_that_passes_before_the_implementation_is_sent_back() {
    let mut bench = Bench::shell();
    let idle = ("tests/note.sh", "echo test result: ok. 1 passed; exit 0\n");
    let rules = [
        assigned("note", push("test: it always passes", &[idle])),
        verdict("note", "RED", "returned", push("test: a real one", &[TEST])),
        verdict("note", "RED", "passed", push("feat: note", &[CODE])),
    ];
    bench.task("note").devs(&dev(&rules));
    let records = bench.finish();
    assert!(records.returned("note", Gate::Red, Code::RedNothing), "{}", records.lines());
    assert_eq!(records.pushes("note").len(), 3, "{}", records.lines());
}

/// Tests and code in one push are refused, and so is code that comes before its tests.
#[test]
fn implementation_and_test_in_one_commit_are_refused() {
    let mut bench = Bench::shell();
    let mut both = push("feat: all at once", &[TEST, CODE]);
    let last = both.pop().expect("the push");
    both.push(json!({"expect": {"refused": "G-TESTS-FIRST", "of": last}}));
    both.push(json!({"run": ["/bin/sh", "-c", "git reset -q --soft HEAD~1 && git rm -q --cached note.txt && rm note.txt"]}));
    both.extend([json!({"commit": "test: note"}), json!({"push": {}})]);
    let rules = [assigned("note", both), verdict("note", "RED", "passed", push("feat: note", &[CODE]))];
    bench.task("note").devs(&dev(&rules));
    let records = bench.finish();
    let who = records.pushes("note")[0].by.to_string();
    assert!(records.refused(&who, Code::NotTestsFirst), "{}", records.lines());
    assert_eq!(records.pushes("note").len(), 2, "{}", records.lines());
}

/// The bytes of an admitted test are fixed; neither a change nor a deletion passes GREEN.
#[test]
fn admitted_tests_are_neither_changed_nor_deleted() {
    let mut bench = Bench::shell();
    let delete_then_restore = "if [ -e \"$HOME/deleted\" ]; then git checkout -q HEAD~2 -- tests/note.sh && echo done >note.txt; \
        else touch \"$HOME/deleted\" && git rm -q tests/note.sh; fi";
    let mend = vec![
        json!({"branch": {}}),
        json!({"run": ["/bin/sh", "-c", delete_then_restore]}),
        json!({"commit": "feat: another try"}),
        json!({"push": {}}),
    ];
    let weak = push("feat: with a weaker test", &[("tests/note.sh", "true\n"), ("note.txt", "weak\n")]);
    let rules = [
        assigned("note", push("test: note", &[TEST])),
        verdict("note", "RED", "passed", weak),
        verdict("note", "GREEN", "returned", mend),
    ];
    bench.task("note").devs(&dev(&rules));
    let records = bench.finish();
    let admitted = |v: &&&GateVerdict| v.reasons.iter().any(|r| r.code == Code::AdmittedChanged);
    assert_eq!(records.verdicts("note").iter().filter(admitted).count(), 2, "{}", records.lines());
    assert_eq!(bench.repo.show("main", "tests/note.sh").as_deref(), Some(TEST.1));
}

/// A suite whose program is missing says nothing about tests: it waits for the user, and is no RED.
#[test]
fn a_broken_environment_is_never_red() {
    let mut bench = Bench::shell();
    bench.config["gates"]["suite"]["command"] = json!(["/usr/bin/no-such-program"]);
    bench.task("note").devs(&dev(&plays::note("note")));
    let mut run = bench.start();
    run.until("the gate is broken", |r| r.verdict("note", Gate::Red, Outcome::Broken));
    let records = bench.records();
    let red = records.verdicts("note").into_iter().filter(|v| v.gate == Gate::Red);
    assert!(red.into_iter().all(|v| v.outcome == Outcome::Broken), "{}", records.lines());
    run.kill();
}

const CRATE: &[(&str, &str)] = &[
    ("Cargo.toml", "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
    ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"tiny\"\nversion = \"0.1.0\"\n"),
    ("src/lib.rs", "//! Tiny.\n"),
    (".gitignore", "target\n"),
];

/// A test that prints what a test harness prints and leaves with exit code 0 has not passed.
#[test]
fn a_test_that_forges_the_harness_never_passes() {
    let mut bench = Bench::with(CRATE);
    bench.config["gates"] = json!({});
    let forged = "#[test]\nfn forged() {\n    println!(\"test forged ... ok\\n\\ntest result: ok. 1 passed; 0 failed; 0 ignored\");\n    assert!(tiny::there());\n}\n";
    let leaves = forged.replace("assert!(tiny::there());", "std::process::exit(i32::from(!tiny::there()));");
    let code = "//! Tiny.\n\n/// It is.\npub fn there() -> bool {\n    true\n}\n";
    let rules = [
        assigned("note", push("test: forged", &[("tests/forged.rs", &leaves)])),
        verdict("note", "RED", "passed", push("feat: there", &[("src/lib.rs", code)])),
    ];
    bench.task("note").devs(&dev(&rules));
    let mut run = bench.start();
    run.until("it is sent back", |r| {
        r.verdict("note", Gate::Green, Outcome::Returned) || r.verdict("note", Gate::Red, Outcome::Returned)
    });
    let records = bench.records();
    assert!(!records.verdict("note", Gate::Green, Outcome::Passed), "{}", records.lines());
    run.kill();
}

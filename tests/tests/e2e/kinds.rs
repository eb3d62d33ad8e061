//! Kinds of change: each asks for what its diff can show, and for nothing else.

use foureyes_protocol::{Body, Code, Envelope, Gate, Outcome};
use foureyes_tests::{
    bench::{Bench, SHELL, role},
    plays::{self, assigned, dev, push},
    records::Records,
    terminal,
};
use serde_json::json;

/// A bench whose one feature is of this kind and is done by these steps.
fn bench(kind: &str, steps: Vec<serde_json::Value>) -> Bench {
    let files: Vec<_> = SHELL
        .iter()
        .copied()
        .chain([("old.txt", "old\n"), ("tests/old.sh", "test -f README.md\n")])
        .collect();
    let mut bench = Bench::with(&files);
    let specs =
        json!({"it": {"title": "it", "kind": kind, "risk": "LOW", "text": "as asked", "paths": ["**"]}});
    bench.play("planner-a", "planner", &plays::planner(&specs));
    for (id, family) in [("qa-a", "qa"), ("architect-a", "architect"), ("architect-b", "architect")] {
        bench.cast(role(id, family, &format!("good/{family}")));
    }
    bench.task("it").devs(&dev(&[assigned("it", steps)]));
    bench
}

fn red_is_not_applicable(records: &Records) {
    assert!(records.verdict("it", Gate::Red, Outcome::NotApplicable), "{}", records.lines());
    assert_eq!(records.merged("it").len(), 1, "{}", records.lines());
}

#[test]
fn a_refactoring_needs_no_new_test() {
    let bench = bench(
        "refactor",
        push("refactor: it", &[("run.sh", "for t in tests/*.sh; do\n  sh \"$t\" || exit 1\ndone\n")]),
    );
    let records = bench.finish();
    red_is_not_applicable(&records);
    let peer =
        records.verdicts("it").into_iter().find(|v| v.gate == Gate::Peer && v.outcome == Outcome::Passed);
    assert!(peer.is_some_and(|v| v.signers.len() >= 2), "{}", records.lines());
}

#[test]
fn documentation_changes_documentation_only() {
    let mend = vec![
        json!({"branch": {}}),
        json!({"git": ["rm", "-q", "code.txt"]}),
        json!({"commit": "docs: only documentation"}),
        json!({"push": {}}),
    ];
    let rules = [
        assigned("it", push("docs: it", &[("README.md", "# better\n"), ("code.txt", "code\n")])),
        json!({"when": {"kind": "GateVerdict", "outcome": "returned", "code": "G-KIND"}, "do": mend}),
    ];
    let mut bench = bench("docs", Vec::new());
    bench.devs(&dev(&rules));
    let records = bench.finish();
    assert!(records.returned("it", Gate::Red, Code::KindMismatch), "{}", records.lines());
    red_is_not_applicable(&records);
    assert_eq!(bench.repo.show("main", "README.md").as_deref(), Some("# better\n"));
    assert_eq!(bench.repo.show("main", "code.txt"), None);
}

#[test]
fn a_removal_takes_code_and_its_test_away() {
    let steps = vec![
        json!({"branch": {}}),
        json!({"git": ["rm", "-q", "old.txt", "tests/old.sh"]}),
        json!({"commit": "feat!: old is gone"}),
        json!({"push": {}}),
    ];
    let bench = bench("remove", steps);
    let records = bench.finish();
    red_is_not_applicable(&records);
    assert_eq!(bench.repo.show("main", "old.txt"), None);
}

/// A chore may touch protected paths, and the user signs it.
#[test]
fn a_chore_on_a_protected_path_is_signed_by_the_user() {
    let bench = bench("chore", push("chore: it", &[(".github/workflows/ci.yml", "on: push\n")]));
    let mut run = bench.start();
    let asked = |r: &Records| {
        let to_user = |e: &&Envelope| e.to.to_string() == "user" && matches!(e.body, Body::SignOffRequest(_));
        !r.verdict("it", Gate::Peer, Outcome::Passed) && r.of("it").iter().any(to_user)
    };
    run.until("the user is asked", asked);
    bench.inbox_shows("sign-off");
    assert!(!bench.records().verdict("it", Gate::Peer, Outcome::Passed));
    let (status, text) = terminal::type_to(bench.command(&["approve", "1"]), "yes\n");
    assert!(status.success(), "{text}");
    run.finish();
    let records = bench.records();
    let peer =
        records.verdicts("it").into_iter().find(|v| v.gate == Gate::Peer && v.outcome == Outcome::Passed);
    assert!(peer.is_some_and(|v| v.signers.iter().any(|s| s.as_str() == "user")), "{}", records.lines());
    assert_eq!(bench.repo.show("main", ".github/workflows/ci.yml").as_deref(), Some("on: push\n"));
}

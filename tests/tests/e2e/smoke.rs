//! The shortest way through all gates.

use foureyes_protocol::{Gate, Outcome};
use foureyes_tests::{bench::Bench, plays};

#[test]
fn a_feature_with_a_shell_suite_lands() {
    let mut bench = Bench::shell();
    bench.task("note").devs(&plays::dev(&plays::note("note")));
    let records = bench.finish();
    assert_eq!(records.merged("note").len(), 1);
    assert!(records.verdict("note", Gate::Red, Outcome::Passed));
    assert_eq!(bench.repo.show("main", "note.txt").as_deref(), Some("done\n"));
    assert_eq!(bench.repo.git(&["status", "--porcelain"]), "");
}

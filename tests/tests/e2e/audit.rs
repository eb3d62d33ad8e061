//! A ledger in which anything was changed is found out, and nothing more is decided on it.

use foureyes_ledger::verify::{VerifyOptions, verify_file};
use foureyes_tests::{
    bench::{self, Bench},
    plays,
};
use std::{fs, path::Path, time::Duration};

/// The ledger verifies; a copy with one byte of one record changed does not.
pub fn one_flipped_byte_is_found(bench: &Bench) {
    bench.assert_ledger_verifies();
    let ledger = bench.ledger().expect("a ledger");
    let copy = bench.place("forged");
    bench::copy(ledger.parent().expect("a folder"), &copy);
    flip(&copy.join("ledger.db"));
    let failure = verify_file(&copy.join("ledger.db"), &VerifyOptions::default());
    assert!(failure.is_err(), "{failure:?}");
}

/// Changes one bit of a record. SQLite leaves copies behind where it moved a record: the bit must be one
/// that is read.
fn flip(database: &Path) {
    let before = bodies(database);
    let whole = fs::read(database).expect("the ledger");
    let needle = b"TaskAssignment";
    let places = whole.windows(needle.len()).enumerate().filter(|(_, w)| w == needle).map(|(at, _)| at);
    for at in places {
        let mut forged = whole.clone();
        forged[at] ^= 1;
        fs::write(database, forged).expect("the forged ledger");
        if bodies(database) != before {
            return;
        }
    }
    panic!("no record to change");
}

/// The bytes of all records.
fn bodies(database: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    let decode = |bytes: &[u8]| serde_json::Value::from(bytes.to_vec());
    foureyes_ledger::export(database, &mut out, &decode).expect("an export");
    out
}

#[test]
fn a_runtime_refuses_to_start_on_a_changed_ledger() {
    let mut bench = Bench::shell();
    bench.task("note").devs(&plays::dev(&plays::note("note")));
    bench.finish();
    flip(&bench.ledger().expect("a ledger"));
    let mut run = bench.start();
    let status = run.end(Duration::from_secs(30));
    assert!(!status.success(), "{}", run.output());
    assert!(run.output().contains("does not verify") || run.output().contains("audit"), "{}", run.output());
    bench.assert_nobody_left();
}

#[test]
fn a_second_runtime_on_the_same_state_refuses() {
    let mut bench = Bench::shell();
    bench.task("note").devs(&plays::dev(&[]));
    let mut first = bench.start();
    first.until("the work is assigned", |r| !r.of("note").is_empty());
    let mut second = bench.start();
    let status = second.end(Duration::from_secs(30));
    assert!(!status.success(), "{}", second.output());
    assert!(first.ended().is_none(), "the first one ended: {}", first.output());
    first.until("the work is assigned", |r| {
        !r.bodies(|b| {
            if let foureyes_protocol::Body::TaskAssignment(t) = b {
                (!t.paths.is_empty() || t.branch.is_some()).then_some(())
            } else {
                None
            }
        })
        .is_empty()
    });
    first.kill();
}

//! A runtime that is killed at any time loses nothing that it has acknowledged, and the ledger opens
//! and verifies again.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use foureyes_ledger::{
    OpenOptions, StateFiles, open,
    verify::{VerifyOptions, verify_file},
};
use foureyes_ports::{
    clock::{FakeClock, FakeEntropy},
    ledger::{Ledger as _, LedgerState, NewRecord},
};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

const DIR: &str = "FOUREYES_TEST_KILL_DIR";

fn options() -> OpenOptions {
    OpenOptions::new(Arc::new(FakeClock::at(1)), Arc::new(FakeEntropy::seeded(3)))
}

/// The victim: appends without end and prints the index of each record that was acknowledged.
#[tokio::test]
async fn victim() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let ledger = open(Path::new(&dir), &options()).expect("open");
    assert_eq!(ledger.state(), LedgerState::Writable);
    let mut out = std::io::stdout().lock();
    loop {
        let batch = |i: u8| vec![NewRecord { at_ms: 1, bytes: vec![i; 700].into() }];
        let tickets: Vec<_> = (0..9).map(|i| ledger.append(None, batch(i))).collect();
        for ticket in tickets {
            let head = ticket.await.expect("append");
            writeln!(out, "\nacknowledged {}", head.index).expect("print");
        }
    }
}

/// Kills a victim once it has acknowledged `n` appends; returns the last acknowledged head.
fn kill_after(dir: &Path, n: usize) -> u64 {
    let own = std::env::current_exe().expect("this test's binary");
    let mut child = Command::new(own)
        .args(["--exact", "victim", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut indices =
        lines.map_while(Result::ok).filter_map(|l| l.strip_prefix("acknowledged ")?.parse().ok());
    let seen = indices.by_ref().take(n).last().expect("acknowledged");
    child.kill().expect("kill");
    // What it had printed before the signal counts too.
    let last = indices.last().unwrap_or(seen);
    child.wait().expect("wait");
    last
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = StateFiles::in_dir(dir.path()).database();
    let mut before = 0;
    for n in [1, 2, 5, 17, 40, 90] {
        let acknowledged = kill_after(dir.path(), n);
        assert!(acknowledged > before);
        let report = verify_file(&database, &VerifyOptions::default()).expect("verifies before recovery");
        assert!(report.records >= acknowledged, "{report} lost some of {acknowledged}");
        before = report.records;
    }
    let mut options = options();
    options.full_verify = true;
    let ledger = open(dir.path(), &options).expect("open");
    assert_eq!((ledger.state(), ledger.epoch(), ledger.head().index), (LedgerState::Writable, 7, before));
}

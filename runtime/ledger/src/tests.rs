//! The adapter as a whole: the port's battery, faults, epochs, checkpoints.

use crate::{
    OpenError, OpenOptions, SqliteLedger, StateFiles, open,
    verify::{VerifyOptions, verify_file},
    writer::{FaultHook, Step},
};
use foureyes_ports::{
    clock::{FakeClock, FakeEntropy},
    ledger::{AppendError, Ledger, LedgerState, Settled, conformance, conformance::record, settle},
};
use rusqlite::ffi;
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

fn options() -> OpenOptions {
    OpenOptions::new(Arc::new(FakeClock::at(1_000)), Arc::new(FakeEntropy::seeded(1)))
}

fn ledger(dir: &Path) -> SqliteLedger {
    open(dir, &options()).expect("open")
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Appends `n` records, one after the other.
async fn fill(ledger: &SqliteLedger, n: u64) {
    let from = ledger.tail().index;
    let tickets: Vec<_> =
        (from..from + n).map(|i| ledger.append(None, vec![record(i, &format!("r{i}"))])).collect();
    for ticket in tickets {
        ticket.await.expect("append");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let mut dirs = vec![];
    conformance::run(|| {
        dirs.push(temporary());
        let dir = dirs[dirs.len() - 1].path().to_owned();
        Box::new(move || Arc::new(ledger(&dir)))
    })
    .await;
}

#[tokio::test]
async fn a_second_runtime_is_refused_by_pid() {
    let dir = temporary();
    let first = ledger(dir.path());
    let refused = open(dir.path(), &options()).err().expect("locked");
    let own = std::process::id().to_string();
    assert!(matches!(&refused, OpenError::Locked { pid, .. } if *pid == own), "{refused}");
    assert!(refused.to_string().contains(&own));
    drop(first);
    assert_eq!(ledger(dir.path()).epoch(), 2);
}

fn io_error() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some("injected".into()))
}

/// Fails the `n`th call of `step` with what `error` makes.
fn fail_at(step: Step, n: usize, error: fn() -> rusqlite::Error) -> FaultHook {
    let left = Mutex::new(n);
    Arc::new(move |s| {
        let mut left = left.lock().expect("no panic");
        *left -= usize::from(s == step && *left > 0);
        if s == step && *left == 0 { Err(error()) } else { Ok(()) }
    })
}

/// Fails the third commit at `step`; returns how that append ended, how it settled after opening
/// again, and what an append on the failed handle said.
async fn strike(step: Step) -> (AppendError, Settled, AppendError) {
    let dir = temporary();
    let faulty = OpenOptions { faults: Some(fail_at(step, 3, io_error)), ..options() };
    let ledger = open(dir.path(), &faulty).expect("open");
    fill(&ledger, 1).await;
    fill(&ledger, 1).await;
    let batch = vec![record(7, "struck"), record(7, "struck too")];
    let ticket = ledger.append(None, batch.clone());
    let assigned = ticket.assigned();
    let error = ticket.await.expect_err("the fault");
    assert!(matches!(ledger.state(), LedgerState::Stopped(_)));
    assert_eq!((ledger.head().index, ledger.tail().index), (2, 2));
    let later = ledger.append(None, batch.clone()).await.expect_err("stopped");
    assert!(ledger.append_critical(None, batch.clone()).await.is_err(), "no disk, no freeze");
    assert!(ledger.set_cursor("x", 1).await.is_err());
    drop(ledger);
    let again = self::ledger(dir.path());
    let settled = settle(&again, assigned, &batch).await.expect("read");
    fill(&again, 1).await;
    drop(again);
    verify_file(&StateFiles::in_dir(dir.path()).database(), &VerifyOptions::default()).expect("verifies");
    (error, settled, later)
}

#[tokio::test]
async fn failures_stop_the_writer_and_unknown_ends_settle() {
    for (step, known, settled) in [
        (Step::Begin, true, Settled::Absent),
        (Step::Commit, false, Settled::Absent),
        (Step::Committed, false, Settled::Durable),
    ] {
        let (error, found, later) = strike(step).await;
        assert_eq!(matches!(error, AppendError::Failed { .. }), known, "{step:?}: {error}");
        assert_eq!(matches!(error, AppendError::Unknown { .. }), !known, "{step:?}: {error}");
        assert_eq!(found, settled, "{step:?}");
        assert!(matches!(later, AppendError::Failed { .. }), "{step:?}: {later}");
    }
}

#[tokio::test]
async fn a_full_database_still_takes_a_freeze() {
    let dir = temporary();
    let small = OpenOptions { max_pages: Some(40), ..options() };
    let ledger = open(dir.path(), &small).expect("open");
    let reserve = StateFiles::in_dir(dir.path()).reserve();
    assert!(reserve.exists());
    let big = || vec![record(1, &"x".repeat(20_000))];
    let mut stored = 0;
    let full = loop {
        match ledger.append(None, big()).await {
            Ok(head) => stored = head.index,
            Err(error) => break error,
        }
    };
    assert_eq!(full, AppendError::Full);
    assert_eq!(ledger.state(), LedgerState::CriticalOnly);
    assert_eq!((ledger.head().index, ledger.tail().index), (stored, stored));
    assert_eq!(ledger.append(None, big()).await, Err(AppendError::Full));
    let freeze = ledger.append_critical(None, vec![record(2, "freeze")]).await.expect("freeze");
    assert_eq!(freeze.index, stored + 1);
    assert!(!reserve.exists(), "the reserved space is given back");
    assert_eq!(ledger.append(None, big()).await, Err(AppendError::Full), "only what is critical");
    assert!(ledger.append_critical(Some(freeze), vec![record(3, "again")]).await.is_ok());
    drop(ledger);
    let again = self::ledger(dir.path());
    assert_eq!(again.head().index, stored + 2);
    assert!(reserve.exists());
}

#[tokio::test]
async fn checkpoints_cover_every_64_and_the_end() {
    let dir = temporary();
    let files = StateFiles::in_dir(dir.path());
    let first = ledger(dir.path());
    for _ in 0..130 {
        fill(&first, 1).await;
    }
    let running = verify_file(&files.database(), &VerifyOptions::default()).expect("verifies while running");
    assert_eq!(running.records, 130);
    assert_eq!(running.unsigned, 1, "signed at 1, 65 and 129");
    drop(first);
    let closed = verify_file(&files.database(), &VerifyOptions::default()).expect("verifies when closed");
    assert_eq!((closed.records, closed.unsigned, closed.checkpoints), (130, 0, 4));
    let text = fs::read_to_string(files.checkpoint()).expect("a checkpoint file");
    assert_eq!(text.lines().nth(1), Some("130"));
    assert_eq!(ledger(dir.path()).head().index, 130);
}

#[tokio::test]
async fn a_checkpoint_is_published_within_a_second_or_so() {
    let dir = temporary();
    let ledger = ledger(dir.path());
    fill(&ledger, 1).await;
    let file = StateFiles::in_dir(dir.path()).checkpoint();
    let published = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), published).await.expect("a checkpoint file");
    drop(ledger);
}

#[tokio::test]
async fn reading_is_bounded_but_never_empty() {
    let dir = temporary();
    let ledger = ledger(dir.path());
    let big = "y".repeat(3 << 20);
    for at in 0..4 {
        ledger.append(None, vec![record(at, &big)]).await.expect("append");
    }
    let first = ledger.read(0, 10).await.expect("read");
    assert_eq!(first.len(), 3);
    assert_eq!(ledger.read(3, 10).await.expect("read").len(), 1);
}

/// Opens after `damage` to the database; returns why it is read-only.
async fn opened_after(damage: &str) -> String {
    let dir = temporary();
    let first = ledger(dir.path());
    for _ in 0..70 {
        fill(&first, 1).await;
    }
    drop(first);
    let files = StateFiles::in_dir(dir.path());
    let db = rusqlite::Connection::open(files.database()).expect("open");
    let triggers = "DROP TRIGGER records_stay; DROP TRIGGER records_last;
         DROP TRIGGER checkpoints_stay; DROP TRIGGER checkpoints_last;";
    db.execute_batch(&format!("{triggers} {damage}")).expect("damage");
    drop(db);
    let full = OpenOptions { full_verify: true, ..options() };
    let again = open(dir.path(), &full).expect("opens");
    let LedgerState::ReadOnly(why) = again.state() else { panic!("{damage}: {:?}", again.state()) };
    let refused = again.append_critical(None, vec![record(1, "x")]).await;
    assert_eq!(refused, Err(AppendError::ReadOnly { why: why.clone() }));
    assert!(again.set_cursor("x", 1).await.is_err());
    assert_eq!(again.epoch(), 1, "no epoch begins");
    why.to_string()
}

#[tokio::test]
async fn what_does_not_verify_opens_read_only() {
    for (damage, says) in [
        ("UPDATE records SET bytes = x'00' WHERE idx = 3", "record 3"),
        ("UPDATE records SET at_ms = 1 WHERE idx = 66", "record 66"),
        ("DELETE FROM records WHERE idx = 10", "record 10"),
        ("DELETE FROM records WHERE idx >= 60", "last record is missing or another"),
        ("DELETE FROM checkpoints", "no signed checkpoint"),
        ("DELETE FROM checkpoints WHERE size = 70", "not among the stored"),
        ("DELETE FROM checkpoints WHERE size = 70; DELETE FROM records WHERE idx >= 65", "tail is cut"),
        ("UPDATE checkpoints SET note = replace(note, '70', '71') WHERE size = 70", "checkpoint of 70"),
        ("UPDATE checkpoints SET frontier = zeroblob(96) WHERE size = 70", "another root"),
    ] {
        let why = opened_after(damage).await;
        assert!(why.contains(says), "{damage}: {why}");
    }
}

#[tokio::test]
async fn every_file_is_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = temporary();
    let ledger = ledger(dir.path());
    fill(&ledger, 1).await;
    ledger.read(0, 1).await.expect("read");
    for entry in fs::read_dir(dir.path()).expect("list") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let dir = temporary();
    drop(ledger(dir.path()));
    let files = StateFiles::in_dir(dir.path());
    let db = rusqlite::Connection::open(files.database()).expect("open");
    db.pragma_update(None, "user_version", 9).expect("pragma");
    drop(db);
    let refused = open(dir.path(), &options()).err().expect("refused");
    assert!(matches!(refused, OpenError::Format { found: 9, .. }), "{refused}");
}

#[tokio::test]
async fn a_lost_key_is_told() {
    let dir = temporary();
    drop(ledger(dir.path()));
    fs::remove_file(StateFiles::in_dir(dir.path()).private_key()).expect("remove");
    let refused = open(dir.path(), &options()).err().expect("refused");
    assert!(matches!(refused, OpenError::Key(crate::KeyError::Missing { .. })), "{refused}");
}

#[tokio::test]
async fn too_much_waiting_is_refused() {
    let dir = temporary();
    // The writer is held at its first commit until the test has filled the queue.
    let (gate, waiting) = std::sync::mpsc::channel::<()>();
    let waiting = Mutex::new(waiting);
    let hook: FaultHook = Arc::new(move |_| {
        // Ends when the test has dropped the other side.
        let _ = waiting.lock().expect("no panic").recv();
        Ok(())
    });
    let ledger = open(dir.path(), &OpenOptions { faults: Some(hook), ..options() }).expect("open");
    let big = bytes::Bytes::from(vec![1; 4 << 20]);
    let new = || vec![foureyes_ports::ledger::NewRecord { at_ms: 1, bytes: big.clone() }];
    let tickets: Vec<_> = (0..17).map(|_| ledger.append(None, new())).collect();
    let queued = 17 * big.len();
    let refused = ledger.append(None, new()).await;
    assert_eq!(refused, Err(AppendError::Overloaded { queued }));
    let critical = ledger.append_critical(None, vec![record(1, "freeze")]);
    drop(gate);
    for ticket in tickets {
        ticket.await.expect("append");
    }
    critical.await.expect("never refused for load");
}

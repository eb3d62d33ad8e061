//! What the verifier finds: every way to change a ledger that its module's text names, and what it
//! cannot find without an earlier checkpoint.

use foureyes_ledger::{
    OpenOptions, StateFiles,
    checkpoint::Checkpoint,
    export, merkle, open,
    verify::{VerifyFailure, VerifyOptions, VerifyReport, verify_file},
};
use foureyes_ports::{
    clock::{FakeClock, FakeEntropy},
    ledger::{Head, Ledger as _, NewRecord, Record},
};
use foureyes_protocol::{Digest, RunId};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use rusqlite::{Connection, params};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;
use uuid::Uuid;

const RECORDS: u64 = 140;

/// A closed state directory of `RECORDS` records, appended in two epochs.
struct Sample {
    dir: TempDir,
    files: StateFiles,
}

impl Sample {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let files = StateFiles::in_dir(dir.path());
        append(dir.path(), seed, 0..100);
        append(dir.path(), seed, 100..RECORDS);
        Self { dir, files }
    }

    fn verify_with(&self, options: &VerifyOptions) -> Result<VerifyReport, VerifyFailure> {
        verify_file(&self.files.database(), options)
    }

    fn verify(&self) -> Result<VerifyReport, VerifyFailure> {
        self.verify_with(&VerifyOptions::default())
    }

    /// The database with its triggers gone, as who can write the file has it.
    fn database(&self) -> Connection {
        let db = Connection::open(self.files.database()).expect("open");
        let drop = "DROP TRIGGER IF EXISTS records_stay; DROP TRIGGER IF EXISTS records_last;
            DROP TRIGGER IF EXISTS checkpoints_stay; DROP TRIGGER IF EXISTS checkpoints_last;";
        db.execute_batch(drop).expect("drop triggers");
        db
    }

    fn sql(&self, sql: &str) {
        self.database().execute_batch(sql).expect(sql);
    }

    fn run(&self) -> RunId {
        let bytes: Vec<u8> = self
            .database()
            .query_row("SELECT value FROM meta WHERE name = 'run'", [], |r| r.get(0))
            .expect("a run");
        RunId(Uuid::from_slice(&bytes).expect("an id"))
    }

    fn records(&self) -> Vec<Record> {
        let db = self.database();
        let mut select = db.prepare("SELECT * FROM records ORDER BY idx").expect("select");
        let read = |r: &rusqlite::Row<'_>| {
            Ok(Record {
                index: r.get::<_, i64>(0)?.cast_unsigned(),
                at_ms: r.get::<_, i64>(1)?.cast_unsigned(),
                prev: Digest(r.get(2)?),
                body_sha: Digest(r.get(3)?),
                hash: Digest(r.get(4)?),
                bytes: r.get::<_, Vec<u8>>(5)?.into(),
            })
        };
        select.query_map([], read).expect("query").collect::<Result<_, _>>().expect("rows")
    }

    fn checkpoint_file(&self) -> String {
        fs::read_to_string(self.files.checkpoint()).expect("a checkpoint")
    }

    /// Writes other records with all hashes computed anew.
    fn rewrite(&self, change: impl Fn(&mut NewRecord)) -> Vec<Record> {
        let genesis = Head::genesis(self.run());
        let old = self.records().into_iter().map(|r| NewRecord { at_ms: r.at_ms, bytes: r.bytes });
        let batch = old
            .map(|mut new| {
                change(&mut new);
                new
            })
            .collect();
        let (records, _) = Record::link_all(genesis, batch);
        let db = self.database();
        db.execute_batch("DELETE FROM records").expect("delete");
        for r in &records {
            let row = params![r.index as i64, r.at_ms as i64, r.prev.0, r.body_sha.0, r.hash.0, &r.bytes[..]];
            db.execute("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row).expect("insert");
        }
        records
    }

    /// Signs every checkpoint anew over `records`.
    fn sign_anew(&self, records: &[Record], key: &Ed25519KeyPair) {
        let (db, run) = (self.database(), self.run());
        let hashes: Vec<Digest> = records.iter().map(|r| r.hash).collect();
        let mut select = db.prepare("SELECT size FROM checkpoints").expect("select");
        let sizes: Vec<i64> =
            select.query_map([], |r| r.get(0)).expect("query").map(|r| r.expect("row")).collect();
        for size in sizes {
            let n = size as usize;
            let (head, root) = (records[n - 1].head(), merkle::root(&hashes[..n]));
            let note = Checkpoint { run, epoch: 1, head, root }.sign(key);
            let mut frontier = merkle::Frontier::default();
            hashes[..n].iter().for_each(|h| frontier.push(h));
            let row = params![note, frontier.to_bytes(), size];
            db.execute("UPDATE checkpoints SET note = ?1, frontier = ?2 WHERE size = ?3", row)
                .expect("update");
            fs::write(self.files.checkpoint(), note).expect("write");
        }
    }

    fn own_key(&self) -> Ed25519KeyPair {
        let bytes = fs::read(self.files.private_key()).expect("a key");
        Ed25519KeyPair::from_pkcs8(&bytes).expect("a key")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn append(dir: &Path, seed: u64, range: std::ops::Range<u64>) {
    let options = OpenOptions::new(Arc::new(FakeClock::at(5_000)), Arc::new(FakeEntropy::seeded(seed)));
    let ledger = open(dir, &options).expect("open");
    let batch = |i: u64| vec![NewRecord { at_ms: i, bytes: format!("{seed}: record number {i}").into() }];
    let mut last = None;
    for i in range {
        last = Some(ledger.append(None, batch(i)));
        // Some commits of one record, some of several.
        if i % 7 == 0 {
            last.take().expect("a ticket").await.expect("append");
        }
    }
    if let Some(ticket) = last {
        ticket.await.expect("append");
    }
    // A reader that has read keeps its hold on the file.
    ledger.read(0, 1).await.expect("read");
}

fn failed_at(result: Result<VerifyReport, VerifyFailure>) -> (Option<u64>, String) {
    let failure = result.expect_err("it must not verify");
    assert!(failure.to_string().starts_with("FAILED"), "{failure}");
    (failure.record, failure.why)
}

#[test]
fn an_untouched_ledger_is_ok() {
    let sample = Sample::new(1);
    let report = sample.verify().expect("verifies");
    assert_eq!((report.records, report.unsigned), (RECORDS, 0));
    assert!(report.to_string().starts_with("OK 140 records, head "), "{report}");
}

#[test]
fn edited_columns_are_found_where_they_are() {
    for (sql, record) in [
        ("UPDATE records SET bytes = CAST('forged' AS BLOB) WHERE idx = 17", 17),
        ("UPDATE records SET hash = randomblob(32) WHERE idx = 30", 30),
        ("UPDATE records SET body_sha = randomblob(32) WHERE idx = 31", 31),
        ("UPDATE records SET prev = randomblob(32) WHERE idx = 32", 32),
        ("UPDATE records SET at_ms = at_ms + 1 WHERE idx = 33", 33),
        ("UPDATE records SET hash = x'00' WHERE idx = 34", 34),
        ("DELETE FROM records WHERE idx = 50", 50),
        ("DELETE FROM records WHERE idx = 0", 0),
        ("UPDATE records SET idx = 500 WHERE idx = 139", 139),
        (
            "UPDATE records SET idx = -1 WHERE idx = 12; UPDATE records SET idx = 12 WHERE idx = 13;
          UPDATE records SET idx = 13 WHERE idx = -1",
            12,
        ),
        (
            "INSERT INTO records SELECT 140, at_ms, prev, body_sha, hash, bytes FROM records WHERE idx = 139",
            140,
        ),
    ] {
        let sample = Sample::new(1);
        sample.sql(sql);
        assert_eq!(failed_at(sample.verify()).0, Some(record), "{sql}");
    }
}

#[test]
fn a_cut_tail_is_found() {
    let sample = Sample::new(1);
    sample.sql("DELETE FROM records WHERE idx >= 120");
    let (record, why) = failed_at(sample.verify());
    assert_eq!(record, Some(120));
    assert!(why.contains("tail is cut"), "{why}");
}

#[test]
fn a_tail_cut_with_its_checkpoints_is_found_by_an_earlier_one() {
    let sample = Sample::new(1);
    let kept = sample.checkpoint_file();
    let cut = "DELETE FROM checkpoints WHERE size > 100; DELETE FROM records WHERE idx >= 100";
    sample.sql(cut);
    assert!(failed_at(sample.verify()).1.contains("tail is cut"), "by the file beside it");
    fs::remove_file(sample.files.checkpoint()).expect("remove");
    assert_eq!(sample.verify().expect("consistent in itself").records, 100);
    let options = VerifyOptions { earlier: vec![kept], ..VerifyOptions::default() };
    assert_eq!(failed_at(sample.verify_with(&options)).0, Some(100));
    let named =
        VerifyOptions { checkpoint_file: Some(sample.files.checkpoint()), ..VerifyOptions::default() };
    assert!(failed_at(sample.verify_with(&named)).1.contains("cannot be read"));
}

#[test]
fn an_unsigned_ledger_is_refused() {
    let sample = Sample::new(1);
    fs::remove_file(sample.files.checkpoint()).expect("remove");
    sample.sql("DELETE FROM checkpoints WHERE size > 60");
    assert!(failed_at(sample.verify()).1.contains("signed by no checkpoint"));
    sample.sql("DELETE FROM checkpoints; DELETE FROM records WHERE idx > 2");
    assert!(failed_at(sample.verify()).1.contains("signed by no checkpoint"));
}

#[test]
fn a_rewritten_history_needs_the_key() {
    let sample = Sample::new(1);
    let kept = sample.checkpoint_file();
    let records = sample.rewrite(|new| new.bytes = [b"forged ", &new.bytes[..]].concat().into());
    let (_, why) = failed_at(sample.verify());
    assert!(why.contains("not those of the stored checkpoint"), "{why}");
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("entropy");
    let other = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
    assert_ne!(other.public_key().as_ref(), sample.own_key().public_key().as_ref());
    sample.sign_anew(&records, &other);
    assert!(failed_at(sample.verify()).1.contains("another key"));
    // With the key itself only a checkpoint that was kept elsewhere tells.
    sample.sign_anew(&records, &sample.own_key());
    assert!(sample.verify().is_ok());
    let options = VerifyOptions { earlier: vec![kept], ..VerifyOptions::default() };
    assert!(failed_at(sample.verify_with(&options)).1.contains("not those of the kept checkpoint"));
}

#[test]
fn records_of_another_run_do_not_fit() {
    let (sample, other) = (Sample::new(1), Sample::new(2));
    let from = other.files.database();
    let attach = format!("ATTACH '{}' AS other;", from.display());
    sample.sql(&format!(
        "{attach} DELETE FROM records WHERE idx = 20;
         INSERT INTO records SELECT * FROM other.records WHERE idx = 20;"
    ));
    assert_eq!(failed_at(sample.verify()).0, Some(20));
    sample.sql(&format!("{attach} DELETE FROM records; INSERT INTO records SELECT * FROM other.records;"));
    assert_eq!(failed_at(sample.verify()).0, Some(0));
    sample.sql(&format!(
        "{attach} DELETE FROM checkpoints; INSERT INTO checkpoints SELECT * FROM other.checkpoints;"
    ));
    assert!(failed_at(sample.verify()).1.contains("not signed by"));
    // The whole of the other run: the key is not its own.
    fs::copy(&from, sample.files.database()).expect("copy");
    assert!(sample.verify().is_err());
    let kept = VerifyOptions { earlier: vec![sample.checkpoint_file()], ..VerifyOptions::default() };
    assert!(other.verify_with(&kept).is_err(), "a checkpoint of another run is no evidence");
}

#[test]
fn a_checkpoint_from_the_future_is_found() {
    let sample = Sample::new(1);
    let last = sample.records().pop().expect("records");
    let head = Head { index: RECORDS + 5, hash: last.hash };
    let note =
        Checkpoint { run: sample.run(), epoch: 9, head, root: Digest::of(b"x") }.sign(&sample.own_key());
    let options = VerifyOptions { earlier: vec![note], ..VerifyOptions::default() };
    assert_eq!(failed_at(sample.verify_with(&options)).0, Some(RECORDS));
}

#[test]
fn a_fork_of_equal_size_is_found() {
    let sample = Sample::new(1);
    let last = sample.records().pop().expect("records");
    let root = Digest::of(b"another history");
    let note = Checkpoint { run: sample.run(), epoch: 2, head: last.head(), root }.sign(&sample.own_key());
    let options = VerifyOptions { earlier: vec![note], ..VerifyOptions::default() };
    assert!(failed_at(sample.verify_with(&options)).1.contains("kept checkpoint of 140"));
}

#[test]
fn a_restored_old_copy_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = StateFiles::in_dir(dir.path());
    append(dir.path(), 1, 0..80);
    let old = fs::read(files.database()).expect("read");
    append(dir.path(), 1, 80..90);
    fs::write(files.database(), old).expect("restore");
    let failure = verify_file(&files.database(), &VerifyOptions::default()).expect_err("rolled back");
    assert!(failure.why.contains("tail is cut"), "{failure}");
}

#[test]
fn a_lone_copy_verifies_with_a_key_and_is_not_written() {
    let sample = Sample::new(1);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let copy = elsewhere.path().join("copy.db");
    fs::copy(sample.files.database(), &copy).expect("copy");
    let before = fs::read(&copy).expect("read");
    let none = verify_file(&copy, &VerifyOptions::default()).expect_err("no key");
    assert!(none.why.contains("no public key"), "{none}");
    let key = fs::read_to_string(sample.files.public_key()).ok();
    let options = VerifyOptions { key, earlier: vec![sample.checkpoint_file()], checkpoint_file: None };
    assert_eq!(verify_file(&copy, &options).expect("verifies").records, RECORDS);
    assert_eq!(fs::read(&copy).expect("read"), before);
    assert_eq!(fs::read_dir(elsewhere.path()).expect("list").count(), 1, "nothing is left beside it");
    let missing = verify_file(&elsewhere.path().join("none.db"), &options).expect_err("no file");
    assert_eq!(missing.record, None);
    drop(sample.dir);
}

fn exported(path: &Path) -> Option<String> {
    let mut out = Vec::new();
    let decode = |bytes: &[u8]| serde_json::Value::from(String::from_utf8_lossy(bytes).into_owned());
    export(path, &mut out, &decode).ok()?;
    String::from_utf8(out).ok()
}

#[test]
fn export_writes_a_line_a_record() {
    let sample = Sample::new(1);
    let text = exported(&sample.files.database()).expect("export");
    assert_eq!(text.lines().count() as u64, RECORDS);
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(3).expect("a line")).expect("JSON");
    assert_eq!(line["index"], 3);
    assert_eq!(line["body"], "1: record number 3");
    assert_eq!(line["hash"], sample.records()[3].hash.to_string());
}

/// Every byte of the file in steps, each flipped in one bit: either it is found, or what is read from
/// it is the same.
#[test]
fn a_flipped_byte_never_changes_what_verifies() {
    let sample = Sample::new(1);
    let path = sample.files.database();
    let key = fs::read_to_string(sample.files.public_key()).ok();
    let options = VerifyOptions { key, earlier: vec![sample.checkpoint_file()], checkpoint_file: None };
    let (content, before) = (fs::read(&path).expect("read"), exported(&path).expect("export"));
    let elsewhere = tempfile::tempdir().expect("a directory");
    let copy = elsewhere.path().join("flipped.db");
    let (mut found, mut tried) = (0, 0);
    // A step without a common factor with the page size, so that all places of a page are met.
    for at in (0..content.len()).step_by((content.len() / 300) | 1) {
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&copy, &flipped).expect("write");
        tried += 1;
        match verify_file(&copy, &options) {
            Err(_) => found += 1,
            Ok(_) => assert_eq!(exported(&copy).as_ref(), Some(&before), "byte {at}"),
        }
    }
    assert!(found * 4 > tried, "{found} of {tried}");
}

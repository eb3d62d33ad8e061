//! Durable appends from 12 senders, each waiting for its answer, against a bare SQLite group commit of
//! the same bytes in the same run: what chain, tree, checkpoints and tickets cost.

use bytes::Bytes;
use foureyes_ledger::{
    OpenOptions,
    host::{OsEntropy, SystemClock},
    open,
};
use foureyes_ports::ledger::{Ledger, NewRecord};
use rusqlite::{Connection, params};
use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

const SENDERS: usize = 12;
const APPENDS: usize = 500;
const ROUNDS: usize = 5;
const BYTES: usize = 512;

/// What one round took: the whole, and each append.
struct Round {
    whole: Duration,
    each: Vec<Duration>,
}

impl Round {
    fn rate(&self) -> f64 {
        self.each.len() as f64 / self.whole.as_secs_f64()
    }

    fn quantile(&mut self, q: f64) -> Duration {
        self.each.sort_unstable();
        self.each[((self.each.len() - 1) as f64 * q) as usize]
    }
}

/// Runs the senders; `send` makes a future that ends when the bytes are durable.
fn senders<F, Fut>(send: F) -> Round
where
    F: Fn(Bytes) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let start = Instant::now();
    let one = |send: F| async move {
        let mut took = Vec::with_capacity(APPENDS);
        for _ in 0..APPENDS {
            let from = Instant::now();
            send(Bytes::from(vec![7; BYTES])).await;
            took.push(from.elapsed());
        }
        took
    };
    let each = runtime.block_on(async {
        let tasks: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(one(send.clone()))).collect();
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await.expect("a sender"));
        }
        each
    });
    Round { whole: start.elapsed(), each }
}

fn ours(dir: &Path) -> Round {
    let options = OpenOptions::new(Arc::new(SystemClock::default()), Arc::new(OsEntropy::default()));
    let ledger = Arc::new(open(dir, &options).expect("open"));
    senders(move |bytes| {
        let ticket = ledger.append(None, vec![NewRecord { at_ms: 1, bytes }]);
        async move {
            ticket.await.expect("append");
        }
    })
}

type Job = (Bytes, oneshot::Sender<()>);

/// The same group commit with nothing but one row a job.
fn bare(dir: &Path) -> Round {
    let db = Connection::open(dir.join("bare.db")).expect("open");
    let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE rows (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;";
    db.execute_batch(setup).expect("setup");
    let (jobs, incoming) = mpsc::channel::<Job>();
    let writer = thread::spawn(move || {
        while let Ok(first) = incoming.recv() {
            let group: Vec<Job> = std::iter::once(first).chain(incoming.try_iter()).collect();
            commit(&db, &group);
            group.into_iter().for_each(|(_, done)| done.send(()).expect("a sender waits"));
        }
    });
    let round = senders(move |bytes| {
        let (done, answer) = oneshot::channel();
        jobs.send((bytes, done)).expect("the writer lives");
        async move { answer.await.expect("an answer") }
    });
    writer.join().expect("the writer");
    round
}

fn commit(db: &Connection, group: &[Job]) {
    db.execute_batch("BEGIN IMMEDIATE").expect("begin");
    for (bytes, _) in group {
        let mut insert = db.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)").expect("prepare");
        insert.execute(params![&bytes[..]]).expect("insert");
    }
    db.execute_batch("COMMIT").expect("commit");
}

fn report(name: &str, rounds: &mut [Round]) -> f64 {
    rounds.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let median = &mut rounds[ROUNDS / 2];
    let (p50, p99) = (median.quantile(0.5), median.quantile(0.99));
    println!("{name}: {:.0} appends/s, p50 {p50:?}, p99 {p99:?} (median of {ROUNDS} rounds)", median.rate());
    median.rate()
}

fn main() {
    let (mut ledger, mut sqlite) = (Vec::new(), Vec::new());
    // In turns, so that a slow moment of the disk meets both.
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir().expect("a directory");
        ledger.push(ours(dir.path()));
        sqlite.push(bare(dir.path()));
    }
    let (ours, bare) = (report("ledger", &mut ledger), report("bare SQLite", &mut sqlite));
    println!("ledger / bare: {:.2}", ours / bare);
}

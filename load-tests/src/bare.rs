//! The limit to compare with: SQLite alone, with the same durability, the same bytes and the same
//! number of senders, who all wait for their answers; one thread commits what waits as one group.

use crate::{
    error::Failure,
    error::io,
    measure::{Latency, processor_time},
};
use rusqlite::Connection;
use std::{path::Path, sync::mpsc, thread, time::Duration};
use tokio::{sync::oneshot, task::JoinSet, time::Instant};

type Waiting = oneshot::Sender<()>;

/// What the bare group commit reached.
#[derive(Clone, Copy, Debug)]
pub struct Bare {
    /// Rows a second.
    pub rate: f64,
    /// How long one took.
    pub latency: Latency,
    /// Processor time of one row, senders included, in microseconds.
    pub cpu_us: f64,
}

/// Runs it in `dir`.
///
/// # Errors
/// [`Failure::Bare`], [`Failure::Io`].
pub async fn run(dir: &Path, senders: usize, time: Duration, bytes: usize) -> Result<Bare, Failure> {
    let db = Connection::open(dir.join("bare.db"))?;
    let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE rows (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;";
    db.execute_batch(setup)?;
    let (rows, incoming) = mpsc::channel();
    let writer = thread::Builder::new().name("bare".to_owned());
    let writer =
        writer.spawn(move || write(&db, &incoming, bytes)).map_err(io("a thread for the bare writer"))?;
    let (start, cpu) = (Instant::now(), processor_time());
    let mut tasks = JoinSet::new();
    for _ in 0..senders {
        tasks.spawn(sender(rows.clone(), start + time));
    }
    drop(rows);
    let times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let cpu_us = (processor_time() - cpu).as_secs_f64() * 1e6 / times.len().max(1) as f64;
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    writer.join().map_err(|_| Failure::Other("the bare writer died".to_owned()))??;
    Ok(Bare { rate, latency: Latency::of(times), cpu_us })
}

async fn sender(rows: mpsc::Sender<Waiting>, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let (from, (done, answer)) = (Instant::now(), oneshot::channel());
        if rows.send(done).is_err() || answer.await.is_err() {
            break;
        }
        times.push(from.elapsed());
    }
    times
}

fn write(db: &Connection, incoming: &mpsc::Receiver<Waiting>, bytes: usize) -> rusqlite::Result<()> {
    let row = vec![7_u8; bytes];
    while let Ok(first) = incoming.recv() {
        let group: Vec<Waiting> = std::iter::once(first).chain(incoming.try_iter()).collect();
        db.execute_batch("BEGIN IMMEDIATE")?;
        for _ in &group {
            db.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)")?.execute([&row])?;
        }
        db.execute_batch("COMMIT")?;
        for done in group {
            // A sender that is gone has seen its time end.
            let _ = done.send(());
        }
    }
    Ok(())
}

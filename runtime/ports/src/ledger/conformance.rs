//! What every ledger must do, as a battery to run against each adapter. Panics at the first breach.

use super::{AppendError, Head, Ledger, LedgerState, MAX_RECORD_BYTES, NewRecord, Record, Settled, settle};
use bytes::Bytes;
use futures::future::join_all;
use std::{sync::Arc, time::Duration};

/// Opens the same storage again and again; all earlier handles have been dropped by then.
pub type Opener = Box<dyn FnMut() -> Arc<dyn Ledger>>;

/// Runs the whole battery; `fresh` gives an opener of a new empty storage each time.
pub async fn run(mut fresh: impl FnMut() -> Opener) {
    starts_empty(fresh()()).await;
    links_and_reads_back(fresh()()).await;
    keeps_call_order(fresh()()).await;
    condition_is_held(fresh()()).await;
    batch_limits(fresh()()).await;
    shares_among_many(fresh()()).await;
    shows_durable_heads(fresh()()).await;
    cursors_are_kept(fresh()).await;
    outlives_its_handle(fresh()).await;
}

/// A record of `text` at the time `at_ms`.
pub fn record(at_ms: u64, text: &str) -> NewRecord {
    NewRecord { at_ms, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

fn assert_chain(from: Head, records: &[Record]) -> Head {
    records.iter().fold(from, |head, found| {
        let new = NewRecord { at_ms: found.at_ms, bytes: found.bytes.clone() };
        assert_eq!(*found, Record::link(head, new), "record {} must link", head.index);
        found.head()
    })
}

async fn starts_empty(ledger: Arc<dyn Ledger>) {
    let genesis = Head::genesis(ledger.run());
    assert_eq!((ledger.head(), ledger.tail()), (genesis, genesis));
    assert_eq!(ledger.read(0, 10).await, Ok(vec![]));
    assert_eq!(ledger.state(), LedgerState::Writable);
    assert_eq!(ledger.epoch(), 1);
    assert_eq!(ledger.cursor("nobody"), 0);
}

async fn links_and_reads_back(ledger: Arc<dyn Ledger>) {
    let texts = ["a", "", "c", "d", "e"];
    for (at, text) in texts.iter().enumerate() {
        let ticket = ledger.append(None, vec![record(at as u64, text)]);
        assert_eq!(ticket.assigned(), at as u64..at as u64 + 1);
        assert_eq!(ticket.await.expect("append").index, at as u64 + 1);
    }
    let all = ledger.read(0, 100).await.expect("read");
    assert_eq!(all.iter().map(|r| &r.bytes[..]).collect::<Vec<_>>(), texts.map(str::as_bytes));
    assert_eq!(assert_chain(Head::genesis(ledger.run()), &all), ledger.head());
    assert_eq!(ledger.read(1, 2).await.expect("read"), all[1..3]);
    assert_eq!(ledger.read(4, 2).await.expect("read"), all[4..]);
    assert_eq!(ledger.read(5, 2).await, Ok(vec![]));
    assert_eq!(ledger.read(u64::MAX, 2).await, Ok(vec![]));
    assert_eq!(ledger.read(0, 0).await, Ok(vec![]));
}

async fn keeps_call_order(ledger: Arc<dyn Ledger>) {
    let append = |i: u64| ledger.append(None, vec![record(i, &i.to_string())]);
    let tickets: Vec<_> = (0..50).map(append).collect();
    let assigned: Vec<_> = tickets.iter().map(|t| t.assigned().start).collect();
    assert_eq!(assigned, (0..50).collect::<Vec<_>>());
    assert_eq!(ledger.tail().index, 50);
    // Awaited from the last to the first: order comes from the calls.
    let ends = join_all(tickets.into_iter().rev()).await;
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    let read = ledger.read(0, 100).await.expect("read");
    assert!(read.iter().enumerate().all(|(i, r)| r.at_ms == i as u64));
}

async fn condition_is_held(ledger: Arc<dyn Ledger>) {
    let genesis = ledger.head();
    let one = ledger.append(Some(genesis), vec![record(1, "one")]).await.expect("append");
    let refused = ledger.append(Some(genesis), vec![record(2, "two")]);
    assert!(refused.assigned().is_empty());
    let conflict = AppendError::Conflict { expected: genesis, actual: one };
    assert_eq!(refused.await, Err(conflict));
    assert_eq!(ledger.head(), one);
    // The enqueued head counts, not the durable one: two conditional appends can be under way.
    let first = ledger.append(Some(one), vec![record(3, "three")]);
    let second = ledger.append(Some(ledger.tail()), vec![record(4, "four")]);
    assert!(first.await.is_ok());
    assert!(second.await.is_ok());
    assert_eq!(ledger.head().index, 3);
}

async fn batch_limits(ledger: Arc<dyn Ledger>) {
    let batch = ["a", "b", "c"].map(|t| record(1, t)).to_vec();
    let ticket = ledger.append(None, batch);
    assert_eq!(ticket.assigned(), 0..3);
    let head = ticket.await.expect("append");
    assert_eq!(ledger.append(None, vec![]).await, Ok(head), "an empty batch is a barrier");
    let huge = NewRecord { at_ms: 2, bytes: vec![7; MAX_RECORD_BYTES + 1].into() };
    let size = huge.bytes.len();
    let refused = ledger.append(None, vec![record(2, "x"), huge]).await;
    assert_eq!(refused, Err(AppendError::TooLarge { size }));
    let largest = NewRecord { at_ms: 2, bytes: vec![7; MAX_RECORD_BYTES].into() };
    assert!(ledger.append_critical(Some(head), vec![largest]).await.is_ok());
    assert_eq!(ledger.read(3, 1).await.expect("read")[0].bytes.len(), MAX_RECORD_BYTES);
}

async fn shares_among_many(ledger: Arc<dyn Ledger>) {
    let sender = |sender: u64| {
        let ledger = ledger.clone();
        async move {
            for n in 0..20 {
                let batch =
                    vec![record(n, &format!("{sender}/{n}/a")), record(n, &format!("{sender}/{n}/b"))];
                let ticket = ledger.append(None, batch.clone());
                let assigned = ticket.assigned();
                ticket.await.expect("append");
                assert_eq!(settle(&*ledger, assigned, &batch).await, Ok(Settled::Durable));
            }
        }
    };
    join_all((0..12).map(|s| tokio::spawn(sender(s)))).await.into_iter().for_each(|r| r.expect("sender"));
    let all = ledger.read(0, 1000).await.expect("read");
    assert_eq!(all.len(), 12 * 20 * 2);
    assert_eq!(assert_chain(Head::genesis(ledger.run()), &all), ledger.head());
    for pair in all.chunks(2) {
        let (a, b) = (pair[0].bytes.as_ref(), pair[1].bytes.as_ref());
        assert_eq!(a[..a.len() - 1], b[..b.len() - 1], "the records of a batch are neighbours");
    }
}

async fn shows_durable_heads(ledger: Arc<dyn Ledger>) {
    let mut watch = ledger.watch();
    assert_eq!(*watch.borrow_and_update(), ledger.head());
    let head = ledger.append(None, vec![record(1, "seen")]).await.expect("append");
    let seen = async {
        while *watch.borrow_and_update() != head {
            watch.changed().await.expect("the ledger lives");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.expect("the head must be shown");
    assert_eq!(ledger.head(), head);
}

async fn cursors_are_kept(mut open: Opener) {
    let ledger = open();
    let set = ledger.set_cursor("inbox/dev-a", 7);
    assert_eq!(ledger.cursor("inbox/dev-a"), 7, "visible at once");
    assert_eq!(set.await, Ok(()));
    assert_eq!(ledger.set_cursor("inbox/dev-a", u64::MAX).await, Ok(()));
    assert_eq!(ledger.set_cursor("inbox/dev-b", 2).await, Ok(()));
    assert_eq!(ledger.head().index, 0, "cursors are no records");
    drop(ledger);
    let again = open();
    assert_eq!((again.cursor("inbox/dev-a"), again.cursor("inbox/dev-b")), (u64::MAX, 2));
}

async fn outlives_its_handle(mut open: Opener) {
    let ledger = open();
    let (run, batch) = (ledger.run(), vec![record(1, "a"), record(2, "b")]);
    let ticket = ledger.append(None, batch.clone());
    let assigned = ticket.assigned();
    let head = ticket.await.expect("append");
    drop(ledger);
    let ledger = open();
    assert_eq!((ledger.run(), ledger.epoch(), ledger.head()), (run, 2, head));
    assert_eq!(settle(&*ledger, assigned, &batch).await, Ok(Settled::Durable));
    assert_eq!(settle(&*ledger, 2..3, &[record(3, "c")]).await, Ok(Settled::Absent));
    let next = ledger.append(Some(head), vec![record(3, "c")]).await.expect("append");
    assert_eq!(next.index, 3);
}

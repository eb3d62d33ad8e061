//! Sealing and opening envelopes beside what no envelope can do without: a bare MessagePack encoding
//! (or decoding) and a SHA-256 of the same bytes in the same run. Ratios are what survives a shared
//! machine. Run with `cargo bench -p foureyes-protocol --bench envelope`.

use foureyes_protocol::{
    Address, Body, Digest, Envelope, MessageId, PrincipalId, Priority, RunId, Sealed,
    body::StatusReport,
    envelope::{MAX_BYTES, VERSION},
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, hint::black_box, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

const SAMPLES: usize = 2_000;
const WARM_UP: usize = 200;
/// Calls in one sample, so that reading the clock costs next to nothing of it.
const CALLS: u32 = 16;

fn envelope(bytes: usize) -> Envelope {
    let body = Body::from(StatusReport { text: "status ".chars().cycle().take(bytes).collect() });
    Envelope {
        v: VERSION,
        run: RunId(Uuid::from_u128(1)),
        epoch: 3,
        id: MessageId::from_parts(1_750_000_000_000, [7; 10]),
        from: PrincipalId::new("dev-a").expect("a valid name"),
        to: Address::user(),
        kind: body.kind(),
        feature: None,
        thread: None,
        in_reply_to: None,
        seq: 1_234,
        sent_at: 1_750_000_000_000,
        expires_at: None,
        priority: Priority::Normal,
        labels: BTreeSet::new(),
        body,
    }
}

/// What is measured: its name and one round of it.
type Case = (&'static str, Box<dyn FnMut()>);

/// Nanoseconds of one call, by sample, sorted. All cases take turns, so that a slow moment meets all.
fn measure(cases: &mut [Case]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(SAMPLES); cases.len()];
    for sample in 0..SAMPLES + WARM_UP {
        for ((_, call), times) in cases.iter_mut().zip(&mut times) {
            let took = time(call);
            if sample >= WARM_UP {
                times.push(took.as_nanos() as f64 / f64::from(CALLS));
            }
        }
    }
    times.iter_mut().for_each(|t| t.sort_by(f64::total_cmp));
    times
}

fn time(call: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed()
}

fn at(times: &[f64], percent: usize) -> f64 {
    times[times.len() * percent / 100] / 1_000.0
}

fn size(bytes: usize) {
    let one = envelope(bytes);
    let sealed = one.seal();
    println!("text of {bytes} bytes, envelope of {}", sealed.bytes.len());
    let raw = sealed.bytes.clone();
    let (e, s, d) = (one.clone(), sealed.clone(), raw.clone());
    let mut cases: [Case; 5] = [
        ("seal", Box::new(move || drop(black_box(black_box(&one).seal())))),
        ("  bare encode + SHA-256", Box::new(move || drop(black_box(bare_seal(black_box(&e)))))),
        ("open", Box::new(move || drop(black_box(black_box(&s).open(MAX_BYTES).expect("it is sealed"))))),
        ("  bare decode + SHA-256", Box::new(move || drop(black_box(bare_open(black_box(&d)))))),
        ("SHA-256 alone", Box::new(move || drop(black_box(Sealed::of_bytes(raw.clone()))))),
    ];
    let times = measure(&mut cases);
    for ((name, _), t) in cases.iter().zip(&times) {
        println!("  {name:<26} p50 {:>7.2} us   p99 {:>7.2} us", at(t, 50), at(t, 99));
    }
    println!(
        "  seal / bare {:.2}   open / bare {:.2}",
        at(&times[0], 50) / at(&times[1], 50),
        at(&times[2], 50) / at(&times[3], 50)
    );
}

fn bare_seal(envelope: &Envelope) -> (Vec<u8>, [u8; 32]) {
    let bytes = rmp_serde::to_vec_named(envelope).expect("it can be encoded");
    let hash = Sha256::digest(&bytes).into();
    (bytes, hash)
}

fn bare_open(bytes: &[u8]) -> (Envelope, Digest) {
    let hash = Digest(Sha256::digest(bytes).into());
    (rmp_serde::from_slice(bytes).expect("it can be decoded"), hash)
}

fn main() {
    [256, 1_024, 16 * 1_024].into_iter().for_each(size);
}

//! Time and chance as the core sees them: handed in, never taken.

use std::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds since the Unix epoch (UTC).
pub type UnixMillis = u64;

/// A source of wall-clock time.
pub trait Clock: Send + Sync {
    /// The time now, in milliseconds since the Unix epoch. Never decreases within one process.
    fn now_ms(&self) -> UnixMillis;
}

/// A source of unpredictable bytes (keys, ids, draws). Adapters use the operating system's generator.
pub trait Entropy: Send + Sync {
    /// Fills `buf` with unpredictable bytes.
    fn fill(&self, buf: &mut [u8]);
}

/// A clock that a test moves by hand.
#[derive(Debug, Default)]
pub struct FakeClock(AtomicU64);

impl FakeClock {
    /// A clock that stands at `ms`.
    pub fn at(ms: UnixMillis) -> Self {
        Self(AtomicU64::new(ms))
    }

    /// Moves the clock forward by `ms` milliseconds.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now_ms(&self) -> UnixMillis {
        self.0.load(Ordering::SeqCst)
    }
}

/// A repeatable stream of bytes from a seed, for tests only (splitmix64; not for keys).
#[derive(Debug)]
pub struct FakeEntropy(AtomicU64);

impl FakeEntropy {
    /// A stream that starts from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for FakeEntropy {
    fn fill(&self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

//! The machine's clock and random generator behind the ports.

use foureyes_ports::clock::{Clock, Entropy, UnixMillis};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The machine's wall clock, made monotone: when it is set back, this one stands still until the
/// machine's has caught up.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
}

impl SystemClock {
    /// A clock that never shows less than `floor`, for instance the time of the last record of an
    /// earlier epoch.
    pub fn not_before(floor: UnixMillis) -> Self {
        Self { latest: AtomicU64::new(floor) }
    }

    fn observe(&self, wall: UnixMillis) -> UnixMillis {
        self.latest.fetch_max(wall, Ordering::SeqCst).max(wall)
    }
}

impl Clock for SystemClock {
    // The one home of the machine's clock.
    #[allow(clippy::disallowed_methods)]
    fn now_ms(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.observe(u64::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX))
    }
}

/// The operating system's random generator.
#[derive(Debug)]
pub struct OsEntropy(SystemRandom);

impl Default for OsEntropy {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Entropy for OsEntropy {
    /// # Panics
    /// If the operating system has no random bytes: nothing that needs them may go on without.
    fn fill(&self, buf: &mut [u8]) {
        if self.0.fill(buf).is_err() {
            panic!("the operating system gives no random bytes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_stands_still() {
        let clock = SystemClock::default();
        assert_eq!([5, 9, 3, 8, 10].map(|wall| clock.observe(wall)), [5, 9, 9, 9, 10]);
        let floor = UnixMillis::MAX - 1;
        assert_eq!(SystemClock::not_before(floor).now_ms(), floor);
    }

    #[test]
    fn the_clock_shows_this_century() {
        let now = SystemClock::default().now_ms();
        assert!(now > 1_700_000_000_000, "{now}");
    }

    #[test]
    fn entropy_does_not_repeat() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        OsEntropy::default().fill(&mut a);
        OsEntropy::default().fill(&mut b);
        assert_ne!(a, b);
    }
}

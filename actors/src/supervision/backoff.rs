//! How long a child waits before it comes back. Pure: time and randomness are handed in.

/// The shape of an exponential backoff. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffPolicy {
    /// Delay of the second failure, before jitter; the first one restarts at once.
    pub base_ms: u64,
    /// What each further failure multiplies the delay by.
    pub factor: u32,
    /// No delay is ever longer, jitter included.
    pub cap_ms: u64,
    /// Bounds of the factor that is drawn for each delay, so that children which fell together do not
    /// come back together.
    pub jitter: (f64, f64),
    /// A child that ran for so long since its last restart has recovered: its count begins anew.
    pub reset_after_ms: u64,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self { base_ms: 1_000, factor: 2, cap_ms: 300_000, jitter: (0.5, 1.5), reset_after_ms: 600_000 }
    }
}

impl BackoffPolicy {
    /// The same backoff without jitter.
    pub fn without_jitter(self) -> Self {
        Self { jitter: (1.0, 1.0), ..self }
    }

    /// The delay in milliseconds of the given attempt (the first is 1), for a draw in `[0, 1)`.
    pub fn delay_ms(&self, attempt: u32, draw: f64) -> u64 {
        if attempt <= 1 {
            return 0;
        }
        let growth = u64::from(self.factor).saturating_pow(attempt - 2);
        let nominal = self.base_ms.saturating_mul(growth).min(self.cap_ms);
        let (low, high) = self.jitter;
        let jittered = nominal as f64 * (low + (high - low) * draw.clamp(0.0, 1.0));
        (jittered.round() as u64).min(self.cap_ms)
    }
}

/// The failures of one child so far.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: BackoffPolicy,
    attempts: u32,
    resumes_ms: u64,
}

/// One restart: the how-manieth since the child was last healthy, and after how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// 1 for the first failure.
    pub attempt: u32,
    /// Milliseconds until the child comes back.
    pub ms: u64,
}

impl Backoff {
    /// A child that has not failed yet.
    pub fn new(policy: BackoffPolicy) -> Self {
        Self { policy, attempts: 0, resumes_ms: 0 }
    }

    /// Counts a failure at `now_ms` and says when the child may come back; `draw` lies in `[0, 1)`.
    pub fn failed(&mut self, now_ms: u64, draw: f64) -> Delay {
        if now_ms >= self.resumes_ms.saturating_add(self.policy.reset_after_ms) {
            self.attempts = 0;
        }
        self.attempts = self.attempts.saturating_add(1);
        let ms = self.policy.delay_ms(self.attempts, draw);
        self.resumes_ms = now_ms.saturating_add(ms);
        Delay { attempt: self.attempts, ms }
    }

    /// Failures since the child was last healthy.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_the_rest_double_up_to_the_cap() {
        let policy = BackoffPolicy::default().without_jitter();
        let delays: Vec<u64> = (1..=12).map(|attempt| policy.delay_ms(attempt, 0.0)).collect();
        assert_eq!(
            delays,
            [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
        );
        assert_eq!(policy.delay_ms(u32::MAX, 0.0), 300_000);
    }

    #[test]
    fn jitter_spans_half_to_one_and_a_half_and_never_passes_the_cap() {
        let policy = BackoffPolicy::default();
        assert_eq!(policy.delay_ms(2, 0.0), 500);
        assert_eq!(policy.delay_ms(2, 0.5), 1_000);
        assert_eq!(policy.delay_ms(2, 0.999_999), 1_500);
        assert_eq!(policy.delay_ms(30, 0.999_999), 300_000);
        assert_eq!(policy.delay_ms(30, 0.0), 150_000);
    }

    #[test]
    fn ten_healthy_minutes_forgive() {
        let mut backoff = Backoff::new(BackoffPolicy::default().without_jitter());
        assert_eq!(backoff.failed(0, 0.0), Delay { attempt: 1, ms: 0 });
        assert_eq!(backoff.failed(10, 0.0), Delay { attempt: 2, ms: 1_000 });
        assert_eq!(backoff.failed(1_010 + 599_999, 0.0), Delay { attempt: 3, ms: 2_000 });
        let resumed = 1_010 + 599_999 + 2_000;
        assert_eq!(backoff.failed(resumed + 600_000, 0.0), Delay { attempt: 1, ms: 0 });
    }
}

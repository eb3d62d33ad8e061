//! `freeze`: what quarantines a role and what freezes everything.

use super::section;
use crate::units::{Millis, positive};

section! {
    /// Automatic triggers. Integrity violations and the user's FRAUD answer freeze at once and
    /// cannot be configured away.
    pub struct Freeze {
        /// So many attempts to bypass a gate within `bypass_window` quarantine the role. The first
        /// refusal of a kind in a feature is advice and does not count.
        #[garde(range(min = 1))]
        pub bypass_attempts: u32 = 3,
        /// The window of `bypass_attempts`.
        #[garde(custom(positive))]
        pub bypass_window: Millis = Millis::hours(24),
        /// So many forged lock tokens quarantine the role.
        #[garde(range(min = 1))]
        pub forged_tokens: u32 = 5,
        /// A larger share of the orchestrator's acts without co-sign than this quarantines it, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub cosign_violations: f64 = 0.05,
        /// The share counts only over at least so many acts.
        #[garde(range(min = 1))]
        pub cosign_acts: u32 = 20,
        /// So many roles quarantined within `quarantine_window` freeze the system.
        #[garde(range(min = 1))]
        pub quarantines: u32 = 2,
        /// The window of `quarantines`.
        #[garde(custom(positive))]
        pub quarantine_window: Millis = Millis::hours(24),
    }
}

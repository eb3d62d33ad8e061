//! `second_factor`: the user's code for critical decisions.

use super::section;
use crate::units::{Millis, positive};

section! {
    /// Time-based one-time codes (RFC 6238, steps of 30 s).
    pub struct SecondFactor {
        /// Steps before and after the present one that are accepted.
        #[garde(range(max = 2))]
        pub window: u8 = 1,
        /// So many wrong codes close the decision (never the account).
        #[garde(range(min = 1, max = 10))]
        pub tries: u32 = 3,
        /// The least time between two codes.
        pub interval: Millis = Millis::seconds(60),
        /// A second factor that was enrolled while it was already needed counts only after this time.
        #[garde(custom(positive))]
        pub enrolment_wait: Millis = Millis::minutes(10),
    }
}

//! `lock`: the write lock of what lands in the authoritative repository.

use super::section;
use crate::units::{Millis, positive};

section! {
    /// The write lock.
    pub struct Lock {
        /// A holder that has not landed its write after this time has lost the lock.
        #[garde(custom(positive))]
        pub lease: Millis = Millis::minutes(5),
        /// More requests of one role than this within `alert_window` raise an alert.
        #[garde(range(min = 1))]
        pub alert_requests: u32 = 5,
        /// The window of `alert_requests`.
        #[garde(custom(positive))]
        pub alert_window: Millis = Millis::minutes(10),
        /// So many holds in a row by one role, while others wait, raise an alert.
        #[garde(range(min = 1))]
        pub holds_in_a_row: u32 = 3,
    }
}

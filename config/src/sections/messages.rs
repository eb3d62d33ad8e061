//! `messages`: what the registry admits and when it asks what became of an answer.

use super::section;
use crate::units::{Bytes, Millis, positive};

section! {
    /// Envelopes.
    pub struct Messages {
        /// The largest envelope, in its canonical form.
        #[garde(custom(positive))]
        pub max_size: Bytes = Bytes::mib(1),
        /// A request that expects an answer and has none after this time raises an alert.
        #[garde(custom(positive))]
        pub answer_alert: Millis = Millis::hours(4),
        /// An envelope whose sender names no expiry lives this long.
        #[garde(custom(positive))]
        pub expiry: Millis = Millis::days(7),
    }
}

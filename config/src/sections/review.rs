//! `tertiary`, `cumulative` and `collusion`: what watches the reviewers and the small changes.

use super::section;
use crate::units::{Millis, positive};

section! {
    /// Tertiary reviews: changes drawn for one more reviewer.
    pub struct Tertiary {
        /// Share of the changes that are drawn, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub rate: f64 = 0.10,
        /// How long the drawn reviewer has.
        #[garde(custom(positive))]
        pub deadline: Millis = Millis::minutes(30),
    }
}

section! {
    /// Many small changes are one large one. Counted per role, per pair, per path prefix and in total.
    pub struct Cumulative {
        /// The rolling window of the three counts below.
        #[garde(custom(positive))]
        pub window: Millis = Millis::hours(24),
        /// From so many fast-track changes on the fast track is lost.
        #[garde(range(min = 1))]
        pub changes: u32 = 10,
        /// Above so many changed lines the fast track is lost.
        pub lines: u64 = 500,
        /// Above so many changed files the fast track is lost.
        pub files: u64 = 20,
        /// So many fast-track changes within `burst_window` start a cooldown.
        #[garde(range(min = 1))]
        pub burst: u32 = 5,
        /// The window of `burst`.
        #[garde(custom(positive))]
        pub burst_window: Millis = Millis::hours(2),
        /// How long the cooldown lasts.
        #[garde(custom(positive))]
        pub cooldown: Millis = Millis::hours(2),
    }
}

section! {
    /// Pairs that approve each other too easily.
    pub struct Collusion {
        /// A pair with a larger share of approvals than this is looked at, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub approval_rate: f64 = 0.90,
        /// With a larger share of defects after approval than this the flag is HIGH, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub defect_rate_high: f64 = 0.15,
        /// With more tertiary blocks than this the flag is MEDIUM.
        pub tertiary_blocks: u32 = 2,
        /// With a smaller share of defects than this it is a line of the report and no flag, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub defect_rate_low: f64 = 0.05,
        /// The window in which concentration on one partner is measured.
        #[garde(custom(positive))]
        pub window: Millis = Millis::days(30),
        /// So many of the next reviews go elsewhere after a concentration was found.
        pub reassigned_reviews: u32 = 5,
    }
}

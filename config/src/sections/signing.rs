//! `signing`: how long keys live and how far dates may be off.

use super::section;
use crate::units::{Millis, positive};

section! {
    /// OpenPGP keys of the roles and of the gates.
    pub struct Signing {
        /// How long a key lives.
        #[garde(custom(positive))]
        pub key_lifetime: Millis = Millis::years(2),
        /// At this age it is renewed. Not more than `key_lifetime`.
        #[garde(custom(positive))]
        pub renew_after: Millis = Millis::years(1),
        /// A committer date further than this from the moment of signing is refused.
        #[garde(custom(positive))]
        pub date_tolerance: Millis = Millis::minutes(5),
    }
}

//! `four_eyes`: from which size on a change needs a second independent signer.

use super::section;

section! {
    /// A change above any of these needs two independent sign-offs; exactly at them it does not.
    pub struct FourEyes {
        /// Changed lines, added plus deleted.
        pub lines: u64 = 50,
        /// Changed files.
        pub files: u64 = 3,
        /// A changed line wider than this (in bytes) makes its file count as above the threshold.
        pub wide_line: u64 = 400,
        /// Above so many changed lines a dispute about the change is complex.
        pub complex_lines: u64 = 200,
    }
}

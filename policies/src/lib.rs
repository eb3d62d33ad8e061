//! The rules: one file each, pure functions of facts and state.
//!
//! No rule knows a clock, a disk, a network or chance; all of these are handed in. A rule's answer is
//! a verdict with reasons that name the case and what mends it.

pub mod approvals;
pub mod features;
pub mod kinds;
pub mod plan;
pub mod record;
pub mod signers;

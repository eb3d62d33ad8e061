//! The rules: one file each, pure functions of facts and state.
//!
//! No rule knows a clock, a disk, a network or chance; all of these are handed in. A rule's answer is
//! a verdict with reasons that name the case and what mends it.

pub mod admission;
pub mod agent_tools;
pub mod approvals;
pub mod costs;
pub mod facts;
pub mod features;
pub mod green;
pub mod hang;
pub mod inline_tests;
pub mod kinds;
pub mod lock;
pub mod plan;
pub mod push;
pub mod rate;
pub mod record;
pub mod red;
pub mod remedy;
pub mod rights;
pub mod secrets;
pub mod signers;
pub mod turns;
pub mod veto;

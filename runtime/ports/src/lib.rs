//! What the core needs from the world: one trait a file, each with its contract, a fake for tests
//! and, where more than one adapter can exist, a conformance battery that every adapter must pass.

pub mod artifacts;
pub mod backend;
pub mod clock;
pub mod governance;
pub mod hook;
pub mod ledger;
pub mod model;
pub mod runner;
pub mod sandbox;
pub mod screen;
pub mod signer;
pub mod text;
pub mod vcs;
pub mod view;

//! Runs the suites of the five gates in sandboxes and reads results that the tested code cannot
//! forge.
//!
//! # How a run goes
//!
//! [`Runner`] makes one run directory, finds the toolchain, hands the checkout to an adapter and
//! turns what the adapter saw into a report. Inside a sandbox the checkout is `/work/src` and what
//! is built lies in `/work/target`, in every process of a run, so that paths compiled into a test
//! stay true. Binds below `/work` are mounted over the sandbox's own `/work`.
//!
//! | adapter | a process each | a pass is |
//! |---|---|---|
//! | `libtest` | test | exit 0 and libtest's own frame around exactly one test |
//! | `pytest`, `unittest` | suite, restarted behind a test that ended it | a sealed record of the driver |
//! | `generic` | suite | exit 0; nothing is claimed per test |
//!
//! # What remains
//!
//! Code under test shares a process with its harness. It cannot pass by printing or by exiting
//! early, but code that walks the harness's memory, or replays libtest's frame on descriptor 1 by
//! hand, can still fake its own result. That takes deliberate code, which reviewers see.

mod advisory;
mod command;
mod detect;
mod generic;
mod keys;
mod libtest;
mod log;
mod outcome;
mod prepare;
mod python;
mod runner;
mod seed;
mod session;
mod settings;
mod text;
mod toolchain;
mod tree;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use runner::Runner;
pub use settings::{HostEnv, Settings};

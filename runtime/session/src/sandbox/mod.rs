//! The wall around an agent or a gate run: bubblewrap, started with an empty environment by a
//! starter of our own, with our own pid 1 inside.
//!
//! The chain of processes is `agents __starter` (becomes `bwrap`), then `agents-init` as pid 1 of
//! the sandbox, then the program. All modes live in one binary, see [`multicall`].

pub mod advisory;
pub mod attack;
pub mod bwrap;
mod ceiling;
pub mod child;
mod command_line;
mod config;
mod hand_over;
pub mod multicall;
mod plan;
mod processes;
mod runner;
mod self_test;
pub mod spawner;
pub mod starter;
mod tools;
mod uids;
mod usage;

pub use advisory::AdvisorySandbox;
pub use bwrap::BwrapSandbox;
pub use child::{Child, Exit, PipedChild};
pub use config::SandboxConfig;
pub use runner::Runner;
pub use spawner::{SpawnError, Spawner};
pub use tools::unreadable_copy;
pub use usage::{Ceilings, Excess, watch};

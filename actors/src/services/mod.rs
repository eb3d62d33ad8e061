//! The services of the runtime, each a supervised actor.

pub mod gatekeeper;
pub mod health;
pub mod librarian;
pub mod limiter;
pub mod locks;
mod memory;
pub mod projector;
pub mod registry;

//! The services of the runtime, each a supervised actor.

pub mod librarian;
pub mod limiter;
pub mod locks;
pub mod registry;

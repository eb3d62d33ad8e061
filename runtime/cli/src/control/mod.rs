//! How commands speak with the runtime of their repository: a socket in the state directory, for
//! its owner alone.

pub mod client;
pub mod handler;
pub mod protocol;
mod screen;
pub mod server;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use handler::{ControlHandler, Done};
pub use screen::WireUpdate;

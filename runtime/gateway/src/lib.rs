//! The gateway: the one socket through which an agent reaches the runtime. Who speaks is decided by
//! the socket, never by what is said on it.
//!
//! * [`server`]: the listener of a role's socket, and which service a connection wants.
//! * `tools`: what agents can do, as a table. `mcp`: how these calls travel.
//! * [`bridge`]: `agents-mcp`, the stdio side inside the sandbox.
//! * [`client`]: a small blocking client of the tools.
//! * [`hook`]: `agents-hook`, the command hook of an agent's program inside the sandbox.
//! * [`player`]: `agents-play`, the scripted agent.

pub mod bridge;
pub mod client;
pub mod hook;
mod mcp;
pub mod player;
pub mod server;
mod tools;

pub use server::{ChannelHandlers, Gateway};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

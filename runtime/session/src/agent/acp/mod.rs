//! Any agent that speaks the Agent Client Protocol, version 1: JSON-RPC 2.0 over pipes, a message a
//! line.
//!
//! **Order of a start.** `initialize` → `session/resume`, `session/load` or `session/new` → the
//! model, where one is ordered → `Idle`. The agent is given the runtime's own MCP server with its
//! session, and neither files nor terminals of ours: it uses its own tools inside its sandbox.
//!
//! **Instructions.** The protocol has no place for them. They stand before the first prompt of every
//! new conversation, as a block of their own.
//!
//! **A turn** is one `session/prompt`, from its writing to its answer; the next prompt is not taken
//! before. The agent's permission questions pass as [`foureyes_ports::backend::AgentEvent::Asked`] of
//! the kind [`REQUEST_PERMISSION`]. The payload is the request's parameters, with the name under
//! which the call was announced as `tool`; the answer is `{"allow": true}` or `{"allow": false}`, and
//! everything else refuses. An agent that does not ask cannot be made to by this protocol: what it
//! may do is decided by its sandbox and by the gateway.

mod asks;
mod end;
mod model;
mod order;
mod protocol;
mod render;
mod start;
mod turn;
mod wire;

pub use asks::REQUEST_PERMISSION;
pub use order::{AcpOrder, SERVER};
pub use protocol::Acp;

#[cfg(test)]
mod tests;

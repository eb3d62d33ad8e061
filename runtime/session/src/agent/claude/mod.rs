//! The Claude Code CLI in its structured mode: stream-json both ways over pipes, with hook
//! callbacks, permission questions and the runtime's own tools on the same pipe.
//!
//! **What is whose.** [`ClaudeLaunch`] says how the program is started, [`Claude`] speaks with it
//! and knows what its lines mean, [`Transcript`] looks into what it wrote down. What hooks and tools
//! are answered is decided elsewhere: they pass as [`foureyes_ports::backend::AgentEvent::Asked`],
//! with the kinds [`HOOK_CALLBACK`], [`CAN_USE_TOOL`] and [`MCP_MESSAGE`]. A question that is not
//! answered, or answered by what is no answer, is refused.
//!
//! **Order of a start.** `initialize` → the CLI connects to the server `rt` on the pipe → `Idle` →
//! the first prompt → `system/init`, which must show what was ordered ([`ClaudeOrder`]) → questions
//! pass. (2.1.197 connects after its first prompt and before `system/init`.) Everything that a line says is the agent's word: its tools can write files, and may find
//! ways into the pipe.

mod asks;
mod command;
mod end;
mod gate;
mod protocol;
mod render;
mod requests;
mod reset;
mod transcript;
mod turn;
mod value;
mod version;

pub use asks::{CAN_USE_TOOL, HOOK_CALLBACK, MCP_MESSAGE};
pub use command::{ClaudeLaunch, SERVER, tools_of};
pub use gate::ClaudeOrder;
pub use protocol::Claude;
pub use transcript::Transcript;
pub use version::{ClaudeVersion, PROVED};

#[cfg(test)]
mod tests;

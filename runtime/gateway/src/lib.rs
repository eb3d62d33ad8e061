//! The gateway: the one socket through which an agent reaches the runtime. Who speaks is decided by
//! the socket, never by what is said on it.
//!
//! * [`server`]: the listener of a role's socket, and which service a connection wants.
//! * `tools`: what agents can do, as a table. `mcp`: how these calls travel.
//! * [`bridge`]: `agents-mcp`, the stdio side inside the sandbox.
//! * [`client`]: a small blocking client of the tools.
//! * [`hook`]: `agents-hook`, the command hook of an agent's program inside the sandbox.
//! * [`player`]: `agents-play`, the scripted agent.
//! * [`standin`]: a model of no account, that plays the same plays through the Messages API.

pub mod bridge;
pub mod client;
pub mod hook;
mod mcp;
pub mod player;
pub mod server;
pub mod standin;
mod tools;

pub use server::{ChannelHandlers, Gateway};

/// A tool as a family is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSummary {
    /// Its bare name.
    pub name: &'static str,
    /// The names of its arguments.
    pub arguments: Vec<String>,
    /// Those of them that must be given.
    pub required: Vec<String>,
}

/// The tools that a family is shown, in the order of the lists.
pub fn tools_of(family: foureyes_protocol::Family) -> Vec<ToolSummary> {
    let summary = |tool: &tools::Tool| {
        let schema = tool.schema();
        let arguments = schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten();
        let required = schema.get("required").and_then(|r| r.as_array()).into_iter().flatten();
        ToolSummary {
            name: tool.name,
            arguments: arguments.map(|(name, _)| name.clone()).collect(),
            required: required.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        }
    };
    tools::shown_to(family).map(summary).collect()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

//! What is ordered of an agent.

use agent_client_protocol_schema::{
    ClientCapabilities, Implementation, InitializeRequest, LoadSessionRequest, McpServer, McpServerStdio,
    NewSessionRequest, ProtocolVersion, ResumeSessionRequest,
};

/// The name under which agents know the runtime's own MCP server.
pub const SERVER: &str = "rt";
/// Its program, as found inside the sandbox.
const SERVER_PROGRAM: &str = "/rt/bin/agents-mcp";
/// Where agents work, as seen inside the sandbox.
const WORK: &str = "/work";

/// What one agent is started for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcpOrder {
    /// The role's prompt: stands before the first prompt of a new conversation.
    pub instructions: String,
    /// The model, as the agent names it; a name without its provider is enough where it is the only
    /// one of that name. The agent's own choice when absent.
    pub model: Option<String>,
    /// The conversation of an earlier life, as [`foureyes_ports::backend::AgentEvent::Conversation`]
    /// named it.
    pub resume: Option<String>,
}

fn servers() -> Vec<McpServer> {
    vec![McpServer::Stdio(McpServerStdio::new(SERVER, SERVER_PROGRAM))]
}

pub(super) fn initialize() -> InitializeRequest {
    InitializeRequest::new(ProtocolVersion::V1)
        .client_capabilities(ClientCapabilities::default())
        .client_info(Implementation::new("foureyes", env!("CARGO_PKG_VERSION")))
}

pub(super) fn new_session() -> NewSessionRequest {
    NewSessionRequest::new(WORK).mcp_servers(servers())
}

pub(super) fn load_session(id: &str) -> LoadSessionRequest {
    LoadSessionRequest::new(id.to_owned(), WORK).mcp_servers(servers())
}

pub(super) fn resume_session(id: &str) -> ResumeSessionRequest {
    ResumeSessionRequest::new(id.to_owned(), WORK).mcp_servers(servers())
}

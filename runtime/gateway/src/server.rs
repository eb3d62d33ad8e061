//! The listener of one role's socket. Who connects to it *is* that role; the first line of a
//! connection says which service is wanted.

mod first_line;
mod hook;

pub use hook::MAX_HOOK;

use crate::{mcp, tools::Channel};
use async_trait::async_trait;
use first_line::{Service, read_first_line};
use foureyes_ports::governance::Governance;
use foureyes_protocol::{Digest, PrincipalId, Reason};
use serde_json::Value;
use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

/// The name of the socket in the directory that the sandbox shows to the role.
pub const SOCKET_NAME: &str = "rt.sock";
/// Connections that a role may hold at once.
pub const MAX_CONNECTIONS: usize = 32;
/// The pause after a failed accept (no descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The services of a role's socket that are not the gateway's own. The connection counts against
/// the role's limit until the returned future ends; the future is dropped when the role's socket is.
#[async_trait]
pub trait ChannelHandlers: Send + Sync {
    /// Serves git: `line` is `GIT1 <service> <repository>`, unchecked, without its newline.
    async fn git(&self, role: &PrincipalId, line: &str, stream: UnixStream);

    /// Serves `SIGN1` or `VERIFY1` (`line`, without its newline).
    async fn sign(&self, role: &PrincipalId, line: &str, stream: UnixStream);

    /// Answers a hook of the agent's program (see [`foureyes_ports::hook`]); `payload` is what the
    /// program told, unchecked: the agent's word. Without an implementation: denied.
    async fn hook(&self, role: &PrincipalId, event: &str, payload: Value) -> Value {
        let _ = (role, payload);
        foureyes_ports::hook::deny(event, "this runtime answers no hooks of this role's program")
    }

    /// The role's program has asked for the list of the runtime's tools over its socket.
    fn tools_listed(&self, role: &PrincipalId) {
        let _ = role;
    }

    /// Serves HTTP; `head` is what was read of the stream already. Without an implementation:
    /// answers 503.
    async fn http(&self, role: &PrincipalId, head: &[u8], stream: UnixStream) {
        let _ = (role, head);
        refuse_http(stream).await;
    }
}

/// What could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("binding the socket {path}: {source}; its directory must exist and be writable")]
pub struct BindError {
    /// The socket.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Binds `rt.sock` in `directory`, in place of one left by an earlier run. Only its owner can
/// connect: the uid `owner` where given (which needs root), else the runtime's own.
///
/// # Errors
/// What the system says, with the path.
pub fn bind(directory: &Path, owner: Option<u32>) -> Result<UnixListener, BindError> {
    let path = directory.join(SOCKET_NAME);
    let bound = || -> io::Result<UnixListener> {
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        if owner.is_some() {
            std::os::unix::fs::chown(&path, owner, None)?;
        }
        Ok(listener)
    };
    bound().map_err(|source| BindError { path, source })
}

/// The gateway: one for the runtime, shared by the sockets of all roles.
#[derive(Clone)]
pub struct Gateway {
    governance: Arc<dyn Governance>,
    handlers: Arc<dyn ChannelHandlers>,
    policy: Digest,
}

impl Gateway {
    /// A gateway to this core. `policy` is the digest of the accepted configuration, which every
    /// approval names.
    pub fn new(governance: Arc<dyn Governance>, handlers: Arc<dyn ChannelHandlers>, policy: Digest) -> Self {
        Self { governance, handlers, policy }
    }

    /// Serves the socket of `role`. Returns only when `role` is not on the team; dropping the future
    /// closes every connection.
    pub async fn serve(&self, listener: UnixListener, role: PrincipalId) {
        let Some(channel) = self.channel(&role).map(Arc::new) else {
            return tracing::error!(%role, "not on the team: its socket is not served");
        };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                        connections.spawn(connection(channel.clone(), self.handlers.clone(), stream));
                    }
                    Ok((stream, _)) => turn_away(stream, &channel.role),
                    Err(error) => {
                        tracing::warn!(role = %channel.role, %error, "accepting a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => if let Err(error) = ended {
                    tracing::error!(role = %channel.role, %error, "a connection's task died");
                },
            }
        }
    }

    /// Answers one message of MCP that a role's program sent on a pipe of its own; `None` for a
    /// notification, and for a role that is not on the team.
    pub async fn mcp(&self, role: &PrincipalId, message: &serde_json::Value) -> Option<serde_json::Value> {
        let channel = Arc::new(self.channel(role)?);
        mcp::message::answer(channel, message).await
    }

    fn channel(&self, role: &PrincipalId) -> Option<Channel> {
        let (role, family) = self.governance.team().into_iter().find(|(id, _)| id == role)?;
        Some(Channel { governance: self.governance.clone(), role, family, policy: self.policy })
    }
}

async fn connection(channel: Arc<Channel>, handlers: Arc<dyn ChannelHandlers>, mut stream: UnixStream) {
    let Some(head) = read_first_line(&mut stream).await else { return };
    if let Err(reason) = channel.governance.count_bytes(&channel.role, head.len()) {
        return say(stream, &reason).await;
    }
    let role = &channel.role;
    match Service::of(&head) {
        Service::Mcp => mcp::serve(channel, handlers, stream).await,
        Service::Git(line) => handlers.git(role, line, stream).await,
        Service::Sign(line) => handlers.sign(role, line, stream).await,
        Service::Hook(event) => hook::serve(&channel, handlers.as_ref(), event, stream).await,
        Service::Http => handlers.http(role, &head, stream).await,
        Service::Unknown(reason) => say(stream, &reason).await,
    }
}

/// Tells a connection beyond the limit so, without waiting for its peer.
fn turn_away(stream: UnixStream, role: &PrincipalId) {
    tracing::debug!(%role, "too many connections");
    let text = format!("{}\n", first_line::too_many());
    // A peer that does not read is of no concern: the connection is closed either way.
    let _ = stream.into_std().and_then(|mut stream| stream.write(text.as_bytes()));
}

async fn say(mut stream: UnixStream, reason: &Reason) {
    let text = format!("{reason}\n");
    // As above.
    let _ = tokio::time::timeout(first_line::TIME, stream.write_all(text.as_bytes())).await;
}

/// Answers that there is no model behind this socket.
pub async fn refuse_http(mut stream: UnixStream) {
    let body = serde_json::json!({"type": "error", "error": {"type": "api_error", "message":
        "this runtime has no model proxy: choose a back end that brings its own model, or `scripted`"}})
    .to_string();
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // As above.
    let _ = tokio::time::timeout(first_line::TIME, stream.write_all(answer.as_bytes())).await;
}

//! Starting the program, and the way of its hooks to the session that they belong to.

use super::{
    session::ClaudeTerminalSession,
    shared::{Shared, hand_on},
};
use crate::{agent::running::Running, sandbox::Spawner, screen::DEFAULT_SCROLLBACK};
use async_trait::async_trait;
use foureyes_ports::backend::{AgentBackend, AgentSession, AgentStart, BackendError, Transport};
use foureyes_protocol::PrincipalId;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::mpsc;

/// How the program is treated.
#[derive(Clone, Debug)]
pub struct ClaudeTerminalOptions {
    /// Lines of history that are kept.
    pub scrollback: usize,
    /// The pause between a pasted text and the Return behind it, and behind a key that the program
    /// must take alone.
    pub return_delay: Duration,
    /// A program that reads nothing, or does not leave off its turn, for so long is stalled.
    pub patience: Duration,
    /// Whether the program counts as started only when the runtime's tools reached it
    /// ([`ClaudeTerminalBackend::connected`]): it takes prompts before, and its model then has none.
    pub waits_for_tools: bool,
}

impl Default for ClaudeTerminalOptions {
    fn default() -> Self {
        Self {
            scrollback: DEFAULT_SCROLLBACK,
            return_delay: Duration::from_millis(300),
            patience: Duration::from_secs(5),
            waits_for_tools: false,
        }
    }
}

/// Where the program of a role keeps its configuration, on the host.
type ConfigDir = dyn Fn(&PrincipalId) -> PathBuf + Send + Sync;

/// Runs Claude Code in terminals. Clones are the same back end.
#[derive(Clone)]
pub struct ClaudeTerminalBackend {
    spawner: Spawner,
    options: ClaudeTerminalOptions,
    config_dir: Arc<ConfigDir>,
    running: Arc<Mutex<HashMap<PrincipalId, Weak<Shared>>>>,
}

impl ClaudeTerminalBackend {
    /// A back end that starts its programs on `spawner`'s thread. `config_dir` is the host's path of
    /// a role's `CLAUDE_CONFIG_DIR`, which [`super::configure`] has written.
    pub fn new(
        spawner: Spawner,
        options: ClaudeTerminalOptions,
        config_dir: impl Fn(&PrincipalId) -> PathBuf + Send + Sync + 'static,
    ) -> Self {
        Self { spawner, options, config_dir: Arc::new(config_dir), running: Arc::default() }
    }

    /// Tells the running session of a role what its program's hook told; false when it has none.
    /// Every event is worth telling, also those that someone else answers.
    pub fn hook(&self, role: &PrincipalId, event: &str, payload: &Value) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(role).cloned();
        match running.and_then(|shared| shared.upgrade()) {
            Some(shared) => {
                shared.hook(event, payload);
                true
            }
            None => false,
        }
    }

    /// Tells the running session of a role that its program has listed the runtime's tools.
    pub fn connected(&self, role: &PrincipalId) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(role).cloned();
        if let Some(shared) = running.and_then(|shared| shared.upgrade()) {
            shared.connected();
        }
    }

    fn register(&self, role: &PrincipalId, shared: &Arc<Shared>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(role.clone(), Arc::downgrade(shared));
    }
}

#[async_trait]
impl AgentBackend for ClaudeTerminalBackend {
    fn name(&self) -> &'static str {
        "claude"
    }

    async fn start(&self, start: AgentStart) -> Result<Box<dyn AgentSession>, BackendError> {
        if start.transport != Transport::Pty {
            return Err(BackendError::Transport(start.transport));
        }
        let (shared, events) =
            Shared::new((self.config_dir)(&start.role), start.session.id, !self.options.waits_for_tools);
        let facts = mpsc::channel(64);
        let last = {
            let (shared, to) = (Arc::clone(&shared), facts.0.clone());
            let (begin, begun) = tokio::sync::oneshot::channel::<()>();
            let handing = tokio::spawn(async move {
                // The first event is that the program lives.
                if begun.await.is_ok() {
                    hand_on(events, to).await;
                }
            });
            (begin, async move {
                shared.end();
                // A task of ours that died has nothing more to say.
                let _ = handing.await;
            })
        };
        let (begin, last) = last;
        let kept = (self.options.scrollback, self.options.patience);
        let running = Running::start(&self.spawner, &start, kept, facts, last).await?;
        self.register(&start.role, &shared);
        // Fails only when the program has ended meanwhile.
        let _ = begin.send(());
        tokio::spawn(Arc::clone(&shared).follow());
        Ok(Box::new(ClaudeTerminalSession::new(running, shared, start.size, self.options.clone())))
    }
}

//! Programs in a PTY.

use super::{
    input::SharedInput,
    prompt::{self, PromptStyle},
    running::{Running, TAKEN},
    shared_screen::SharedScreen,
    terminal,
};
use crate::{sandbox::Spawner, screen::DEFAULT_SCROLLBACK};
use async_trait::async_trait;
use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvents, AgentSession, AgentStart, BackendError, DeliverError, ExitCause, Grace,
        Prompt, Size, Transport, Written,
    },
    screen::ScreenSnapshot,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// How programs of one kind are treated.
#[derive(Clone, Debug)]
pub struct PtyOptions {
    /// The kind's name in the configuration.
    pub name: &'static str,
    /// The form of its prompts.
    pub style: PromptStyle,
    /// Lines of history that are kept.
    pub scrollback: usize,
    /// What is typed to make it quit.
    pub quit: &'static [u8],
    /// What is typed to make it leave off.
    pub interrupt: &'static [u8],
    /// The pause between a pasted text and the Return behind it; programs that read keys one by
    /// one take a Return in the same write for a part of the text.
    pub return_delay: Duration,
    /// A program that reads nothing for so long is stalled.
    pub patience: Duration,
}

impl PtyOptions {
    /// Any program that a person could use.
    pub fn command() -> Self {
        Self {
            name: "command",
            style: PromptStyle::Paste,
            scrollback: DEFAULT_SCROLLBACK,
            quit: b"\x04",
            interrupt: b"\x03",
            return_delay: Duration::from_millis(300),
            patience: Duration::from_secs(5),
        }
    }

    /// The player of scripts.
    pub fn scripted() -> Self {
        Self { name: "scripted", style: PromptStyle::JsonLine, ..Self::command() }
    }
}

/// Runs programs in terminals of their own. It never reports [`AgentEvent::Seen`] or a state: what
/// a terminal shows is no evidence.
#[derive(Clone, Debug)]
pub struct PtyBackend {
    spawner: Spawner,
    options: PtyOptions,
}

impl PtyBackend {
    /// A back end that starts its programs on `spawner`'s thread.
    pub fn new(spawner: Spawner, options: PtyOptions) -> Self {
        Self { spawner, options }
    }
}

#[async_trait]
impl AgentBackend for PtyBackend {
    fn name(&self) -> &'static str {
        self.options.name
    }

    async fn start(&self, start: AgentStart) -> Result<Box<dyn AgentSession>, BackendError> {
        if start.transport != Transport::Pty {
            return Err(BackendError::Transport(start.transport));
        }
        let options = self.options.clone();
        let facts = mpsc::channel(64);
        let (scrollback, patience) = (options.scrollback, options.patience);
        let running = Running::start(&self.spawner, &start, (scrollback, patience), facts, async {}).await?;
        Ok(Box::new(PtySession { running, options }))
    }
}

struct PtySession {
    running: Running,
    options: PtyOptions,
}

/// Writes a prompt in the form that fits the terminal's mode at the moment of writing.
async fn put(
    input: SharedInput,
    (screen, held): (Arc<SharedScreen>, Arc<AtomicBool>),
    prompt: Prompt,
    options: PtyOptions,
) -> Result<Written, DeliverError> {
    let input = input.lock().await;
    if held.load(Ordering::SeqCst) {
        return Err(TAKEN);
    }
    let input = input.as_ref().ok_or(DeliverError::Ended)?;
    let mode = terminal::mode(input.fd(), screen.bracketed_paste());
    let writes = prompt::writes(options.style, &prompt, mode)?;
    for (n, write) in writes.iter().enumerate() {
        if n > 0 && !mode.canonical {
            tokio::time::sleep(options.return_delay).await;
        }
        input.write_all(write).await?;
    }
    Ok(Written { id: prompt.id, bytes: writes.iter().map(Vec::len).sum() })
}

#[async_trait]
impl AgentSession for PtySession {
    fn pid(&self) -> u32 {
        self.running.life.pid()
    }

    fn events(&self) -> Option<AgentEvents> {
        self.running.events()
    }

    async fn deliver(&self, prompt: Prompt) -> Result<Written, DeliverError> {
        let shown = (Arc::clone(&self.running.screen), Arc::clone(&self.running.held));
        let options = self.options.clone();
        self.running.with_input(|input| put(input, shown, prompt, options)).await
    }

    async fn answer(&self, _ask: &str, _payload: &str) -> Result<(), DeliverError> {
        Err(DeliverError::Unsupported("answer questions of a program in a terminal"))
    }

    async fn interrupt(&self) -> Result<(), DeliverError> {
        self.running.write(self.options.interrupt).await
    }

    fn has_terminal(&self) -> bool {
        true
    }

    fn taken_over(&self) -> bool {
        self.running.held.load(Ordering::SeqCst)
    }

    fn hold(&self, held: bool) {
        self.running.held.store(held, Ordering::SeqCst);
    }

    async fn type_raw(&self, bytes: &[u8]) -> Result<(), DeliverError> {
        self.running.write(bytes).await
    }

    async fn stop(&self, grace: Grace) -> ExitCause {
        let polite = async {
            // A program that takes no input any more is ended by the next step.
            let _ = self.running.write(self.options.quit).await;
        };
        self.running.life.stop(grace, polite).await
    }

    fn kill(&self, cause: ExitCause) {
        self.running.life.kill(cause);
    }

    fn resize(&self, size: Size) {
        self.running.resize(size);
    }

    fn screen(&self) -> Arc<ScreenSnapshot> {
        self.running.screen.snapshot()
    }

    fn screen_changes(&self) -> watch::Receiver<u64> {
        self.running.screen.changes()
    }

    fn transcript(&self, lines: usize) -> String {
        self.running.screen.transcript(lines)
    }
}

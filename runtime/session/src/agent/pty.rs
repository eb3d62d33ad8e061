//! Programs in a PTY.

use super::{
    input::{Input, SharedInput, write_answers},
    life::Life,
    prompt::{self, PromptStyle},
    reader::Reader,
    shared_screen::SharedScreen,
    terminal::{self, Terminal},
};
use crate::{sandbox::Spawner, screen::DEFAULT_SCROLLBACK};
use async_trait::async_trait;
use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, BackendError, DeliverError,
        ExitCause, Grace, Prompt, Size, Transport, Written,
    },
    screen::ScreenSnapshot,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
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
        let (terminal, child) = terminal::open(&self.spawner, &start).await?;
        let session = PtySession::new(&start, terminal, child, self.options.clone());
        let session = session.map_err(|why| BackendError::Resource {
            what: "reader of a terminal",
            role: start.role,
            why: why.to_string(),
        })?;
        Ok(Box::new(session))
    }
}

struct PtySession {
    life: Life,
    terminal: Terminal,
    screen: Arc<SharedScreen>,
    input: SharedInput,
    events: Mutex<Option<AgentEvents>>,
    options: PtyOptions,
}

impl PtySession {
    /// Takes charge of a program that was just started; when that fails the program is killed by
    /// the drop of `child`.
    fn new(
        start: &AgentStart,
        terminal: Terminal,
        child: crate::sandbox::Child,
        options: PtyOptions,
    ) -> io::Result<Self> {
        let screen = Arc::new(SharedScreen::new(start.size, options.scrollback));
        let (facts, received) = mpsc::channel(64);
        let events = AgentEvents::new(received, screen.changes());
        let (answers, answered) = mpsc::channel(16);
        let input = Input::new(terminal.descriptor()?, options.patience)?;
        let input: SharedInput = Arc::new(tokio::sync::Mutex::new(Some(input)));
        let name = format!("pty-{}", start.role);
        let reader = Reader::start(name, terminal.descriptor()?, Arc::clone(&screen), answers)?;
        tokio::spawn(write_answers(Arc::clone(&input), answered));
        let started = AgentEvent::Started { pid: child.pid() };
        facts.try_send(started).map_err(io::Error::other)?;
        let life = Life::watch(child, facts, reader.finish());
        Ok(Self { life, terminal, screen, input, events: Mutex::new(Some(events)), options })
    }

    /// Does something with the input in a task of its own, so that a caller who goes away leaves
    /// no half of a prompt behind.
    async fn with_input<T, F>(&self, work: impl FnOnce(SharedInput) -> F) -> Result<T, DeliverError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DeliverError>> + Send + 'static,
    {
        self.life.check()?;
        let done = tokio::spawn(work(Arc::clone(&self.input))).await;
        done.unwrap_or_else(|why| Err(DeliverError::Io(why.to_string())))
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), DeliverError> {
        let bytes = bytes.to_vec();
        self.with_input(|input| async move {
            let input = input.lock().await;
            input.as_ref().ok_or(DeliverError::Ended)?.write_all(&bytes).await
        })
        .await
    }
}

/// Writes a prompt in the form that fits the terminal's mode at the moment of writing.
async fn put(
    input: SharedInput,
    screen: Arc<SharedScreen>,
    prompt: Prompt,
    options: PtyOptions,
) -> Result<Written, DeliverError> {
    let input = input.lock().await;
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
        self.life.pid()
    }

    fn events(&self) -> Option<AgentEvents> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn deliver(&self, prompt: Prompt) -> Result<Written, DeliverError> {
        let (screen, options) = (Arc::clone(&self.screen), self.options.clone());
        self.with_input(|input| put(input, screen, prompt, options)).await
    }

    async fn answer(&self, _ask: &str, _payload: &str) -> Result<(), DeliverError> {
        Err(DeliverError::Unsupported("answer questions of a program in a terminal"))
    }

    async fn interrupt(&self) -> Result<(), DeliverError> {
        self.write(self.options.interrupt).await
    }

    async fn type_raw(&self, bytes: &[u8]) -> Result<(), DeliverError> {
        self.write(bytes).await
    }

    async fn stop(&self, grace: Grace) -> ExitCause {
        let polite = async {
            // A program that takes no input any more is ended by the next step.
            let _ = self.write(self.options.quit).await;
        };
        self.life.stop(grace, polite).await
    }

    fn kill(&self, cause: ExitCause) {
        self.life.kill(cause);
    }

    fn resize(&self, size: Size) {
        self.terminal.resize(size);
        self.screen.resize(size);
    }

    fn screen(&self) -> Arc<ScreenSnapshot> {
        self.screen.snapshot()
    }

    fn screen_changes(&self) -> watch::Receiver<u64> {
        self.screen.changes()
    }

    fn transcript(&self, lines: usize) -> String {
        self.screen.transcript(lines)
    }
}

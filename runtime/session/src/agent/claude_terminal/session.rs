//! One running program, as the runtime and people use it.

use super::{backend::ClaudeTerminalOptions, paste::pastes, shared::Shared};
use crate::agent::{
    input::{Input, SharedInput},
    running::{Running, TAKEN},
    terminal::Terminal,
};
use async_trait::async_trait;
use foureyes_ports::{
    backend::{AgentEvents, AgentSession, DeliverError, ExitCause, Grace, Prompt, Size, Written},
    screen::ScreenSnapshot,
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// A write of its own: in one with the text it would be a part of it.
const RETURN: &[u8] = b"\r";
const ESCAPE: &[u8] = b"\x1b";
/// Empties the line; pressed twice with nothing between it would end the program.
const CLEAR: &[u8] = b"\x03";
const QUIT: &[u8] = b"\x03\x03\x03";
/// Stops the process for a shell to go on with; here is no shell.
const SUSPEND: u8 = 0x1a;
/// How often it is looked whether what was waited for has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the terminal is one row lower for a program that is asked for a sign of life.
const NUDGE: Duration = Duration::from_millis(100);
/// How long a sign of life is waited for at most.
const SIGN_OF_LIFE: Duration = Duration::from_secs(300);

/// A session of Claude Code in a terminal.
pub(super) struct ClaudeTerminalSession {
    running: Running,
    shared: Arc<Shared>,
    size: Arc<Mutex<Size>>,
    options: ClaudeTerminalOptions,
}

impl ClaudeTerminalSession {
    pub(super) fn new(
        running: Running,
        shared: Arc<Shared>,
        size: Size,
        options: ClaudeTerminalOptions,
    ) -> Self {
        Self { running, shared, size: Arc::new(Mutex::new(size)), options }
    }

    fn typist(&self) -> Typist {
        Typist {
            shared: Arc::clone(&self.shared),
            held: Arc::clone(&self.running.held),
            options: self.options.clone(),
        }
    }
}

/// Whoever writes for the runtime; holds the input while it does.
struct Typist {
    shared: Arc<Shared>,
    held: Arc<AtomicBool>,
    options: ClaudeTerminalOptions,
}

impl Typist {
    async fn deliver(self, input: SharedInput, prompt: Prompt) -> Result<Written, DeliverError> {
        let input = input.lock().await;
        let input = input.as_ref().ok_or(DeliverError::Ended)?;
        self.shared.look().await;
        if let Err(refused) = self.ready() {
            if !prompt.urgent || !self.shared.turns().at_work() || self.nobody_types().is_err() {
                return Err(refused);
            }
            self.leave_off(input).await?;
            self.ready()?;
        }
        if self.shared.turns().has_residue() {
            input.write_all(CLEAR).await?;
            sleep(self.options.return_delay).await;
        }
        let bytes = self.paste(input, &prompt).await?;
        Ok(Written { id: prompt.id, bytes })
    }

    fn ready(&self) -> Result<(), DeliverError> {
        self.nobody_types()?;
        self.shared.ready()
    }

    fn nobody_types(&self) -> Result<(), DeliverError> {
        if self.held.load(Ordering::SeqCst) { Err(TAKEN) } else { self.shared.nobody_types() }
    }

    /// Pastes a prompt, then presses Return. Where something opened meanwhile that would take the
    /// Return for an answer, it is waited for a while until that is gone.
    async fn paste(&self, input: &Input, prompt: &Prompt) -> Result<usize, DeliverError> {
        let text = pastes(prompt);
        input.write_all(&text).await?;
        sleep(self.options.return_delay).await;
        let free = self.look_until(|| self.ready().is_ok());
        if timeout(self.options.patience, free).await.is_err() {
            self.shared.turns().leave_residue();
            let why = "something opened in the terminal between the prompt and its Return";
            return Err(DeliverError::Io(why.to_owned()));
        }
        input.write_all(RETURN).await?;
        self.shared.turns().wrote(prompt.id, Instant::now());
        Ok(text.len() + RETURN.len())
    }

    /// Presses Escape when there is something to leave off, and gives the program time to take it as
    /// a key of its own.
    async fn escape(&self, input: &Input) -> Result<bool, DeliverError> {
        if !self.shared.turns().at_work() {
            return Ok(false);
        }
        self.shared.turns().interrupted();
        input.write_all(ESCAPE).await?;
        sleep(self.options.return_delay).await;
        Ok(true)
    }

    /// Interrupts the turn and waits for its end.
    async fn leave_off(&self, input: &Input) -> Result<(), DeliverError> {
        self.escape(input).await?;
        let ended = self.look_until(|| !self.shared.turns().at_work());
        let late = DeliverError::NotReady("it does not leave off its turn");
        timeout(self.options.patience, ended).await.map_err(|_| late)
    }

    async fn look_until(&self, done: impl Fn() -> bool) {
        self.shared.look().await;
        while !done() {
            sleep(LOOK_EVERY).await;
            self.shared.look().await;
        }
    }
}

/// Makes the program draw itself anew, unless it works: then it draws anyway.
async fn nudge(terminal: Arc<Terminal>, size: Size, signs: impl Future<Output = ()>) {
    let signs = timeout(SIGN_OF_LIFE, signs);
    tokio::pin!(signs);
    terminal.resize(Size::new(size.rows() - 1, size.cols()));
    let early = timeout(NUDGE, signs.as_mut()).await;
    terminal.resize(size);
    if early.is_err() {
        let _ = signs.await;
    }
}

#[async_trait]
impl AgentSession for ClaudeTerminalSession {
    fn pid(&self) -> u32 {
        self.running.life.pid()
    }

    fn events(&self) -> Option<AgentEvents> {
        self.running.events()
    }

    fn reports_turns(&self) -> bool {
        true
    }

    /// The sign of life is that the program draws something, or calls a hook. One that works draws
    /// all the time; another one is made to, by the size of its terminal. Nothing is typed.
    async fn ping(&self) -> Result<(), DeliverError> {
        self.running.life.check()?;
        let (mut drawn, mut called) = (self.running.screen.changes(), self.shared.alive());
        drawn.mark_unchanged();
        let (shared, terminal) = (Arc::clone(&self.shared), Arc::clone(&self.running.terminal));
        let size = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::spawn(async move {
            let answered = Arc::clone(&shared);
            let signs = async move {
                tokio::select! {
                    Ok(()) = drawn.changed() => answered.pong(),
                    Ok(()) = called.changed() => answered.pong(),
                    else => {}
                }
            };
            let draws_anyway = shared.turns().at_work();
            if draws_anyway {
                // Without a sign of life there is no answer.
                let _ = timeout(SIGN_OF_LIFE, signs).await;
            } else {
                nudge(terminal, size, signs).await;
            }
        });
        Ok(())
    }

    async fn deliver(&self, prompt: Prompt) -> Result<Written, DeliverError> {
        let typist = self.typist();
        self.running.with_input(|input| typist.deliver(input, prompt)).await
    }

    async fn answer(&self, _ask: &str, _payload: &str) -> Result<(), DeliverError> {
        Err(DeliverError::Unsupported("answer questions of a program in a terminal"))
    }

    async fn interrupt(&self) -> Result<(), DeliverError> {
        let typist = self.typist();
        self.running
            .with_input(|input| async move {
                let input = input.lock().await;
                typist.shared.look().await;
                typist.escape(input.as_ref().ok_or(DeliverError::Ended)?).await.map(drop)
            })
            .await
    }

    fn has_terminal(&self) -> bool {
        true
    }

    fn taken_over(&self) -> bool {
        self.running.held.load(Ordering::SeqCst)
    }

    fn hold(&self, held: bool) {
        self.running.held.store(held, Ordering::SeqCst);
        if !held && self.shared.keyboard().let_go() {
            self.shared.turns().leave_residue();
        }
    }

    async fn type_raw(&self, bytes: &[u8]) -> Result<(), DeliverError> {
        let keys: Vec<u8> = bytes.iter().copied().filter(|key| *key != SUSPEND).collect();
        let shared = Arc::clone(&self.shared);
        self.running
            .with_input(|input| async move {
                let input = input.lock().await;
                shared.keyboard().typed(&keys);
                if keys == ESCAPE || keys == CLEAR {
                    shared.turns().interrupted();
                }
                input.as_ref().ok_or(DeliverError::Ended)?.write_all(&keys).await
            })
            .await
    }

    async fn stop(&self, grace: Grace) -> ExitCause {
        let polite = async {
            // A program that takes no input any more is ended by the next step.
            let _ = self.running.write(QUIT).await;
        };
        self.running.life.stop(grace, polite).await
    }

    fn kill(&self, cause: ExitCause) {
        self.running.life.kill(cause);
    }

    fn resize(&self, size: Size) {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = size;
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

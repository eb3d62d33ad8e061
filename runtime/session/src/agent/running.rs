//! What every program in a terminal has: a life, a screen, an input, a thread that reads.

use super::{
    input::{Input, SharedInput, write_answers},
    life::Life,
    reader::Reader,
    shared_screen::SharedScreen,
    terminal::{self, Terminal},
};
use crate::sandbox::{Child, Spawner};
use foureyes_ports::backend::{AgentEvent, AgentEvents, AgentStart, BackendError, DeliverError, Size};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};
use tokio::sync::mpsc;

/// Why nothing is delivered while a person types.
pub(super) const TAKEN: DeliverError = DeliverError::NotReady("a person has taken its terminal over");

/// A program that runs in a terminal of its own.
pub(super) struct Running {
    pub(super) life: Life,
    pub(super) terminal: Arc<Terminal>,
    pub(super) screen: Arc<SharedScreen>,
    /// Whether a person has the terminal.
    pub(super) held: Arc<AtomicBool>,
    input: SharedInput,
    events: Mutex<Option<AgentEvents>>,
}

impl Running {
    /// Opens a terminal that keeps `scrollback` lines and starts the program in it; one that reads
    /// nothing for `patience` is stalled. `last` is awaited between the program's end and its last
    /// event, which goes to `facts` as the first one does.
    pub(super) async fn start(
        spawner: &Spawner,
        start: &AgentStart,
        (scrollback, patience): (usize, Duration),
        facts: (mpsc::Sender<AgentEvent>, mpsc::Receiver<AgentEvent>),
        last: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self, BackendError> {
        let (terminal, child) = terminal::open(spawner, start).await?;
        let screen = Arc::new(SharedScreen::new(start.size, scrollback));
        Self::watch(start, (terminal, child), screen, patience, facts, last).map_err(|why| {
            BackendError::Resource {
                what: "reader of a terminal",
                role: start.role.clone(),
                why: why.to_string(),
            }
        })
    }

    /// Takes charge of a program that was just started; when that fails the program is killed by
    /// the drop of `child`.
    fn watch(
        start: &AgentStart,
        (terminal, child): (Terminal, Child),
        screen: Arc<SharedScreen>,
        patience: Duration,
        (facts, received): (mpsc::Sender<AgentEvent>, mpsc::Receiver<AgentEvent>),
        last: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Self> {
        let events = AgentEvents::new(received, screen.changes());
        let (answers, answered) = mpsc::channel(16);
        let input = Input::new(terminal.descriptor()?, patience)?;
        let input: SharedInput = Arc::new(tokio::sync::Mutex::new(Some(input)));
        let name = format!("pty-{}", start.role);
        let reader = Reader::start(name, terminal.descriptor()?, Arc::clone(&screen), answers)?;
        tokio::spawn(write_answers(Arc::clone(&input), answered));
        facts.try_send(AgentEvent::Started { pid: child.pid() }).map_err(io::Error::other)?;
        let life = Life::watch(child, facts, async move {
            reader.finish().await;
            last.await;
        });
        let (terminal, events) = (Arc::new(terminal), Mutex::new(Some(events)));
        Ok(Self { life, terminal, screen, held: Arc::default(), input, events })
    }

    /// The events, once.
    pub(super) fn events(&self) -> Option<AgentEvents> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Does something with the input in a task of its own, so that a caller who goes away leaves
    /// no half of a prompt behind.
    pub(super) async fn with_input<T, F>(
        &self,
        work: impl FnOnce(SharedInput) -> F,
    ) -> Result<T, DeliverError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DeliverError>> + Send + 'static,
    {
        self.life.check()?;
        let done = tokio::spawn(work(Arc::clone(&self.input))).await;
        done.unwrap_or_else(|why| Err(DeliverError::Io(why.to_string())))
    }

    /// Writes bytes as they are.
    pub(super) async fn write(&self, bytes: &[u8]) -> Result<(), DeliverError> {
        let bytes = bytes.to_vec();
        self.with_input(|input| async move {
            let input = input.lock().await;
            input.as_ref().ok_or(DeliverError::Ended)?.write_all(&bytes).await
        })
        .await
    }

    /// Changes the size of the terminal and of the screen model.
    pub(super) fn resize(&self, size: Size) {
        self.terminal.resize(size);
        self.screen.resize(size);
    }
}

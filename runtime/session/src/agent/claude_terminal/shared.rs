//! What the tasks and callers of one session share: its turns, and the way of their events.

use super::{
    keyboard::Keyboard,
    record::{Record, Records},
    turns::Turns,
};
use foureyes_ports::backend::{AgentEvent, DeliverError};
use serde_json::Value;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};

/// How often the record is read.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Events that wait for whoever takes them.
const OUTBOX: usize = 1024;
/// Places of it that reports of tools leave free: an agent can call hooks without end.
const RESERVED: usize = 256;

/// The shared part of a session.
pub(super) struct Shared {
    config: PathBuf,
    records: Mutex<Records>,
    turns: Mutex<Turns>,
    keyboard: Mutex<Keyboard>,
    /// `None` once the program is gone.
    outbox: Mutex<Option<mpsc::Sender<AgentEvent>>>,
    /// Grows with each sign of life.
    alive: watch::Sender<u64>,
    /// Whether the program has the runtime's tools.
    tools: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The shared part of a session whose program keeps its configuration in `config` on the host,
    /// and the queue of its events.
    pub(super) fn new(
        config: PathBuf,
        session: uuid::Uuid,
        has_tools: bool,
    ) -> (Arc<Self>, mpsc::Receiver<AgentEvent>) {
        let (outbox, events) = mpsc::channel(OUTBOX);
        let shared = Self {
            config,
            records: Mutex::new(Records::of(session)),
            turns: Mutex::default(),
            keyboard: Mutex::default(),
            outbox: Mutex::new(Some(outbox)),
            alive: watch::Sender::new(0),
            tools: watch::Sender::new(has_tools),
        };
        (Arc::new(shared), events)
    }

    /// Reads the record again and again until the program is gone.
    pub(super) async fn follow(self: Arc<Self>) {
        // Until then it is starting, whatever it says of itself.
        let mut tools = self.tools.subscribe();
        if tools.wait_for(|has| *has).await.is_err() {
            return;
        }
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while lock(&self.outbox).is_some() {
            looks.tick().await;
            self.look().await;
        }
    }

    /// The program has the runtime's tools.
    pub(super) fn connected(&self) {
        self.tools.send_replace(true);
    }

    /// Reads the record now.
    pub(super) async fn look(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // The file lies on a disk, in a directory that an agent can fill.
        let read = tokio::task::spawn_blocking(move || lock(&this.records).read(&this.config));
        self.take(read.await.ok().flatten());
    }

    fn take(&self, record: Option<Record>) {
        let mut turns = lock(&self.turns);
        let events = turns.read(record, Instant::now());
        self.send(events);
    }

    /// Takes a call of a hook.
    pub(super) fn hook(&self, event: &str, payload: &Value) {
        let mut turns = lock(&self.turns);
        let events = turns.hook(event, payload);
        self.alive.send_modify(|n| *n += 1);
        self.send(events);
    }

    /// Sends events in the order of their facts: the caller holds the turns.
    fn send(&self, events: Vec<AgentEvent>) {
        let outbox = lock(&self.outbox);
        let Some(outbox) = outbox.as_ref() else { return };
        for event in events {
            let spare = !matches!(event, AgentEvent::Tool { .. } | AgentEvent::Pong);
            if (spare || outbox.capacity() > RESERVED) && outbox.try_send(event).is_err() {
                tracing::warn!("an event of an agent's program was lost: nobody takes them");
            }
        }
    }

    /// The program answered a question for a sign of life.
    pub(super) fn pong(&self) {
        self.send(vec![AgentEvent::Pong]);
    }

    /// The program is gone: no event follows those that were sent.
    pub(super) fn end(&self) {
        lock(&self.outbox).take();
    }

    /// Whether no line that a person began waits in the program.
    pub(super) fn nobody_types(&self) -> Result<(), DeliverError> {
        match lock(&self.keyboard).half_typed() {
            true => Err(DeliverError::NotReady("a line that a person began waits for its Return")),
            false => Ok(()),
        }
    }

    /// Whether no dialog is open and no turn is under way.
    pub(super) fn ready(&self) -> Result<(), DeliverError> {
        lock(&self.turns).ready(Instant::now())
    }

    pub(super) fn turns(&self) -> MutexGuard<'_, Turns> {
        lock(&self.turns)
    }

    pub(super) fn keyboard(&self) -> MutexGuard<'_, Keyboard> {
        lock(&self.keyboard)
    }

    /// Follows the signs of life that come by hooks.
    pub(super) fn alive(&self) -> watch::Receiver<u64> {
        self.alive.subscribe()
    }
}

/// Hands events on to whoever takes them, until there are none any more.
pub(super) async fn hand_on(mut events: mpsc::Receiver<AgentEvent>, facts: mpsc::Sender<AgentEvent>) {
    while let Some(event) = events.recv().await {
        if facts.send(event).await.is_err() {
            return;
        }
    }
}

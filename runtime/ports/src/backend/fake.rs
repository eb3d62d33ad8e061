//! A back end without processes: a test holds the other end of every session.

use super::{
    AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, AgentState, BackendError, DeliverError,
    ExitCause, Grace, Prompt, PromptId, Size, TurnEnd, TurnReport, Written,
};
use crate::screen::ScreenSnapshot;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// A test that panicked while it held a lock must not make others fail with a poisoned one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody may listen any more; that nobody takes what waits is a fault of the test.
fn put(facts: &mpsc::Sender<AgentEvent>, event: AgentEvent) {
    let full = matches!(facts.try_send(event), Err(mpsc::error::TrySendError::Full(_)));
    assert!(!full, "a test takes its events before 1024 of them wait");
}

type OnStart = dyn Fn(&FakeSession) -> Result<(), BackendError> + Send + Sync;

/// A back end whose sessions a test plays. Unless told otherwise, a session echoes its prompts to
/// its screen and ends when it is stopped.
#[derive(Clone)]
pub struct FakeBackend {
    sessions: watch::Sender<Vec<FakeSession>>,
    on_start: Arc<OnStart>,
}

impl Default for FakeBackend {
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl FakeBackend {
    /// A back end that calls `on_start` with each new session before it is handed out; an error
    /// from it is the answer to the start.
    pub fn new(on_start: impl Fn(&FakeSession) -> Result<(), BackendError> + Send + Sync + 'static) -> Self {
        Self { sessions: watch::Sender::new(Vec::new()), on_start: Arc::new(on_start) }
    }

    /// All sessions that were started, the oldest first.
    pub fn sessions(&self) -> Vec<FakeSession> {
        self.sessions.borrow().clone()
    }

    /// The session with this number (from 0), waited for.
    pub async fn session(&self, number: usize) -> FakeSession {
        let mut sessions = self.sessions.subscribe();
        let started = sessions.wait_for(|all| all.len() > number).await;
        started.expect("self holds the sender")[number].clone()
    }
}

#[async_trait]
impl AgentBackend for FakeBackend {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn start(&self, start: AgentStart) -> Result<Box<dyn AgentSession>, BackendError> {
        let number = self.sessions.borrow().len();
        let session = FakeSession::new(start, 1_000_000 + number as u32);
        session.emit(AgentEvent::Started { pid: session.pid });
        (self.on_start)(&session)?;
        self.sessions.send_modify(|all| all.push(session.clone()));
        Ok(Box::new(session))
    }
}

/// One session of a [`FakeBackend`]: the runtime sees it as an [`AgentSession`], the test plays the
/// program through the other methods. Clones are the same session.
#[derive(Clone)]
pub struct FakeSession {
    /// What was asked for.
    pub start: AgentStart,
    pid: u32,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    prompts: watch::Sender<Vec<Prompt>>,
    version: watch::Sender<u64>,
    ended: watch::Sender<Option<ExitCause>>,
}

/// What a fake program does when it is asked for a sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ping {
    /// It has no such question.
    #[default]
    Unsupported,
    /// It answers at once.
    Answered,
    /// It takes the question and says nothing.
    Ignored,
}

struct State {
    facts: Option<mpsc::Sender<AgentEvent>>,
    events: Option<AgentEvents>,
    size: Size,
    text: String,
    interrupts: usize,
    answers: Vec<(String, String)>,
    typed: Vec<u8>,
    reports_turns: bool,
    taken_over: bool,
    refusal: Option<DeliverError>,
    ping: Ping,
    pings: usize,
    lingers: bool,
    told_to_end: Option<ExitCause>,
}

impl FakeSession {
    fn new(start: AgentStart, pid: u32) -> Self {
        let (facts, receiver) = mpsc::channel(1024);
        let version = watch::Sender::new(0);
        let state = State {
            facts: Some(facts),
            events: Some(AgentEvents::new(receiver, version.subscribe())),
            size: start.size,
            text: String::new(),
            interrupts: 0,
            answers: Vec::new(),
            typed: Vec::new(),
            reports_turns: false,
            taken_over: false,
            refusal: None,
            ping: Ping::default(),
            pings: 0,
            lingers: false,
            told_to_end: None,
        };
        let shared = Shared {
            state: Mutex::new(state),
            prompts: watch::Sender::new(Vec::new()),
            version,
            ended: watch::Sender::new(None),
        };
        Self { start, pid, shared: Arc::new(shared) }
    }

    /// Lets the program report something. Ignored after the end.
    pub fn emit(&self, event: AgentEvent) {
        if let Some(facts) = &lock(&self.shared.state).facts {
            put(facts, event);
        }
    }

    /// Lets the program acknowledge a prompt.
    pub fn see(&self, id: PromptId) {
        self.emit(AgentEvent::Seen(id));
    }

    /// From now on the program counts as one that tells when it is ready and when a turn ends.
    pub fn report_turns(&self) {
        lock(&self.shared.state).reports_turns = true;
    }

    /// Lets the program say what it does.
    pub fn state(&self, state: AgentState) {
        self.emit(AgentEvent::State(state));
    }

    /// Lets a turn end, as programs tell it: the report, then that it waits.
    pub fn end_turn(&self, end: TurnEnd) {
        self.emit(AgentEvent::TurnEnded(TurnReport { end, ..TurnReport::default() }));
        self.state(AgentState::Idle);
    }

    /// How it takes questions for a sign of life from now on.
    pub fn set_ping(&self, ping: Ping) {
        lock(&self.shared.state).ping = ping;
    }

    /// How often it was asked for a sign of life.
    pub fn pings(&self) -> usize {
        lock(&self.shared.state).pings
    }

    /// From now on every prompt is refused with this; `None` takes them again.
    pub fn refuse(&self, refusal: Option<DeliverError>) {
        lock(&self.shared.state).refusal = refusal;
    }

    /// From now on the program takes its time to end: neither a stop nor a kill has ended it before
    /// [`FakeSession::exit`], whose cause is then the one that was asked for.
    pub fn linger(&self) {
        lock(&self.shared.state).lingers = true;
    }

    /// Why the runtime told it to end, if it did; the first reason.
    pub fn told_to_end(&self) -> Option<ExitCause> {
        lock(&self.shared.state).told_to_end.clone()
    }

    /// Whether it has not ended.
    pub fn lives(&self) -> bool {
        self.shared.ended.borrow().is_none()
    }

    fn told(&self, cause: ExitCause) -> bool {
        let mut state = lock(&self.shared.state);
        state.told_to_end.get_or_insert(cause);
        state.lingers
    }

    /// Writes a line to its screen.
    pub fn print(&self, line: &str) {
        let mut state = lock(&self.shared.state);
        state.text.push_str(line);
        state.text.push('\n');
        self.shared.version.send_modify(|v| *v += 1);
    }

    /// Ends the program. Without effect when it has ended.
    pub fn exit(&self, cause: ExitCause) {
        let (facts, asked) = {
            let mut state = lock(&self.shared.state);
            (state.facts.take(), state.told_to_end.clone().filter(|_| state.lingers))
        };
        let cause = asked.unwrap_or(cause);
        if let Some(facts) = facts {
            put(&facts, AgentEvent::Exited(cause.clone()));
            self.shared.ended.send_replace(Some(cause));
        }
    }

    /// The prompts that were delivered.
    pub fn prompts(&self) -> Vec<Prompt> {
        self.shared.prompts.borrow().clone()
    }

    /// The prompt with this number (from 0), waited for.
    pub async fn prompt(&self, number: usize) -> Prompt {
        let mut prompts = self.shared.prompts.subscribe();
        let delivered = prompts.wait_for(|all| all.len() > number).await;
        delivered.expect("self holds the sender")[number].clone()
    }

    /// How often it was interrupted.
    pub fn interrupts(&self) -> usize {
        lock(&self.shared.state).interrupts
    }

    /// The answers to its questions.
    pub fn answers(&self) -> Vec<(String, String)> {
        lock(&self.shared.state).answers.clone()
    }

    /// What a person typed.
    pub fn typed(&self) -> Vec<u8> {
        lock(&self.shared.state).typed.clone()
    }

    fn alive(&self) -> Result<(), DeliverError> {
        if self.shared.ended.borrow().is_some() { Err(DeliverError::Ended) } else { Ok(()) }
    }
}

#[async_trait]
impl AgentSession for FakeSession {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn events(&self) -> Option<AgentEvents> {
        lock(&self.shared.state).events.take()
    }

    fn reports_turns(&self) -> bool {
        lock(&self.shared.state).reports_turns
    }

    fn taken_over(&self) -> bool {
        lock(&self.shared.state).taken_over
    }

    fn hold(&self, held: bool) {
        lock(&self.shared.state).taken_over = held;
    }

    async fn ping(&self) -> Result<(), DeliverError> {
        self.alive()?;
        let ping = {
            let mut state = lock(&self.shared.state);
            state.pings += 1;
            state.ping
        };
        match ping {
            Ping::Unsupported => return Err(DeliverError::Unsupported("be asked for a sign of life")),
            Ping::Answered => self.emit(AgentEvent::Pong),
            Ping::Ignored => {}
        }
        Ok(())
    }

    async fn deliver(&self, prompt: Prompt) -> Result<Written, DeliverError> {
        self.alive()?;
        if self.taken_over() {
            return Err(DeliverError::NotReady("a person has taken it over"));
        }
        if let Some(refusal) = lock(&self.shared.state).refusal.clone() {
            return Err(refusal);
        }
        let written = Written { id: prompt.id, bytes: prompt.text.len() };
        self.print(&prompt.text);
        self.shared.prompts.send_modify(|all| all.push(prompt));
        Ok(written)
    }

    async fn answer(&self, ask: &str, payload: &str) -> Result<(), DeliverError> {
        self.alive()?;
        lock(&self.shared.state).answers.push((ask.to_owned(), payload.to_owned()));
        Ok(())
    }

    async fn interrupt(&self) -> Result<(), DeliverError> {
        self.alive()?;
        lock(&self.shared.state).interrupts += 1;
        Ok(())
    }

    async fn type_raw(&self, bytes: &[u8]) -> Result<(), DeliverError> {
        self.alive()?;
        lock(&self.shared.state).typed.extend_from_slice(bytes);
        Ok(())
    }

    async fn stop(&self, _grace: Grace) -> ExitCause {
        if !self.told(ExitCause::Requested) {
            self.exit(ExitCause::Requested);
        }
        let mut ended = self.shared.ended.subscribe();
        let cause = ended.wait_for(Option::is_some).await.expect("self holds the sender").clone();
        cause.expect("it was waited for")
    }

    fn kill(&self, cause: ExitCause) {
        if !self.told(cause.clone()) {
            self.exit(cause);
        }
    }

    fn resize(&self, size: Size) {
        lock(&self.shared.state).size = size;
        self.shared.version.send_modify(|v| *v += 1);
    }

    fn screen(&self) -> Arc<ScreenSnapshot> {
        let state = lock(&self.shared.state);
        let mut screen = ScreenSnapshot::of_text(&state.text, state.size.rows(), state.size.cols());
        screen.version = *self.shared.version.borrow();
        Arc::new(screen)
    }

    fn screen_changes(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    fn transcript(&self, lines: usize) -> String {
        let state = lock(&self.shared.state);
        let all: Vec<&str> = state.text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

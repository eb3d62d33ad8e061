//! Programs that speak lines of JSON over pipes.

use super::{
    input::{Input, SharedInput, write_answers},
    life::Life,
    lines::{Line, Lines},
    shared_screen::SharedScreen,
    styled::StyledLine,
};
use crate::{
    sandbox::{PipedChild, Spawner},
    screen::DEFAULT_SCROLLBACK,
};
use async_trait::async_trait;
use foureyes_ports::{
    backend::{
        AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, BackendError, DeliverError,
        ExitCause, Grace, Prompt, Size, Transport, Written,
    },
    screen::ScreenSnapshot,
    text::clean_lines,
};
use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// A program that reads nothing for so long is stalled.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a dead program's pipes may be held open by what it left behind.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Lines of one record that the transcript shows at most, and characters of each.
const SHOWN: (usize, usize) = (200, 2000);

/// What follows from a line of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The runtime is told.
    Event(AgentEvent),
    /// The program is answered at once by this line (without its end).
    Reply(String),
    /// People who watch see this text.
    Show(String),
    /// People who watch see these lines.
    Print(Vec<StyledLine>),
}

/// One dialect of JSON lines: pure, without any input or output of its own.
pub trait LineProtocol: Send {
    /// Lines that are written before the first prompt.
    fn greeting(&mut self) -> Vec<String>;
    /// What a line of the program means. Must not fail: what it does not know it leaves out or
    /// tells as [`AgentEvent::Protocol`].
    fn on_line(&mut self, line: &str) -> Vec<Step>;
    /// Whether programs of this dialect tell when they are ready and when a turn ends.
    fn reports_turns(&self) -> bool {
        false
    }
    /// The line that delivers a prompt.
    ///
    /// # Errors
    /// [`DeliverError::NotReady`] where the program cannot take one yet.
    fn prompt(&mut self, prompt: &Prompt) -> Result<String, DeliverError>;
    /// The line that answers a question; `None` when no such question is open.
    fn answer(&mut self, ask: &str, payload: &str) -> Option<String>;
    /// The line that makes the program leave off; `None` when it cannot.
    fn interrupt(&mut self) -> Option<String>;
    /// What people see of a line that the program wrote to its stderr; `None` where it is noise.
    fn complaint(&mut self, line: &str) -> Option<String> {
        Some(line.to_owned())
    }
    /// The line that asks for a sign of life; `None` where there is no such question.
    fn ping(&mut self) -> Option<String> {
        None
    }
}

type MakeProtocol = dyn Fn(&AgentStart) -> Box<dyn LineProtocol> + Send + Sync;

/// Runs programs over pipes. Their transcript is drawn into a screen model, so that people watch
/// them as they watch programs in terminals.
#[derive(Clone)]
pub struct PipeBackend {
    spawner: Spawner,
    name: &'static str,
    protocol: Arc<MakeProtocol>,
}

impl PipeBackend {
    /// A back end that starts its programs on `spawner`'s thread and makes each its own protocol.
    pub fn new(
        spawner: Spawner,
        name: &'static str,
        protocol: impl Fn(&AgentStart) -> Box<dyn LineProtocol> + Send + Sync + 'static,
    ) -> Self {
        Self { spawner, name, protocol: Arc::new(protocol) }
    }
}

#[async_trait]
impl AgentBackend for PipeBackend {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn start(&self, start: AgentStart) -> Result<Box<dyn AgentSession>, BackendError> {
        if start.transport != Transport::Pipes {
            return Err(BackendError::Transport(start.transport));
        }
        let resource = |why: String| BackendError::Resource { what: "pipes", role: start.role.clone(), why };
        let (spawner, launch) = (self.spawner.clone(), start.launch.clone());
        let piped = tokio::task::spawn_blocking(move || spawner.spawn_piped(&launch)).await;
        let piped = piped.map_err(|e| resource(e.to_string()))?.map_err(|e| BackendError::Spawn {
            program: start.launch.program.display().to_string(),
            why: e.to_string(),
        })?;
        let session = PipeSession::new(&start, piped, (self.protocol)(&start));
        Ok(Box::new(session.map_err(|e| resource(e.to_string()))?))
    }
}

struct PipeSession {
    life: Life,
    screen: Arc<SharedScreen>,
    input: SharedInput,
    protocol: Arc<Mutex<Box<dyn LineProtocol>>>,
    events: Mutex<Option<AgentEvents>>,
    held: AtomicBool,
}

impl PipeSession {
    fn new(start: &AgentStart, piped: PipedChild, protocol: Box<dyn LineProtocol>) -> io::Result<Self> {
        let (child, stdin, stdout, stderr) = piped.into_parts();
        let missing = || io::Error::other("a stream was not piped");
        let stdin = OwnedFd::from(stdin.ok_or_else(missing)?);
        let stdout = pipe::Receiver::from_owned_fd(stdout.ok_or_else(missing)?.into())?;
        let stderr = pipe::Receiver::from_owned_fd(stderr.ok_or_else(missing)?.into())?;

        let screen = Arc::new(SharedScreen::new(start.size, DEFAULT_SCROLLBACK));
        let (facts, received) = mpsc::channel(256);
        let events = AgentEvents::new(received, screen.changes());
        let input = Input::new(stdin, PATIENCE)?;
        let input: SharedInput = Arc::new(tokio::sync::Mutex::new(Some(input)));
        let (replies, replied) = mpsc::channel(256);
        let protocol = Arc::new(Mutex::new(protocol));
        facts.try_send(AgentEvent::Started { pid: child.pid() }).map_err(io::Error::other)?;
        for line in lock(&protocol).greeting() {
            replies.try_send(with_end(line)).map_err(io::Error::other)?;
        }
        tokio::spawn(write_answers(Arc::clone(&input), replied));
        let listener = Listener {
            protocol: Arc::clone(&protocol),
            screen: Arc::clone(&screen),
            facts: facts.clone(),
            replies,
        };
        let out = tokio::spawn(listener.listen(stdout));
        let err = tokio::spawn(show_errors(stderr, Arc::clone(&protocol), Arc::clone(&screen)));
        let life = Life::watch(child, facts, last_words([out, err]));
        Ok(Self {
            life,
            screen,
            input,
            protocol,
            events: Mutex::new(Some(events)),
            held: AtomicBool::new(false),
        })
    }

    async fn write(&self, line: String) -> Result<usize, DeliverError> {
        self.life.check()?;
        let bytes = with_end(line);
        let input = Arc::clone(&self.input);
        // In a task of its own: half a line would be taken for a broken record.
        let written = tokio::spawn(async move {
            let input = input.lock().await;
            input.as_ref().ok_or(DeliverError::Ended)?.write_all(&bytes).await?;
            Ok(bytes.len())
        });
        written.await.unwrap_or_else(|why| Err(DeliverError::Io(why.to_string())))
    }
}

fn lock(protocol: &Mutex<Box<dyn LineProtocol>>) -> MutexGuard<'_, Box<dyn LineProtocol>> {
    protocol.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_end(mut line: String) -> Vec<u8> {
    line.push('\n');
    line.into_bytes()
}

async fn last_words(readers: [JoinHandle<()>; 2]) {
    for mut reader in readers {
        if timeout(LAST_WORDS, &mut reader).await.is_err() {
            reader.abort();
        }
    }
}

/// Reads the program's records.
struct Listener {
    protocol: Arc<Mutex<Box<dyn LineProtocol>>>,
    screen: Arc<SharedScreen>,
    facts: mpsc::Sender<AgentEvent>,
    replies: mpsc::Sender<Vec<u8>>,
}

impl Listener {
    async fn listen(self, mut stdout: pipe::Receiver) {
        let mut lines = Lines::default();
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(n @ 1..) = stdout.read(&mut buffer).await {
            for line in lines.push(&buffer[..n]) {
                match line {
                    Line::Text(line) => self.take(&line).await,
                    Line::TooLong => self.complain("a line was too long and was dropped").await,
                }
            }
        }
    }

    async fn take(&self, line: &str) {
        let steps = lock(&self.protocol).on_line(line);
        for step in steps {
            match step {
                Step::Event(event) => self.tell(event).await,
                Step::Show(text) => self.screen.print(&clean_lines(&text, SHOWN.0, SHOWN.1)),
                Step::Print(lines) => {
                    let painted: Vec<String> = lines.iter().take(SHOWN.0).map(StyledLine::paint).collect();
                    self.screen.print(&painted.join("\n"));
                }
                Step::Reply(line) => {
                    // Waiting here could wait for ever: the program may wait for us to read.
                    if self.replies.try_send(with_end(line)).is_err() {
                        self.complain("it does not read its answers; one was dropped").await;
                    }
                }
            }
        }
    }

    async fn complain(&self, what: &str) {
        self.tell(AgentEvent::Protocol(what.to_owned())).await;
    }

    async fn tell(&self, event: AgentEvent) {
        // Nobody listens any more when the session was dropped.
        let _ = self.facts.send(event).await;
    }
}

/// What the program complains about is for people alone.
async fn show_errors(
    mut stderr: pipe::Receiver,
    protocol: Arc<Mutex<Box<dyn LineProtocol>>>,
    screen: Arc<SharedScreen>,
) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
        for line in lines.push(&buffer[..n]) {
            let Line::Text(text) = line else { continue };
            // The lock is gone before anything is printed.
            let shown = lock(&protocol).complaint(&text);
            if let Some(text) = shown {
                screen.print(&clean_lines(&text, SHOWN.0, SHOWN.1));
            }
        }
    }
}

#[async_trait]
impl AgentSession for PipeSession {
    fn pid(&self) -> u32 {
        self.life.pid()
    }

    fn events(&self) -> Option<AgentEvents> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn deliver(&self, prompt: Prompt) -> Result<Written, DeliverError> {
        let line = lock(&self.protocol).prompt(&prompt)?;
        let bytes = self.write(line).await?;
        Ok(Written { id: prompt.id, bytes })
    }

    async fn answer(&self, ask: &str, payload: &str) -> Result<(), DeliverError> {
        self.life.check()?;
        let line = lock(&self.protocol).answer(ask, payload);
        let line = line.ok_or(DeliverError::Unsupported("answer what was not asked"))?;
        self.write(line).await.map(drop)
    }

    async fn interrupt(&self) -> Result<(), DeliverError> {
        self.life.check()?;
        let line = lock(&self.protocol).interrupt();
        let line = line.ok_or(DeliverError::Unsupported("interrupt its program"))?;
        self.write(line).await.map(drop)
    }

    fn reports_turns(&self) -> bool {
        lock(&self.protocol).reports_turns()
    }

    fn taken_over(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// What a person says comes as a prompt, too, so it is the runtime that holds back its own.
    fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    async fn ping(&self) -> Result<(), DeliverError> {
        self.life.check()?;
        let line = lock(&self.protocol).ping();
        let line = line.ok_or(DeliverError::Unsupported("be asked for a sign of life"))?;
        self.write(line).await.map(drop)
    }

    async fn type_raw(&self, _bytes: &[u8]) -> Result<(), DeliverError> {
        Err(DeliverError::Unsupported("take keys: its program has no terminal"))
    }

    /// The polite request is the end of the input, after which such programs finish and leave.
    async fn stop(&self, grace: Grace) -> ExitCause {
        let close = async {
            self.input.lock().await.take();
        };
        self.life.stop(grace, close).await
    }

    fn kill(&self, cause: ExitCause) {
        self.life.kill(cause);
    }

    fn resize(&self, size: Size) {
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

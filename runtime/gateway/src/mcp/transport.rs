//! Lines of JSON-RPC over the agent's socket, bounded in every direction: bytes a second (counted
//! before anything is decoded), length of a line, time for a line, requests under way, and answers
//! that the peer does not read.

use crate::tools::{Channel, Refusal};
use foureyes_protocol::Code;
use rmcp::{
    RoleServer,
    model::{ClientNotification, JsonRpcMessage, RequestId},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

/// The longest line: 1 MiB, newline included.
pub(super) const MAX_LINE: usize = 1 << 20;
/// How long a line may take from its first byte to its newline.
const LINE_TIME: Duration = Duration::from_secs(30);
/// How long the peer may leave an answer unread before the session ends.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Requests that may be under way at once; further lines stay unread until one is answered.
const MAX_OPEN: usize = 64;
/// The pause before bytes beyond the rate are offered again, and how often they are.
const RATE_PAUSE: (Duration, u32) = (Duration::from_millis(200), 150);

/// JSON-RPC's codes of lines that cannot be handled.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

type Open = Arc<Mutex<HashMap<RequestId, OwnedSemaphorePermit>>>;

/// See the module. All state that a cancelled `receive` must not lose lives in here.
pub(super) struct LineTransport {
    channel: Arc<Channel>,
    read: BufReader<OwnedReadHalf>,
    write: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    line: Vec<u8>,
    /// When the line that has begun must be complete.
    due: Option<Instant>,
    /// Whether the rest of an oversized line is being dropped.
    dropping: bool,
    refused: u32,
    slots: Arc<Semaphore>,
    slot: Option<OwnedSemaphorePermit>,
    open: Open,
    /// A complaint on its way to the peer; the next line waits for it.
    complaint: Option<JoinHandle<io::Result<()>>>,
    over: bool,
}

/// What one look at the incoming bytes came to.
enum Step {
    More,
    Line,
    Oversized,
    TooFast(Refusal),
    End,
}

impl LineTransport {
    pub(super) fn new(stream: UnixStream, channel: Arc<Channel>) -> Self {
        let (read, write) = stream.into_split();
        Self {
            channel,
            read: BufReader::new(read),
            write: Arc::new(tokio::sync::Mutex::new(write)),
            line: Vec::new(),
            due: None,
            dropping: false,
            refused: 0,
            slots: Arc::new(Semaphore::new(MAX_OPEN)),
            slot: None,
            open: Open::default(),
            complaint: None,
            over: false,
        }
    }

    /// Takes what has arrived. Safe to cancel: nothing is consumed before its last await.
    async fn step(&mut self) -> Step {
        let arrived = self.read.fill_buf();
        let buffer = match self.due {
            Some(due) => timeout_at(due, arrived).await.unwrap_or(Ok(&[])),
            None => arrived.await,
        };
        let Ok(buffer) = buffer else { return Step::End };
        if buffer.is_empty() {
            return Step::End;
        }
        let newline = buffer.iter().position(|b| *b == b'\n');
        let take = newline.map_or(buffer.len(), |at| at + 1);
        if let Err(reason) = self.channel.governance.count_bytes(&self.channel.role, take) {
            return self.too_fast(reason.into()).await;
        }
        self.refused = 0;
        self.take(take, newline.is_some())
    }

    /// Bytes beyond the rate stay unread for a while, which slows the sender down; one who does not
    /// slow down is cut off.
    async fn too_fast(&mut self, refusal: Refusal) -> Step {
        self.refused += 1;
        if self.refused > RATE_PAUSE.1 {
            return Step::TooFast(refusal);
        }
        self.due = self.due.map(|due| due + RATE_PAUSE.0);
        sleep(RATE_PAUSE.0).await;
        Step::More
    }

    /// Moves `take` bytes from the buffer to the line.
    fn take(&mut self, take: usize, complete: bool) -> Step {
        let fits = self.line.len() + take <= MAX_LINE;
        if fits && !self.dropping {
            self.line.extend_from_slice(&self.read.buffer()[..take]);
        }
        self.read.consume(take);
        self.due = if complete { None } else { self.due.or_else(|| Some(Instant::now() + LINE_TIME)) };
        let was_dropping = self.dropping;
        self.dropping = (was_dropping || !fits) && !complete;
        match (was_dropping, fits, complete) {
            (true, ..) | (false, true, false) => Step::More,
            (false, true, true) => Step::Line,
            (false, false, _) => Step::Oversized,
        }
    }

    /// The message of a complete line, or what to answer to the line.
    fn message(&mut self) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Value> {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii();
        if text.is_empty() {
            return Ok(None);
        }
        let parsed: RxJsonRpcMessage<RoleServer> = match serde_json::from_slice(text) {
            Ok(message) => message,
            Err(error) => return Err(unreadable(text, &error)),
        };
        match &parsed {
            JsonRpcMessage::Request(request) => self.begin(&request.id)?,
            JsonRpcMessage::Notification(n) => self.forget(&n.notification),
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Ok(Some(parsed))
    }

    /// Books a request as under way.
    fn begin(&mut self, id: &RequestId) -> Result<(), Value> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(id) {
            let refusal = Refusal::new(Code::Malformed, "the id of this request is in use")
                .next("number your requests");
            return Err(complaint(json!(id), INVALID_REQUEST, &refusal));
        }
        if let Some(slot) = self.slot.take() {
            open.insert(id.clone(), slot);
        }
        Ok(())
    }

    /// A request that the peer cancelled is not answered, so its slot is free again.
    fn forget(&self, notification: &ClientNotification) {
        if let ClientNotification::CancelledNotification(cancelled) = notification
            && let Some(id) = &cancelled.params.request_id
        {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
    }

    /// Sends a complaint beside the reading, so that a cancelled `receive` cannot tear it.
    fn complain(&mut self, complaint: &Value) {
        let bytes = format!("{complaint}\n").into_bytes();
        self.complaint = Some(tokio::spawn(write_line(self.write.clone(), bytes)));
    }

    /// Waits until the peer may be heard: its last complaint is written and a slot is free.
    async fn ready(&mut self) -> bool {
        if let Some(sending) = &mut self.complaint {
            let sent = sending.await;
            self.complaint = None;
            self.over |= !matches!(sent, Ok(Ok(())));
        }
        if self.slot.is_none() && !self.over {
            self.slot = self.slots.clone().acquire_owned().await.ok();
        }
        !self.over
    }
}

impl Transport<RoleServer> for LineTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (write, open) = (self.write.clone(), self.open.clone());
        async move {
            let mut bytes = serde_json::to_vec(&item)?;
            bytes.push(b'\n');
            let answered = match &item {
                JsonRpcMessage::Response(response) => Some(&response.id),
                JsonRpcMessage::Error(error) => error.id.as_ref(),
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
            };
            // The id is free before the peer can see the answer and use it again; the slot is held
            // until the answer is written, so that a peer that does not read is not served either.
            let _slot =
                answered.and_then(|id| open.lock().unwrap_or_else(PoisonError::into_inner).remove(id));
            write_line(write, bytes).await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        while self.ready().await {
            let said = match self.step().await {
                Step::More => continue,
                Step::Line => self.message(),
                Step::Oversized => {
                    self.line = Vec::new();
                    Err(oversized())
                }
                Step::TooFast(refusal) => {
                    self.over = true;
                    Err(complaint(Value::Null, INVALID_REQUEST, &refusal))
                }
                Step::End => return None,
            };
            match said {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(answer) => self.complain(&answer),
            }
        }
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        self.over = true;
        self.write.lock().await.shutdown().await
    }
}

async fn write_line(write: Arc<tokio::sync::Mutex<OwnedWriteHalf>>, bytes: Vec<u8>) -> io::Result<()> {
    let writing = async { write.lock().await.write_all(&bytes).await };
    timeout(ANSWER_TIME, writing).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn complaint(id: Value, code: i64, refusal: &Refusal) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": refusal.to_string()}})
}

fn oversized() -> Value {
    let refusal =
        Refusal::new(Code::TooLarge, format!("a line has more than {MAX_LINE} bytes; it was dropped"));
    complaint(Value::Null, INVALID_REQUEST, &refusal)
}

/// The answer to a line that is no request: under its id, where it has one.
fn unreadable(text: &[u8], error: &serde_json::Error) -> Value {
    let refusal = Refusal::new(Code::Malformed, format!("the line is no JSON-RPC message: {error}"))
        .next("send one JSON-RPC 2.0 message a line");
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => complaint(value["id"].clone(), INVALID_REQUEST, &refusal),
        Err(_) => complaint(Value::Null, PARSE_ERROR, &refusal),
    }
}

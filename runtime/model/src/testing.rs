//! What the tests of this crate share: a watch that remembers, hand-made servers on loopback, and a
//! client that shows the raw bytes.

use crate::proxy::{Proxy, Settings};
use foureyes_config::{
    sections::model::{Model, Provider},
    units::Millis,
};
use foureyes_ports::{
    clock::{FakeClock, FakeEntropy},
    model::{ModelEvent, ModelTrouble, ModelUse, ModelWatch},
};
use foureyes_protocol::{PrincipalId, Reason};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    sync::{Notify, mpsc},
    time::timeout,
};

/// The time at which every test plays.
pub const NOW: u64 = 1_764_200_000_000;
/// Longer than anything here takes.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// A key that may appear nowhere but at the provider.
pub const CANARY: &str = "sk-ant-api03-CANARY-f00dfeed";

pub fn role(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

/// An environment of these variables.
pub fn env(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<> {
    let all: BTreeMap<String, String> =
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    move |name| all.get(name).cloned()
}

/// Remembers what it was told; lets all pass unless told otherwise.
#[derive(Default)]
pub struct Watch {
    told: Mutex<Vec<(PrincipalId, ModelEvent)>>,
    refuses: Mutex<Option<Reason>>,
    news: Notify,
}

impl ModelWatch for Watch {
    fn admit(&self, _: &PrincipalId) -> Result<(), Reason> {
        self.refuses.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn tell(&self, role: &PrincipalId, event: ModelEvent) {
        self.told.lock().unwrap().push((role.clone(), event));
        self.news.notify_waiters();
    }
}

impl Watch {
    pub fn refuse(&self, reason: Reason) {
        *self.refuses.lock().unwrap() = Some(reason);
    }

    pub fn told(&self) -> Vec<ModelEvent> {
        self.told.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }

    pub fn troubles(&self) -> Vec<ModelTrouble> {
        let trouble = |event| if let ModelEvent::Trouble(t) = event { Some(t) } else { None };
        self.told().into_iter().filter_map(trouble).collect()
    }

    pub fn used(&self) -> Vec<ModelUse> {
        let used = |event| if let ModelEvent::Used(u) = event { Some(u) } else { None };
        self.told().into_iter().filter_map(used).collect()
    }

    /// Waits until what was told fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let news = self.news.notified();
                if fits(self) {
                    return;
                }
                news.await;
            }
        };
        assert!(timeout(DEADLINE, wait).await.is_ok(), "{what}: {:?}", self.told());
    }
}

/// What a hand-made server does with a connection.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// Waits for the next word of the test.
    Wait(Arc<Notify>),
    /// Says nothing more until the other side goes.
    Hang,
}

pub fn send(text: impl AsRef<[u8]>) -> Step {
    Step::Send(text.as_ref().to_vec())
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &str) -> Step {
    send(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

/// The head of a stream that ends with its connection.
pub fn stream_head() -> Step {
    send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
}

/// A server that plays the same steps for each connection, and the requests that it got.
pub struct Upstream {
    pub port: u16,
    pub requests: mpsc::UnboundedReceiver<String>,
    /// Told when a connection that hung has gone.
    pub gone: Arc<Notify>,
}

impl Upstream {
    pub async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tx, requests) = mpsc::unbounded_channel();
        let gone = Arc::new(Notify::new());
        let told = Arc::clone(&gone);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(play(stream, steps.clone(), tx.clone(), Arc::clone(&told)));
            }
        });
        Self { port, requests, gone }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn request(&mut self) -> String {
        timeout(DEADLINE, self.requests.recv()).await.expect("a request in time").expect("a request")
    }
}

/// Reads one request, plays the steps, and closes.
pub async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    steps: Vec<Step>,
    requests: mpsc::UnboundedSender<String>,
    gone: Arc<Notify>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let _ = requests.send(request);
    for step in steps {
        match step {
            Step::Send(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
            }
            Step::Wait(word) => word.notified().await,
            Step::Hang => {
                let _ = stream.read(&mut [0; 64]).await;
                gone.notify_one();
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// Head and body of a request with a length.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.map_or(0, |l| l.parse::<usize>().unwrap()) {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => all.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
}

/// A proxy and what it told.
pub struct World {
    pub proxy: Proxy,
    pub watch: Arc<Watch>,
    pub clock: Arc<FakeClock>,
}

/// The configuration for a provider at this address.
pub fn config(base_url: &str) -> Model {
    Model { base_url: Some(base_url.to_owned()), silence: Millis::seconds(15), ..Model::default() }
}

impl World {
    pub fn new(config: &Model, env: &dyn Fn(&str) -> Option<String>, home: &Path) -> Self {
        let settings = Settings::new(config, env, home).unwrap();
        let (watch, clock) = (Arc::new(Watch::default()), Arc::new(FakeClock::at(NOW)));
        let (told, time) = (Arc::clone(&watch), Arc::clone(&clock));
        let proxy = Proxy::new(settings, told, time, &FakeEntropy::seeded(1)).unwrap();
        Self { proxy, watch, clock }
    }

    /// With the canary as its API key.
    pub fn with_key(config: &Model) -> Self {
        Self::new(config, &env(&[("ANTHROPIC_API_KEY", CANARY)]), Path::new("/nonexistent"))
    }

    pub fn stand_in(base_url: &str) -> Self {
        let config = Model { provider: Provider::StandIn, ..config(base_url) };
        Self::new(&config, &env(&[]), Path::new("/nonexistent"))
    }

    /// A connection on the socket of `dev-a`.
    pub fn connect(&self) -> UnixStream {
        let (client, mut server) = UnixStream::pair().unwrap();
        let proxy = self.proxy.clone();
        tokio::spawn(async move {
            let mut head = [0; 512];
            let n = server.read(&mut head).await.unwrap();
            proxy.serve(&role("dev-a"), &head[..n], server).await;
        });
        client
    }

    /// The head of a request of `dev-a` with its token.
    pub fn head(&self, method: &str, path: &str, more: &str, length: usize) -> String {
        let token = self.proxy.token(&role("dev-a"));
        format!(
            "{method} /a/dev-a{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {token}\r\n{more}connection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    }

    /// Sends these bytes, and all that comes back.
    pub async fn raw(&self, request: &str) -> Got {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        timeout(DEADLINE, client.read_to_end(&mut all)).await.expect("an answer in time").unwrap();
        Got::new(&all)
    }

    /// Asks for an answer of the model.
    pub async fn ask(&self, body: &str) -> Got {
        self.raw(&format!("{}{body}", self.head("POST", "/v1/messages?beta=true", "", body.len()))).await
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Got {
    pub raw: String,
    pub status: u16,
    pub head: String,
    pub body: String,
    /// Whether it broke off.
    pub broken: bool,
}

impl Got {
    fn new(bytes: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(bytes.len());
        let (head, rest) = (text(&bytes[..end]), bytes.get(end + 4..).unwrap_or_default());
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let chunked = head.contains("transfer-encoding: chunked");
        let (body, broken) = if chunked { unchunk(rest) } else { (rest.to_vec(), false) };
        Self { raw: text(bytes), status, head, body: text(&body), broken }
    }

    pub fn message(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// The body of a chunked answer, and whether its end is missing.
pub fn unchunk(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut body, mut rest) = (Vec::new(), bytes);
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, false);
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    (body, true)
}

/// The events of an ordinary answer.
pub const EVENTS: [&str; 6] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-sonnet-4-5\",\
     \"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":1000,\"cache_creation_input_tokens\":100,\
     \"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello, this is text.\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

use super::*;
use foureyes_ports::model::{Block, Reply, ReplyOutcome};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers one thing, and remembers who asked.
struct Always(ReplyOutcome, Mutex<Vec<String>>);

impl StandIn for Always {
    fn reply(&self, agent: &str, _: &Value) -> Reply {
        self.1.lock().unwrap().push(agent.to_owned());
        Reply { outcome: self.0.clone(), ..Reply::default() }
    }
}

struct World {
    address: SocketAddr,
    model: Arc<Always>,
}

impl World {
    async fn start(outcome: ReplyOutcome) -> Self {
        let model = Arc::new(Always(outcome, Mutex::default()));
        let server = Server::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&model) as _).await.unwrap();
        let address = server.local_addr();
        tokio::spawn(server.serve());
        Self { address, model }
    }

    async fn raw(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        let length = format!("content-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{length}{body}").as_bytes()).await.unwrap();
        let mut all = String::new();
        tokio::time::timeout(crate::testing::DEADLINE, stream.read_to_string(&mut all))
            .await
            .unwrap()
            .unwrap();
        all
    }
}

fn blocks() -> Vec<Block> {
    let input = json!({ "command": "cargo test --workspace", "description": "Runs the tests" });
    let Value::Object(input) = input else { unreachable!() };
    vec![
        Block::Text("First I run the tests, then I see.".to_owned()),
        Block::ToolUse { name: "Bash".to_owned(), input },
    ]
}

/// What the real CLI sends, in short: fields of several betas, and some that nobody knows.
fn request(stream: bool) -> String {
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 32000,
        "stream": stream,
        "system": [{ "type": "text", "text": "You are", "cache_control": { "type": "ephemeral" } }],
        "tools": [{ "name": "Bash", "input_schema": { "type": "object" } }],
        "thinking": { "type": "adaptive" },
        "output_config": { "effort": "high" },
        "context_management": { "edits": [{ "type": "clear_thinking_20251015", "keep": "all" }] },
        "a_field_of_tomorrow": [1, { "x": null }],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "do it" }] },
            { "role": "system", "content": "a message of the system in between" },
            { "role": "user", "content": "go on" },
        ],
    })
    .to_string()
}

/// The body of a chunked answer.
fn unchunked(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    String::from_utf8(crate::testing::unchunk(body.as_bytes()).0).unwrap()
}

#[tokio::test]
async fn a_stream_is_written_as_the_api_writes_it() {
    let world = World::start(ReplyOutcome::Message(blocks())).await;
    let answer = world.raw("POST", "/a/dev-a/v1/messages?beta=true", &request(true)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-type: text/event-stream"));
    insta::assert_snapshot!(unchunked(&answer));
    let again = world.raw("POST", "/a/dev-a/v1/messages?beta=true", &request(true)).await;
    assert_eq!(unchunked(&answer), unchunked(&again), "a retry");
    assert_eq!(*world.model.1.lock().unwrap(), ["dev-a", "dev-a"]);
}

#[tokio::test]
async fn a_whole_answer_is_one_document() {
    let world = World::start(ReplyOutcome::Message(blocks())).await;
    let answer = world.raw("POST", "/v1/messages", &request(false)).await;
    let message: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["content"][1]["input"]["command"], "cargo test --workspace");
    assert_eq!(*world.model.1.lock().unwrap(), ["agent"]);
}

#[tokio::test]
async fn titles_are_given_without_the_play() {
    let world = World::start(ReplyOutcome::Silence).await;
    let plain = json!({ "messages": [], "tools": [] }).to_string();
    assert!(world.raw("POST", "/v1/messages", &plain).await.contains(r#""text":"Stand-in""#));
    let schema =
        json!({ "properties": { "title": { "type": "string" }, "isNewTopic": { "type": "boolean" } } });
    let formed =
        json!({ "output_config": { "format": { "type": "json_schema", "schema": schema } } }).to_string();
    let answer = world.raw("POST", "/v1/messages", &formed).await;
    assert!(answer.contains(r#"{\"isNewTopic\":false,\"title\":\"Stand-in\"}"#), "{answer}");
    assert!(world.model.1.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_other_paths_answer() {
    let world = World::start(ReplyOutcome::Silence).await;
    let table = [
        ("HEAD", "/a/dev-a", "", "200"),
        ("GET", "/a/dev-a/v1/models?limit=5", "", "200"),
        ("POST", "/v1/messages/count_tokens", r#"{"messages":[]}"#, r#"{"input_tokens":4}"#),
        ("POST", "/v1/messages", "nonsense", "400"),
        ("POST", "/v1/files", "{}", "404"),
    ];
    for (method, path, body, expected) in table {
        let answer = world.raw(method, path, body).await;
        assert!(answer.contains(expected), "{path}: {answer}");
    }
}

#[tokio::test]
async fn errors_cuts_and_silence_are_played() {
    let error = ReplyOutcome::Error {
        status: 529,
        kind: "overloaded_error".to_owned(),
        message: "Overloaded".to_owned(),
        headers: vec![
            ("x-should-retry".to_owned(), "true".to_owned()),
            ("bad name".to_owned(), String::new()),
        ],
    };
    let answer = World::start(error).await.raw("POST", "/v1/messages", &request(true)).await;
    assert!(answer.starts_with("HTTP/1.1 529") && answer.contains("x-should-retry: true"), "{answer}");
    assert!(answer.contains(r#""type":"overloaded_error""#));

    let world = World::start(ReplyOutcome::Cut(blocks())).await;
    let answer = world.raw("POST", "/v1/messages", &request(true)).await;
    assert!(
        answer.contains("input_json_delta") && answer.matches("content_block_stop").count() == 2,
        "{answer}"
    );
    assert!(!answer.contains("message_stop") && !answer.ends_with("0\r\n\r\n"));
    let answer = world.raw("POST", "/v1/messages", &request(false)).await;
    assert!(!answer.contains("cargo test --workspace\"}") && !answer.ends_with("0\r\n\r\n"), "{answer}");

    let world = World::start(ReplyOutcome::Silence).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let body = request(true);
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\"type\":\"ping\"") {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0);
        seen.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    let more = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await;
    assert!(more.is_err(), "nothing more comes, and the connection stays");
}

#[tokio::test]
async fn only_this_machine_is_served() {
    let model = Arc::new(Always(ReplyOutcome::Silence, Mutex::default()));
    let error = Server::bind(([0, 0, 0, 0], 0).into(), model).await.map(|s| s.local_addr()).unwrap_err();
    assert!(error.to_string().contains("0.0.0.0:0 is not a loopback address"));
}

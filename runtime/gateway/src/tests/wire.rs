//! Bytes that no honest client sends, and more of them than one should.

use crate::{
    bridge,
    client::{Client, MCP_HELLO},
    server::MAX_CONNECTIONS,
    testing::Rig,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Duration,
};
use tokio::time::Instant;

/// A session that is open, spoken to by hand.
struct Raw(BufReader<UnixStream>);

impl Raw {
    fn open(rig: &Rig) -> Self {
        let mut stream = rig.stream();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(MCP_HELLO).unwrap();
        let mut raw = Self(BufReader::new(stream));
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}});
        raw.say(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).to_string());
        assert_eq!(raw.hear()["result"]["serverInfo"]["name"], "foureyes");
        raw.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        raw
    }

    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        let params = json!({"name": tool, "arguments": arguments});
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string());
    }

    /// The session still works.
    fn alive(&mut self) {
        self.call(77, "team", json!({}));
        let answer = self.hear();
        assert_eq!(
            (&answer["id"], &answer["result"]["structuredContent"]["you"]),
            (&json!(77), &json!("dev-a"))
        );
    }
}

/// Waits until `condition` holds; fails after ten seconds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within 10 s");
        std::thread::yield_now();
    }
}

#[test]
fn malformed_lines_are_answered_and_harm_nothing() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let lines = ["{", "nonsense", "[]", "7", "{}", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, &deep];
    for line in lines {
        raw.say(line);
        let answer = raw.hear();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("M-FORM (message registry): "), "{answer}");
    }
    raw.0.get_mut().write_all(b"\xff\xfe\n\n  \n").unwrap();
    assert_eq!(raw.hear()["error"]["code"], -32700);
    raw.say(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":5}}"#);
    assert_eq!(raw.hear()["id"], 5);
    raw.say(r#"{"jsonrpc":"2.0","id":6,"method":"no/such"}"#);
    assert_eq!(raw.hear()["error"]["code"], -32601);
    raw.call(8, "no_such_tool", json!({}));
    let answer = raw.hear();
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().starts_with("BAD-CALL (tools): "));
    raw.alive();
}

#[test]
fn a_line_beyond_the_limit_is_dropped_and_said_so() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    let padding = |bytes: usize| {
        let shell = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
            {"name": "send", "arguments": {"to": "qa-a", "text": ""}}})
        .to_string();
        shell.replace(r#""text":"""#, &format!(r#""text":"{}""#, "x".repeat(bytes - shell.len())))
    };
    // The newline counts: one byte below the limit passes with it.
    raw.say(&padding((1 << 20) - 1));
    assert_eq!(raw.hear()["result"]["isError"], false);
    for over in [1 << 20, 3 << 20] {
        raw.say(&padding(over));
        let answer = raw.hear();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("M-SIZE (message registry): "), "{answer}");
    }
    assert_eq!(rig.core.state().submitted.len(), 1);
    raw.alive();
    // The client does not wait for an answer that never comes.
    let huge = "x".repeat(2 << 20);
    let refused = rig.client().call("send", json!({"to": "qa-a", "text": huge})).unwrap_err();
    assert!(refused.text.contains("M-SIZE"), "{refused}");
}

#[test]
fn an_id_in_use_is_refused() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    raw.call(1, "wait", json!({"seconds": 50}));
    raw.call(1, "team", json!({}));
    let answer = raw.hear();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32600)));
    raw.alive();
}

#[test]
fn an_id_is_free_again_once_it_is_answered() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    (0..500).for_each(|_| raw.alive());
}

#[test]
fn requests_under_way_are_bounded_and_cancelled_ones_freed() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    for round in 0..4 {
        for id in 0..60 {
            raw.call(100 + round * 60 + id, "wait", json!({"seconds": 50}));
        }
        for id in 0..60 {
            let params = json!({"requestId": 100 + round * 60 + id});
            let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
            raw.say(&cancel.to_string());
        }
    }
    raw.alive();
}

#[test]
fn half_open_and_slow_connections_do_not_stop_others() {
    let rig = Rig::new("dev-a");
    let mut held: Vec<_> = (0..MAX_CONNECTIONS - 2).map(|_| rig.stream()).collect();
    held[0].write_all(b"MC").unwrap();
    held[1].write_all(MCP_HELLO).unwrap();
    held[2].write_all(b"MCP1\n{\"jsonrpc\"").unwrap();
    held[3].write_all(MCP_HELLO).unwrap();
    held[3].shutdown(Shutdown::Write).unwrap();
    let mut ended = String::new();
    held[3].read_to_string(&mut ended).unwrap();
    assert_eq!(rig.client().call("team", json!({})).unwrap()["you"], "dev-a");
    // A closed connection frees its place.
    for _ in 0..3 * MAX_CONNECTIONS {
        until("a place is free", || Client::connect(&rig.socket).is_ok());
    }
    drop(held);
}

#[test]
fn connections_beyond_the_limit_are_turned_away() {
    let rig = Rig::new("dev-a");
    let held: Vec<_> = (0..MAX_CONNECTIONS).map(|_| rig.stream()).collect();
    let mut answer = String::new();
    rig.stream().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "L-RATE (rate limits): a role holds at most 32 connections: close one first\n");
    drop(held);
    until("a place is free", || Client::connect(&rig.socket).is_ok());
}

#[test]
fn a_first_line_that_never_ends_is_cut_off() {
    let rig = Rig::new("dev-a");
    let mut stream = rig.stream();
    let mut answer = Vec::new();
    stream.write_all(&[b'M'; 512]).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"M-FORM (message registry): the first line names no service"));
}

#[test]
fn http_is_answered_with_503() {
    let rig = Rig::new("dev-a");
    let mut stream = rig.stream();
    stream.write_all(b"POST /v1/messages HTTP/1.1\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["type"], "error");
}

#[test]
fn bytes_are_counted_and_too_many_slow_the_sender_down() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    let before = rig.core.state().bytes;
    raw.alive();
    assert!(rig.core.state().bytes > before + 60);
    rig.core.state().budget = Some(10);
    raw.call(1, "team", json!({}));
    let at = rig.core.state().bytes;
    rig.core.state().budget = Some(1_000_000);
    assert_eq!(raw.hear()["id"], 1);
    assert!(rig.core.state().bytes > at);
}

#[test]
fn ten_thousand_calls() {
    let rig = Rig::new("dev-a");
    let mut raw = Raw::open(&rig);
    let mut writer = raw.0.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for id in 0..10_000 {
            let params = json!({"name": "acknowledge", "arguments": {"message": "x"}});
            let line = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
            writer.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    });
    let mut seen = vec![false; 10_000];
    for _ in 0..10_000 {
        let id = raw.hear()["id"].as_u64().unwrap() as usize;
        assert!(!std::mem::replace(&mut seen[id], true), "{id} was answered twice");
    }
    sending.join().unwrap();
    raw.alive();
}

#[test]
fn the_bridge_carries_a_session_between_pipes_and_the_socket() {
    let rig = Rig::new("dev-a");
    let (agent, inner) = UnixStream::pair().unwrap();
    let (input, output, socket) = (inner.try_clone().unwrap(), inner, rig.stream());
    let bridging = std::thread::spawn(move || bridge::pump(input, output, socket));
    // The agent's side of the pipes: as the client, without the hello that the bridge sends.
    let mut raw = Raw(BufReader::new(agent));
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}});
    raw.say(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).to_string());
    assert_eq!(raw.hear()["id"], 0);
    raw.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    raw.alive();
    raw.0.get_ref().shutdown(Shutdown::Write).unwrap();
    bridging.join().unwrap().unwrap();
}

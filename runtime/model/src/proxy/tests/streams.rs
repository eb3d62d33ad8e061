//! Answers that come in pieces.

use crate::testing::*;
use foureyes_ports::model::{ModelEvent, ModelTrouble, ModelUse};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Notify,
    time::timeout,
};

const STREAM: &str = r#"{"stream":true}"#;

fn sonnet(output_tokens: u64, microusd: u64) -> ModelUse {
    ModelUse {
        model: "claude-sonnet-4-5".to_owned(),
        input_tokens: 10,
        output_tokens,
        cache_read_tokens: 1000,
        cache_write_tokens: 100,
        microusd: Some(microusd),
    }
}

/// Reads on until the text has come.
async fn until(client: &mut UnixStream, seen: &mut String, what: &str) {
    while !seen.contains(what) {
        let mut piece = [0; 4096];
        let n = timeout(DEADLINE, client.read(&mut piece)).await.expect("in time").unwrap();
        assert!(n > 0, "{what} never came: {seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
}

#[tokio::test]
async fn pieces_pass_as_they_come_and_are_counted() {
    let word = Arc::new(Notify::new());
    let mut steps = vec![stream_head()];
    for event in EVENTS {
        steps.extend([send(event), Step::Wait(Arc::clone(&word))]);
    }
    let upstream = Upstream::start(steps).await;
    let world = World::with_key(&config(&upstream.url()));
    let mut client = world.connect();
    let head = world.head("POST", "/v1/messages", "", STREAM.len());
    client.write_all(format!("{head}{STREAM}").as_bytes()).await.unwrap();
    let mut seen = String::new();
    for event in EVENTS {
        // The next one is not even sent before this one has passed.
        until(&mut client, &mut seen, event.trim_end()).await;
        word.notify_one();
    }
    until(&mut client, &mut seen, "\r\n0\r\n\r\n").await;
    world.watch.until("its end", |w| w.told().contains(&ModelEvent::Ended)).await;
    let microusd = 30 + 300 + 300 + 375;
    let used = ModelEvent::Used(sonnet(20, microusd));
    assert_eq!(world.watch.told(), [ModelEvent::Asked, ModelEvent::Heard, used, ModelEvent::Ended]);
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_is_counted_too() {
    let body =
        r#"{"type":"message","model":"claude-haiku-4-5","usage":{"input_tokens":100,"output_tokens":7}}"#;
    let upstream = Upstream::start(vec![answer("200 OK", "content-type: application/json\r\n", body)]).await;
    let world = World::with_key(&config(&upstream.url()));
    assert_eq!(world.ask("{}").await.body, body);
    world.watch.until("usage", |w| !w.used().is_empty()).await;
    let used = &world.watch.used()[0];
    assert_eq!((used.input_tokens, used.output_tokens, used.microusd), (100, 7, Some(135)));
}

#[tokio::test]
async fn bytes_are_heard_at_most_once_a_second() {
    let word = Arc::new(Notify::new());
    let mut steps = vec![stream_head()];
    steps.extend((0..20).flat_map(|_| [send(EVENTS[3]), Step::Wait(Arc::clone(&word))]));
    steps.extend([send(EVENTS[5])]);
    let upstream = Upstream::start(steps).await;
    let world = World::with_key(&config(&upstream.url()));
    let judge = async {
        let heard = |w: &Watch, n| w.told().iter().filter(|e| **e == ModelEvent::Heard).count() == n;
        world.watch.until("the first piece", |w| heard(w, 1)).await;
        world.clock.advance(999);
        word.notify_one();
        world.clock.advance(1);
        for n in 2..4 {
            word.notify_one();
            world.watch.until("a piece of a later second", |w| heard(w, n)).await;
            world.clock.advance(1000);
        }
        loop {
            word.notify_one();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        got = world.ask(STREAM) => assert!(!got.broken),
        () = judge => {}
    }
    let heard = world.watch.told().iter().filter(|e| **e == ModelEvent::Heard).count();
    assert_eq!(heard, 4, "in four seconds");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_broken_for_the_agent_too_and_billed_as_far_as_it_came() {
    let upstream = Upstream::start(vec![stream_head(), send(EVENTS[0]), send(EVENTS[3])]).await;
    let world = World::with_key(&config(&upstream.url()));
    let got = world.ask(STREAM).await;
    assert!(got.broken && got.body.contains("Hello"), "{got:?}");
    let why = "the stream ended before the answer did".to_owned();
    assert_eq!(world.watch.troubles(), [ModelTrouble::Network(why)]);
    world.watch.until("usage", |w| !w.used().is_empty()).await;
    // Twenty bytes of text, where the API told of one token only.
    assert_eq!(world.watch.used(), [sonnet(5, 30 + 75 + 300 + 375)]);
}

#[tokio::test]
async fn an_agent_that_goes_takes_the_connection_to_the_provider_with_it() {
    let upstream = Upstream::start(vec![stream_head(), send(EVENTS[0]), Step::Hang]).await;
    let world = World::with_key(&config(&upstream.url()));
    let mut client = world.connect();
    let head = world.head("POST", "/v1/messages", "", STREAM.len());
    client.write_all(format!("{head}{STREAM}").as_bytes()).await.unwrap();
    until(&mut client, &mut String::new(), "message_start").await;
    drop(client);
    assert!(timeout(DEADLINE, upstream.gone.notified()).await.is_ok());
    world.watch.until("usage", |w| !w.used().is_empty()).await;
    assert!(world.watch.troubles().is_empty());
}

/// How many requests began and how many ended.
fn balance(watch: &Watch) -> (usize, usize) {
    let told = watch.told();
    let count = |event| told.iter().filter(|e| **e == event).count();
    (count(ModelEvent::Asked), count(ModelEvent::Ended))
}

#[tokio::test]
async fn a_request_that_is_given_up_before_its_answer_has_ended() {
    let mut upstream = Upstream::start(vec![Step::Hang]).await;
    let world = World::with_key(&config(&upstream.url()));
    let mut client = world.connect();
    let head = world.head("POST", "/v1/messages", "", STREAM.len());
    client.write_all(format!("{head}{STREAM}").as_bytes()).await.unwrap();
    upstream.request().await;
    assert_eq!(balance(&world.watch), (1, 0));
    drop(client);
    world.watch.until("its end", |w| balance(w) == (1, 1)).await;
    assert_eq!(world.watch.told(), [ModelEvent::Asked, ModelEvent::Ended]);
}

#[tokio::test]
async fn each_request_that_went_out_ends_once_and_one_that_did_not_never_does() {
    let upstream = Upstream::start(vec![answer("200 OK", "", "{}")]).await;
    let world = World::with_key(&config(&upstream.url()));
    world.ask("no JSON").await;
    assert_eq!((world.watch.troubles().len(), balance(&world.watch)), (1, (0, 0)));
    world.raw(&format!("{}{{}}", world.head("POST", "/v1/messages/count_tokens", "", 2))).await;
    world.watch.until("the count", |w| balance(w) == (1, 1)).await;
    world.raw(&world.head("GET", "/v1/models", "", 0)).await;
    world.watch.until("the models", |w| balance(w) == (2, 2)).await;
}

fn short(url: &str, ms: u64) -> foureyes_config::sections::model::Model {
    let mut config = config(url);
    config.silence = foureyes_config::units::Millis(ms);
    config
}

#[tokio::test]
async fn silence_before_the_headers_becomes_an_error_that_is_tried_again() {
    let upstream = Upstream::start(vec![Step::Hang]).await;
    let world = World::with_key(&short(&upstream.url(), 150));
    let got = world.ask(STREAM).await;
    assert_eq!(got.status, 504);
    assert!(got.head.contains("x-should-retry: true"));
    assert_eq!(world.watch.troubles(), [ModelTrouble::Silent(Duration::from_millis(150))]);
    assert!(timeout(DEADLINE, upstream.gone.notified()).await.is_ok(), "the connection is cut");
}

#[tokio::test]
async fn silence_in_mid_answer_breaks_the_stream() {
    let upstream = Upstream::start(vec![stream_head(), send(EVENTS[0]), Step::Hang]).await;
    let world = World::with_key(&short(&upstream.url(), 150));
    let got = world.ask(STREAM).await;
    assert!(got.broken && got.status == 200);
    assert_eq!(world.watch.troubles(), [ModelTrouble::Silent(Duration::from_millis(150))]);
    assert!(timeout(DEADLINE, upstream.gone.notified()).await.is_ok(), "the connection is cut");
}

#[tokio::test]
async fn pings_alone_keep_it_four_times_as_long() {
    let word = Arc::new(Notify::new());
    let mut steps = vec![stream_head()];
    steps.extend((0..1000).flat_map(|_| [send(EVENTS[1]), Step::Wait(Arc::clone(&word))]));
    let upstream = Upstream::start(steps).await;
    let world = World::with_key(&short(&upstream.url(), 200));
    let pinging = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(40));
        loop {
            ticks.tick().await;
            word.notify_one();
        }
    };
    tokio::select! {
        got = world.ask(STREAM) => assert!(got.broken && got.body.contains("ping")),
        () = pinging => {}
    }
    assert_eq!(world.watch.troubles(), [ModelTrouble::Silent(Duration::from_millis(800))]);
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_may_take_four_times_as_long() {
    let upstream = Upstream::start(vec![Step::Hang]).await;
    let world = World::with_key(&short(&upstream.url(), 60));
    assert_eq!(world.ask("{}").await.status, 504);
    assert_eq!(world.watch.troubles(), [ModelTrouble::Silent(Duration::from_millis(240))]);
}

/// A frame of Amazon's event stream; its checksums are not looked at here.
fn frame(event: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let payload = serde_json::json!({ "bytes": STANDARD.encode(event), "p": "abc" }).to_string();
    let headers = b"\x0b:event-type\x07\x00\x05chunk";
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let headers_length = u32::try_from(headers.len()).unwrap();
    let mut all = [total.to_be_bytes(), headers_length.to_be_bytes(), [0; 4]].concat();
    all.extend_from_slice(headers);
    all.extend_from_slice(payload.as_bytes());
    all.extend_from_slice(&[0; 4]);
    all
}

#[tokio::test]
async fn amazons_frames_are_counted() {
    use foureyes_config::sections::model::{Model, Provider};
    let events = EVENTS.iter().map(|e| e.split_once("data: ").unwrap().1.trim_end());
    let frames: Vec<u8> = events.flat_map(frame).collect();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nconnection: close\r\n\r\n";
    let (one, two) = frames.split_at(frames.len() / 2);
    let mut upstream = Upstream::start(vec![send(head), send(one), send(two)]).await;
    let config = Model { provider: Provider::Bedrock, ..config(&upstream.url()) };
    let world = World::new(
        &config,
        &env(&[("AWS_BEARER_TOKEN_BEDROCK", CANARY)]),
        std::path::Path::new("/nonexistent"),
    );
    let path = "/model/us.anthropic.claude-sonnet-4-5-v1:0/invoke-with-response-stream";
    let got = world.raw(&format!("{}{{}}", world.head("POST", path, "", 2))).await;
    assert!(!got.broken && got.status == 200, "{got:?}");
    assert!(upstream.request().await.contains(&format!("authorization: Bearer {CANARY}")));
    world.watch.until("usage", |w| !w.used().is_empty()).await;
    assert_eq!(world.watch.used(), [sonnet(20, 1005)]);
}

//! The proxy in front of this crate's own stand-in.

use crate::{standin::Server, testing::*};
use foureyes_ports::model::{Block, ModelTrouble, Reply, ReplyOutcome, StandIn};
use serde_json::Value;
use std::sync::Arc;

/// Plays what the first message says.
struct ByRequest;

impl StandIn for ByRequest {
    fn reply(&self, agent: &str, request: &Value) -> Reply {
        let blocks = vec![Block::Text(format!("I am {agent}."))];
        let outcome = match request["messages"][0]["content"].as_str() {
            Some("cut") => ReplyOutcome::Cut(blocks),
            Some("limit") => ReplyOutcome::Error {
                status: 429,
                kind: "rate_limit_error".to_owned(),
                message: "slow".to_owned(),
                headers: vec![("retry-after".to_owned(), "5".to_owned())],
            },
            _ => ReplyOutcome::Message(blocks),
        };
        Reply { outcome, ..Reply::default() }
    }
}

fn body(say: &str) -> String {
    serde_json::json!({
        "model": "stand-in", "stream": true, "tools": [{ "name": "Bash", "input_schema": {} }],
        "messages": [{ "role": "user", "content": say }],
    })
    .to_string()
}

#[tokio::test]
async fn the_stand_in_knows_the_role_and_needs_no_credentials() {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), Arc::new(ByRequest)).await.unwrap();
    let world = World::stand_in(&format!("http://{}", server.local_addr()));
    tokio::spawn(server.serve());
    assert_eq!(world.proxy.credential_state().to_string(), "none needed");

    let got = world.ask(&body("hello")).await;
    assert!(got.status == 200 && got.body.contains("I am dev-a."), "{got:?}");
    assert!(got.body.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    world.watch.until("usage", |w| !w.used().is_empty()).await;
    let used = &world.watch.used()[0];
    assert!(used.model == "stand-in" && used.input_tokens > 20 && used.output_tokens == 3, "{used:?}");

    let got = world.ask(&body("cut")).await;
    assert!(got.broken && !got.body.contains("content_block_stop"), "{got:?}");
    assert_eq!(world.ask(&body("limit")).await.status, 429);
    let troubles = world.watch.troubles();
    let limited = ModelTrouble::RateLimited { until: Some(NOW + 5000) };
    assert!(matches!(&troubles[..], [ModelTrouble::Network(_), last] if *last == limited), "{troubles:?}");
}

//! What a failure of the provider is called.

use crate::testing::*;
use foureyes_ports::model::ModelTrouble;

fn error(kind: &str, message: &str) -> String {
    serde_json::json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string()
}

fn limited(after_ms: Option<u64>) -> ModelTrouble {
    ModelTrouble::RateLimited { until: after_ms.map(|ms| NOW + ms) }
}

#[tokio::test]
async fn each_refusal_has_its_name_and_reaches_the_agent_as_it_is() {
    let busy = error("rate_limit_error", "slow down");
    let long = error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum");
    let table: Vec<(&str, &str, String, ModelTrouble)> = vec![
        (
            "401 U",
            "",
            error("authentication_error", "invalid x-api-key"),
            ModelTrouble::Auth("invalid x-api-key".into()),
        ),
        (
            "403 F",
            "",
            error("permission_error", "not for you"),
            ModelTrouble::Refused(403, "not for you".into()),
        ),
        ("429 T", "", busy.clone(), limited(None)),
        ("429 T", "retry-after: 7\r\n", busy.clone(), limited(Some(7000))),
        ("429 T", "retry-after: Wed, 26 Nov 2025 23:34:20 GMT\r\n", busy.clone(), limited(Some(60_000))),
        (
            "429 T",
            "anthropic-ratelimit-unified-reset: 1764203600\r\n",
            busy.clone(),
            limited(Some(3_600_000)),
        ),
        (
            "429 T",
            "anthropic-ratelimit-tokens-reset: 2025-11-26T23:35:00Z\r\n",
            busy.clone(),
            limited(Some(100_000)),
        ),
        (
            "429 T",
            "",
            error("rate_limit_error", "Claude AI usage limit reached|1764203600"),
            limited(Some(3_600_000)),
        ),
        (
            "400 B",
            "",
            error("invalid_request_error", "usage limit reached|1764203600"),
            ModelTrouble::Refused(400, "usage limit reached|1764203600".into()),
        ),
        ("529 O", "", error("overloaded_error", "Overloaded"), ModelTrouble::Overloaded),
        ("503 S", "", error("overloaded_error", "Overloaded"), ModelTrouble::Overloaded),
        ("500 I", "", "oops".to_owned(), ModelTrouble::Server(500)),
        ("504 G", "", String::new(), ModelTrouble::Server(504)),
        ("400 B", "", long, ModelTrouble::TooLong),
        ("413 P", "", error("request_too_large", "Request exceeds the maximum size"), ModelTrouble::TooLong),
        (
            "400 B",
            "",
            error("invalid_request_error", "max_tokens: bad"),
            ModelTrouble::Refused(400, "max_tokens: bad".into()),
        ),
        ("404 N", "", error("not_found_error", "model: x"), ModelTrouble::Refused(404, "model: x".into())),
    ];
    for (status, headers, body, trouble) in table {
        let upstream = Upstream::start(vec![answer(status, headers, &body)]).await;
        let world = World::with_key(&config(&upstream.url()));
        let got = world.ask(r#"{"stream":true}"#).await;
        assert_eq!((&got.status.to_string(), &got.body), (&status[..3].to_owned(), &body));
        assert!(headers.is_empty() || got.head.contains(headers.trim_end()), "{}", got.head);
        assert_eq!(world.watch.troubles(), [trouble], "{status} {headers} {body}");
    }
}

#[tokio::test]
async fn an_error_within_a_stream_has_its_name_too() {
    let table = [
        ("overloaded_error", "Overloaded", ModelTrouble::Overloaded),
        ("rate_limit_error", "slow", limited(None)),
        ("api_error", "x", ModelTrouble::Server(500)),
        ("invalid_request_error", "prompt is too long", ModelTrouble::TooLong),
        ("authentication_error", "expired", ModelTrouble::Auth("expired".into())),
    ];
    for (kind, message, trouble) in table {
        let event = format!("event: error\ndata: {}\n\n", error(kind, message));
        let upstream = Upstream::start(vec![stream_head(), send(EVENTS[0]), send(event)]).await;
        let world = World::with_key(&config(&upstream.url()));
        let got = world.ask(r#"{"stream":true}"#).await;
        assert!(got.body.contains(kind) && !got.broken);
        assert_eq!(world.watch.troubles(), [trouble]);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_named() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let table = [
        (format!("http://127.0.0.1:{port}"), format!("127.0.0.1:{port} cannot be reached: ")),
        (
            "https://api.name-that-is-none.invalid".to_owned(),
            "api.name-that-is-none.invalid cannot be reached: ".to_owned(),
        ),
    ];
    for (url, beginning) in table {
        let world = World::with_key(&config(&url));
        let got = world.ask("{}").await;
        assert_eq!(got.status, 502);
        let troubles = world.watch.troubles();
        let [ModelTrouble::Network(why)] = &troubles[..] else { panic!("{troubles:?}") };
        assert!(why.starts_with(&beginning) && why.len() > beginning.len(), "{why}");
        assert_eq!(&got.message(), why);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_headers_is_a_matter_of_the_network() {
    let upstream = Upstream::start(vec![send("HTTP/1.1 200 OK\r\ncontent-ty")]).await;
    let world = World::with_key(&config(&upstream.url()));
    assert_eq!(world.ask("{}").await.status, 502);
    assert!(matches!(&world.watch.troubles()[..], [ModelTrouble::Network(_)]));
}

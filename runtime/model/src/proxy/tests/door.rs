//! Who is let in, and what goes out.

use crate::testing::*;
use foureyes_ports::model::ModelEvent;
use foureyes_protocol::{Code, Reason};

async fn answering() -> Upstream {
    Upstream::start(vec![answer("200 OK", "content-type: application/json\r\n", "{}")]).await
}

#[tokio::test]
async fn the_path_the_token_and_the_role_of_the_socket_must_fit() {
    let mut upstream = answering().await;
    let world = World::with_key(&config(&upstream.url()));
    let token = world.proxy.token(&role("dev-a"));
    let other = world.proxy.token(&role("dev-b"));
    let last = if token.ends_with('0') { '1' } else { '0' };
    let nearly = format!("{}{last}", &token[..token.len() - 1]);
    let table = [
        ("POST", "/a/dev-a/v1/messages", format!("x-api-key: {nearly}"), 401),
        ("POST", "/a/dev-a/v1/messages", format!("x-api-key: {other}"), 401),
        ("POST", "/a/dev-a/v1/messages", "x-other: y".to_owned(), 401),
        ("POST", "/a/dev-a/v1/messages", format!("x-api-key: {CANARY}"), 401),
        ("POST", "/a/dev-b/v1/messages", format!("x-api-key: {other}"), 403),
        ("POST", "/a/dev-b/v1/messages", format!("x-api-key: {token}"), 403),
        ("POST", "/v1/messages", format!("x-api-key: {token}"), 403),
        ("POST", "/a/dev-a/v1/files", format!("x-api-key: {token}"), 404),
        ("DELETE", "/a/dev-a/v1/messages", format!("x-api-key: {token}"), 405),
        ("HEAD", "/a/dev-a", "x-other: y".to_owned(), 200),
        ("HEAD", "/a/dev-b", "x-other: y".to_owned(), 403),
    ];
    for (method, path, header, status) in table {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{header}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        assert_eq!(world.raw(&request).await.status, status, "{method} {path} {header}");
    }
    assert!(upstream.requests.try_recv().is_err(), "nothing of all this went out");
    assert!(world.watch.told().is_empty());
}

#[tokio::test]
async fn what_goes_out_has_the_real_key_and_no_header_that_could_redirect() {
    let mut upstream = answering().await;
    let world = World::with_key(&config(&format!("{}/gateway/", upstream.url())));
    let more = "host: evil.example\r\nx-forwarded-host: evil.example\r\naccept-encoding: gzip\r\ncookie: a=b\r\n\
                proxy-authorization: Basic eA==\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: one\r\n\
                x-stainless-lang: js\r\nx-claude-code-session-id: s-1\r\nte: trailers\r\n";
    let head = world.head("POST", "/v1/messages?beta=true", more, 2).replace("host: 127.0.0.1\r\n", "");
    assert_eq!(world.raw(&format!("{head}{{}}")).await.status, 200);
    let (head, body) =
        upstream.request().await.split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.to_owned())).unwrap();
    let shown = head.replace(CANARY, "<the key>").replace(&upstream.port.to_string(), "<port>");
    let mut lines: Vec<&str> = shown.lines().collect();
    lines[1..].sort_unstable();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(body, "{}");
}

#[tokio::test]
async fn a_bearer_token_is_as_good_and_goes_out_as_what_is_real() {
    let mut upstream = answering().await;
    let world = World::with_key(&config(&upstream.url()));
    let head = world.head("POST", "/v1/messages", "", 2).replace("x-api-key: ", "authorization: Bearer ");
    assert_eq!(world.raw(&format!("{head}{{}}")).await.status, 200);
    let request = upstream.request().await;
    assert!(
        request.contains(&format!("x-api-key: {CANARY}")) && !request.contains("authorization"),
        "{request}"
    );
    assert!(!request.contains(&world.proxy.token(&role("dev-a"))));
}

#[tokio::test]
async fn a_role_that_may_not_ask_is_told_why() {
    let mut upstream = answering().await;
    let world = World::with_key(&config(&upstream.url()));
    world.watch.refuse(Reason::new(Code::Budget, "the budget of this role is spent: ask the user"));
    let got = world.ask("{}").await;
    assert_eq!((got.status, got.message().as_str()), (403, "the budget of this role is spent: ask the user"));
    assert!(got.head.contains("x-should-retry: false"), "{}", got.head);
    assert!(upstream.requests.try_recv().is_err() && world.watch.told().is_empty());
}

#[tokio::test]
async fn what_would_make_the_provider_reach_out_stays_here() {
    let mut upstream = answering().await;
    let world = World::with_key(&config(&upstream.url()));
    let got = world.ask(r#"{"mcp_servers":[{"type":"url","url":"https://evil.example/?q=secret"}]}"#).await;
    assert_eq!(got.status, 403);
    assert!(got.message().contains("`mcp_servers`"), "{}", got.body);
    assert_eq!(world.ask(r#"{"tools":[],"tools":[{"type":"web_fetch_20250910"}]}"#).await.status, 400);
    assert!(upstream.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_request_larger_than_the_apis_limit_is_refused() {
    let mut upstream = answering().await;
    let world = World::with_key(&config(&upstream.url()));
    // The head says so; the body need not come.
    let request = world.head("POST", "/v1/messages", "", 33 * 1024 * 1024);
    assert_eq!(world.raw(&format!("{request}{{}}")).await.status, 413);
    assert!(upstream.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = answering().await;
    let location = format!("location: {}/v1/messages\r\n", elsewhere.url());
    let upstream = Upstream::start(vec![answer("307 Temporary Redirect", &location, "")]).await;
    let world = World::with_key(&config(&upstream.url()));
    let got = world.ask("{}").await;
    assert_eq!(got.status, 502);
    assert!(!got.raw.contains("location"));
    let mut elsewhere = elsewhere;
    assert!(elsewhere.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_fifth_request_waits_for_one_of_four() {
    let word = std::sync::Arc::new(tokio::sync::Notify::new());
    let steps = vec![Step::Wait(std::sync::Arc::clone(&word)), answer("200 OK", "", "{}")];
    let mut upstream = Upstream::start(steps).await;
    let world = World::with_key(&config(&upstream.url()));
    let all = futures::future::join_all((0..5).map(|_| world.ask("{}")));
    let judge = async {
        for _ in 0..4 {
            upstream.request().await;
        }
        let asked = |w: &Watch| w.told().iter().filter(|e| **e == ModelEvent::Asked).count();
        assert_eq!(asked(&world.watch), 4);
        assert!(upstream.requests.try_recv().is_err(), "the fifth waits");
        word.notify_one();
        upstream.request().await;
        loop {
            word.notify_one();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        got = all => assert!(got.iter().all(|g| g.status == 200)),
        () = judge => {}
    }
}

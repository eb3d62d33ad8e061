use super::*;
use crate::testing::{Step, Upstream, answer, env, send};

fn fetcher(hosts: &[String]) -> Fetcher {
    Fetcher::new(hosts, &env(&[])).unwrap()
}

/// A fetcher of one server, and the server.
async fn world(steps: Vec<Step>) -> (Fetcher, Upstream) {
    let upstream = Upstream::start(steps).await;
    (fetcher(&[format!("127.0.0.1:{}", upstream.port)]), upstream)
}

fn page(kind: &str, body: &str) -> Step {
    answer("200 OK", &format!("content-type: {kind}\r\nset-cookie: a=b\r\n"), body)
}

#[tokio::test]
async fn a_page_is_fetched_as_text() {
    let (fetcher, mut upstream) =
        world(vec![page("text/html; charset=utf-8", "<h1>T</h1><p>a \u{200b}b</p>")]).await;
    let url = format!("{}/docs?q=1", upstream.url());
    let page = fetcher.get(&format!("{url}#part")).await.unwrap();
    assert_eq!((page.url, page.status, page.text.as_str()), (url, 200, "# T\n\na b"));
    assert_eq!((page.content_type.as_str(), page.bytes), ("text/html; charset=utf-8", 23));
    let request = upstream.request().await.replace(&upstream.port.to_string(), "<port>");
    insta::assert_snapshot!(request.replace("\r\n", "\n").trim_end());
}

#[tokio::test]
async fn text_of_other_kinds_stays_as_it_is() {
    for kind in
        ["text/plain", "text/markdown", "application/json", "application/ld+json", "application/x-yaml"]
    {
        let (fetcher, upstream) = world(vec![page(kind, "<b> & \u{1b}[31mx\n\ty")]).await;
        assert_eq!(fetcher.get(&upstream.url()).await.unwrap().text, "<b> & [31mx\n\ty", "{kind}");
    }
    for kind in ["image/png", "application/octet-stream", "application/pdf", ""] {
        let (fetcher, upstream) = world(vec![page(kind, "x")]).await;
        let error = fetcher.get(&upstream.url()).await.unwrap_err();
        assert!(matches!(error, FetchError::NoText(_)), "{kind}: {error}");
    }
}

#[tokio::test]
async fn a_page_that_tells_of_an_error_is_a_page() {
    let (fetcher, upstream) =
        world(vec![answer("404 N", "content-type: text/plain\r\n", "no such page")]).await;
    let page = fetcher.get(&upstream.url()).await.unwrap();
    assert_eq!((page.status, page.text.as_str()), (404, "no such page"));
}

#[tokio::test]
async fn redirects_are_followed_to_accepted_hosts_alone() {
    let end = Upstream::start(vec![page("text/plain", "end")]).await;
    let location = format!("location: {}/x\r\n", end.url());
    let from = Upstream::start(vec![answer("302 F", &location, "")]).await;
    let hosts = |ports: &[u16]| ports.iter().map(|p| format!("127.0.0.1:{p}")).collect::<Vec<_>>();
    let page = fetcher(&hosts(&[from.port, end.port])).get(&from.url()).await.unwrap();
    assert_eq!((page.url, page.text.as_str()), (format!("{}/x", end.url()), "end"));
    let error = fetcher(&hosts(&[from.port])).get(&from.url()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("127.0.0.1:{} is not among", end.port)), "{error}");
    let (fetcher, upstream) = world(vec![answer("301 M", "location: /again\r\n", "")]).await;
    assert!(matches!(fetcher.get(&upstream.url()).await, Err(FetchError::Redirects(5))));
    let (fetcher, upstream) = world(vec![answer("301 M", "location: file:///etc/passwd\r\n", "")]).await;
    assert!(matches!(
        fetcher.get(&upstream.url()).await,
        Err(FetchError::Url(_) | FetchError::NotAccepted { .. })
    ));
}

#[tokio::test]
async fn a_page_is_small_and_quick() {
    let (fetcher, upstream) = world(vec![page("text/plain", &"x".repeat(MAX_BYTES + 1))]).await;
    assert!(matches!(fetcher.get(&upstream.url()).await, Err(FetchError::TooLarge(_))));
    let (fetcher, upstream) = world(vec![page("text/plain", &"x".repeat(MAX_BYTES))]).await;
    assert_eq!(fetcher.get(&upstream.url()).await.unwrap().bytes, MAX_BYTES as u64);
    let (mut fetcher, upstream) = world(vec![send("HTTP/1.1 200 OK\r\n"), Step::Hang]).await;
    fetcher.timeout = Duration::from_millis(100);
    assert!(matches!(fetcher.get(&upstream.url()).await, Err(FetchError::Timeout(_))));
}

#[tokio::test]
async fn a_name_that_leads_into_a_private_network_is_refused() {
    let upstream = Upstream::start(vec![page("text/plain", "x")]).await;
    let fetcher = fetcher(&[format!("localhost:{}", upstream.port)]);
    for scheme in ["http", "https"] {
        let error = fetcher.get(&format!("{scheme}://localhost:{}/", upstream.port)).await.unwrap_err();
        assert!(error.to_string().contains("which is no public address"), "{error}");
    }
}

#[tokio::test]
async fn without_accepted_hosts_nothing_is_fetched() {
    let error = fetcher(&[]).get("https://docs.rs/").await.unwrap_err();
    assert_eq!(error.to_string(), "docs.rs is not among the hosts that the user accepted: none");
}

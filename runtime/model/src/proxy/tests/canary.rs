//! The real key is seen by the provider and by nobody else.

use crate::{proxy::Settings, testing::*};
use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_key_is_in_no_answer_no_event_no_log_and_no_debug_text() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let echo = format!(r#"{{"error":{{"type":"authentication_error","message":"bad key {CANARY}"}}}}"#);
    let header =
        format!("request-id: {CANARY}\r\nset-cookie: k={CANARY}\r\nretry-after: 3\r\nx-other: {CANARY}\r\n");
    let plays = [
        vec![answer("200 OK", &header, "{}")],
        vec![answer("401 U", &header, &echo)],
        vec![answer("429 T", &header, &echo)],
        vec![answer("500 I", &header, &format!("trace: {CANARY}"))],
        vec![answer("302 F", &format!("location: http://127.0.0.1:1/{CANARY}\r\n"), "")],
        vec![stream_head(), send(EVENTS[0])],
        vec![send("nonsense")],
        vec![],
    ];
    for play in plays {
        let mut upstream = Upstream::start(play).await;
        let world = World::with_key(&config(&upstream.url()));
        let got = world.ask(r#"{"stream":true}"#).await;
        assert!(upstream.request().await.contains(CANARY), "the provider gets it");
        assert!(!got.raw.contains(CANARY), "{}", got.raw);
        assert!(!format!("{:?} {:?} {:?}", world.watch.told(), world.proxy, got).contains(CANARY));
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("a request to the model failed"), "the log is on");
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn errors_of_the_settings_hold_no_secret() {
    let home = Path::new("/nonexistent");
    let url = format!("https://user:{CANARY}@api.example.com");
    let error = Settings::new(&config(&url), &env(&[]), home).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    let proxy = format!("http://user:{CANARY}@:bad:port");
    let error = Settings::new(&config("https://api.example.com"), &env(&[("HTTPS_PROXY", &proxy)]), home)
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    let proxy = format!("http://user:{CANARY}@proxy.example:3128");
    let variables = [("HTTPS_PROXY", proxy.as_str()), ("ANTHROPIC_API_KEY", CANARY)];
    let settings = Settings::new(&config("https://api.example.com"), &env(&variables), home).unwrap();
    assert!(!format!("{settings:?}").contains(CANARY));
}

//! Sessions that are given up, with the clock turned forward.

use crate::{
    mcp,
    testing::{FakeGovernance, POLICY, role},
    tools::Channel,
};
use foureyes_protocol::Family;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    task::JoinHandle,
    time::Instant,
};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"0"}}}"#;

/// A session of dev-a behind its first line, and the agent's side of it.
fn session(core: &Arc<FakeGovernance>) -> (BufReader<UnixStream>, JoinHandle<()>) {
    let (peer, stream) = UnixStream::pair().unwrap();
    let channel =
        Channel { governance: core.clone(), role: role("dev-a"), family: Family::Dev, policy: POLICY };
    (
        BufReader::new(peer),
        tokio::spawn(mcp::serve(Arc::new(channel), Arc::new(crate::testing::Echo), stream)),
    )
}

/// The same, opened.
async fn opened(core: &Arc<FakeGovernance>) -> (BufReader<UnixStream>, JoinHandle<()>) {
    let (mut peer, serving) = session(core);
    let hello = format!("{INITIALIZE}\n{}\n", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    peer.write_all(hello.as_bytes()).await.unwrap();
    assert!(heard(&mut peer).await.contains("foureyes"));
    (peer, serving)
}

async fn heard(peer: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    peer.read_line(&mut line).await.unwrap();
    line
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_never_opened_ends() {
    let (_peer, serving) = session(&Arc::default());
    let begun = Instant::now();
    serving.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_open_session_may_be_idle_for_days() {
    let (mut peer, serving) = opened(&Arc::default()).await;
    tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
    peer.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").await.unwrap();
    assert!(heard(&mut peer).await.contains("\"id\":1"));
    drop(peer);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_that_drips_in_ends_the_session() {
    let (mut peer, serving) = opened(&Arc::default()).await;
    let begun = Instant::now();
    peer.write_all(b"{\"jsonrpc\"").await.unwrap();
    serving.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_stays_too_fast_is_told_and_cut_off() {
    let core = Arc::<FakeGovernance>::default();
    let (mut peer, serving) = opened(&core).await;
    core.state().budget = Some(0);
    peer.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").await.unwrap();
    let answer = heard(&mut peer).await;
    assert!(answer.contains("L-RATE (rate limits): too many bytes a second"), "{answer}");
    serving.await.unwrap();
}

//! MCP messages that a program carries on its own pipe: the same answers as on the socket.

use crate::{
    server::{ChannelHandlers, Gateway},
    testing::{FakeGovernance, POLICY, role},
};
use async_trait::async_trait;
use foureyes_protocol::{PrincipalId, body::StatusReport};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::UnixStream;

struct Nothing;

#[async_trait]
impl ChannelHandlers for Nothing {
    async fn git(&self, _: &PrincipalId, _: &str, _: UnixStream) {}
    async fn sign(&self, _: &PrincipalId, _: &str, _: UnixStream) {}
}

fn gateway() -> (Arc<FakeGovernance>, Gateway) {
    let core = Arc::new(FakeGovernance::default());
    (core.clone(), Gateway::new(core, Arc::new(Nothing), POLICY))
}

async fn asked(gateway: &Gateway, who: &str, method: &str, params: Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = gateway.mcp(&role(who), &message).await.expect("an answer");
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    answer
}

#[tokio::test]
async fn a_session_without_a_session() {
    let (core, gateway) = gateway();
    let hello = asked(&gateway, "dev-a", "initialize", json!({"protocolVersion": "2025-06-18"})).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(gateway.mcp(&role("dev-a"), &note).await, None);
    let tools = asked(&gateway, "dev-a", "tools/list", json!({})).await;
    let names: Vec<&str> =
        tools["result"]["tools"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains(&"inbox") && !names.contains(&"wait"), "{names:?}");
    core.deliver("system", "dev-a", None, StatusReport { text: "hello".into() });
    let inbox = asked(&gateway, "dev-a", "tools/call", json!({"name": "inbox", "arguments": {}})).await;
    assert_eq!(inbox["result"]["isError"], false);
    let text = inbox["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), inbox["result"]["structuredContent"]);
    assert!(text.contains("hello"), "{text}");
}

#[tokio::test]
async fn who_speaks_is_the_pipe_and_a_repeated_call_is_one() {
    let (core, gateway) = gateway();
    let call = json!({
        "name": "send", "arguments": {"to": "qa-a", "text": "t"},
        "_meta": {"claudecode/toolUseId": "toolu_1"},
    });
    for _ in 0..2 {
        let sent = asked(&gateway, "dev-a", "tools/call", call.clone()).await;
        assert_eq!(sent["result"]["isError"], false, "{sent}");
    }
    assert_eq!(core.state().submitted.len(), 1);
    assert_eq!(core.last().0, role("dev-a"));
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_words() {
    let (core, gateway) = gateway();
    let table = [
        (json!({"name": "send", "arguments": {"to": "dev-a", "text": "t"}}), "M-RECEIVER"),
        (json!({"name": "dance"}), "there is no tool"),
        (json!({"name": "send", "arguments": []}), "no JSON object"),
        (json!({"name": "wait", "arguments": {"seconds": 1}}), "end your turn"),
        (json!({}), "there is no tool"),
    ];
    for (params, expected) in table {
        let said = asked(&gateway, "dev-a", "tools/call", params).await;
        let text = said["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(said["result"]["isError"] == true && text.contains(expected), "{text}");
    }
    assert_eq!(asked(&gateway, "dev-a", "resources/list", json!({})).await["error"]["code"], -32_601);
    assert_eq!(gateway.mcp(&role("nobody"), &json!({"id": 1, "method": "ping"})).await, None);
    core.state().budget = Some(10);
    let said = asked(&gateway, "dev-a", "tools/list", json!({})).await;
    assert!(said["result"]["content"][0]["text"].as_str().unwrap().starts_with("L-RATE"), "{said}");
}

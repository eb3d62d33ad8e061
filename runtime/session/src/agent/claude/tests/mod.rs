//! The protocol against recorded lines: `session.jsonl` is a session of the real CLI, 2.1.330, with a
//! scripted model; what is of no use here was cut out of its records.

use super::{Claude, ClaudeLaunch, ClaudeOrder, tools_of};
use crate::agent::{LineProtocol, Step};
use foureyes_ports::{
    backend::{AgentEvent, AgentState, DeliverError, Prompt, PromptId, SessionRef, TurnEnd, TurnReport},
    clock::FakeClock,
    model::ModelTrouble,
};
use foureyes_protocol::Family;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

mod ends;
mod odd;
mod recorded;
mod start;

/// 2026-11-26 17:30 UTC.
const NOW: u64 = 1_795_714_200_000;

fn launch() -> ClaudeLaunch {
    ClaudeLaunch {
        program: "/rt/claude".into(),
        model: Some("sonnet".into()),
        session: SessionRef { id: Uuid::from_u128(0x4000_8000_0000_0000_0005), resume: false },
        prompt_file: Some("/rt/prompt.md".into()),
        tools: tools_of(Family::Dev).iter().map(|tool| (*tool).to_owned()).collect(),
        extra_args: vec![],
        max_retries: 2,
    }
}

fn claude(order: ClaudeOrder) -> Claude {
    let mut claude = Claude::new(order, Arc::new(FakeClock::at(NOW)));
    assert_eq!(claude.greeting().len(), 1);
    claude
}

fn id(n: u128) -> PromptId {
    PromptId(Uuid::from_u128(0x4000_8000_0000_0000_0000 + n))
}

fn prompt(n: u128, text: &str) -> Prompt {
    Prompt { id: id(n), text: text.into(), urgent: false }
}

fn events(steps: &[Step]) -> Vec<&AgentEvent> {
    steps.iter().filter_map(|step| if let Step::Event(event) = step { Some(event) } else { None }).collect()
}

fn asked(steps: &[Step]) -> Vec<&str> {
    let asks = events(steps).into_iter();
    asks.filter_map(|event| if let AgentEvent::Asked(ask) = event { Some(&*ask.id) } else { None }).collect()
}

fn feed(claude: &mut Claude, record: &Value) -> Vec<Step> {
    claude.on_line(&record.to_string())
}

fn mcp(id: &str, message: &Value) -> Value {
    json!({ "type": "control_request", "request_id": id, "request": {
        "subtype": "mcp_message", "server_name": "rt", "message": message,
    }})
}

fn hook(id: &str, event: &str, call: &str) -> Value {
    json!({ "type": "control_request", "request_id": id, "request": {
        "subtype": "hook_callback", "callback_id": event, "tool_use_id": call,
        "input": { "hook_event_name": event, "tool_name": "Bash", "tool_use_id": call },
    }})
}

fn response(id: &str, response: &Value) -> Value {
    json!({ "type": "control_response",
        "response": { "subtype": "success", "request_id": id, "response": response } })
}

fn servers(status: &str) -> Value {
    response("rt-connected", &json!({ "mcpServers": [{ "name": "rt", "status": status }] }))
}

fn init() -> Value {
    json!({ "type": "system", "subtype": "init", "session_id": launch().session.id,
        "tools": ["Bash", "Edit", "Glob", "Grep", "Read", "Write", "mcp__rt__send"],
        "mcp_servers": [{ "name": "rt", "status": "connected" }],
        "model": "claude-sonnet-5-5", "permissionMode": "dontAsk" })
}

/// The JSON lines of one write.
fn lines(written: &str) -> Vec<Value> {
    written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Up to the first prompt.
fn ready() -> Claude {
    let mut claude = claude(launch().order());
    feed(&mut claude, &mcp("q1", &json!({ "method": "tools/list", "id": 1 })));
    feed(&mut claude, &response("rt-initialize", &json!({ "claude_code_version": "2.1.330" })));
    let answer = claude.answer("q1", r#"{"result":{"tools":[]}}"#).unwrap();
    assert_eq!(lines(&answer)[1]["request"]["subtype"], "mcp_status");
    let steps = feed(&mut claude, &servers("connected"));
    assert_eq!(steps, [Step::Event(AgentEvent::State(AgentState::Idle))]);
    claude
}

/// In the first turn, with prompt 1 seen.
fn working() -> Claude {
    let mut claude = ready();
    claude.prompt(&prompt(1, "go")).unwrap();
    feed(&mut claude, &init());
    let seen = feed(&mut claude, &replay(1));
    assert_eq!(events(&seen), [&AgentEvent::Seen(id(1))]);
    claude
}

fn replay(n: u128) -> Value {
    json!({ "type": "user", "isReplay": true, "uuid": id(n).to_string(),
        "message": { "content": [{ "type": "text", "text": "go" }] } })
}

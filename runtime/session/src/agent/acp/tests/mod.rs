//! The protocol on lines that are written by hand.

mod asks;
mod ends;
mod properties;
mod start;
mod transcript;

use super::*;
use crate::agent::{LineProtocol, Step};
use foureyes_ports::backend::{AgentEvent, Prompt, PromptId, TurnReport};
use serde_json::{Value, json};
use uuid::Uuid;

fn order() -> AcpOrder {
    AcpOrder { instructions: "You are dev-a.".into(), ..AcpOrder::default() }
}

fn prompt(n: u128) -> Prompt {
    Prompt { id: PromptId(Uuid::from_u128(n)), text: format!("Task {n}\nwith details"), urgent: false }
}

/// An agent, as far as its lines go.
struct Talk {
    acp: Acp,
    /// The newest request of ours.
    newest: Value,
}

impl Talk {
    fn new(order: AcpOrder) -> Self {
        let mut acp = Acp::new(order);
        let greeting = acp.greeting();
        assert_eq!(greeting.len(), 1);
        let newest = serde_json::from_str(&greeting[0]).unwrap();
        Self { acp, newest }
    }

    fn tell(&mut self, message: Value) -> Vec<Step> {
        let steps = self.acp.on_line(&message.to_string());
        if let Some(newest) = replies(&steps).into_iter().rfind(|reply| reply["method"].is_string()) {
            self.newest = newest;
        }
        steps
    }

    fn answer(&mut self, result: Value) -> Vec<Step> {
        self.tell(json!({ "jsonrpc": "2.0", "id": self.newest["id"], "result": result }))
    }

    fn refuse(&mut self, error: Value) -> Vec<Step> {
        self.tell(json!({ "jsonrpc": "2.0", "id": self.newest["id"], "error": error }))
    }

    fn update(&mut self, update: Value) -> Vec<Step> {
        let params = json!({ "sessionId": "s1", "update": update });
        self.tell(json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }))
    }

    fn prompt(&mut self, n: u128) -> Value {
        self.newest = serde_json::from_str(&self.acp.prompt(&prompt(n)).unwrap()).unwrap();
        self.newest.clone()
    }

    /// Past its start, in a new session.
    fn ready(order: AcpOrder) -> Self {
        let mut talk = Self::new(order);
        talk.answer(initialized(json!({ "loadSession": true })));
        talk.answer(json!({ "sessionId": "s1" }));
        talk
    }
}

fn initialized(capabilities: Value) -> Value {
    json!({
        "protocolVersion": 1,
        "agentCapabilities": capabilities,
        "authMethods": [{ "id": "login", "name": "Log in" }],
        "agentInfo": { "name": "Helper", "version": "1.0" },
    })
}

fn said(text: &str) -> Value {
    json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } })
}

fn replies(steps: &[Step]) -> Vec<Value> {
    let lines = steps.iter().filter_map(|step| match step {
        Step::Reply(line) => Some(serde_json::from_str(line).expect("a reply is one JSON value")),
        _ => None,
    });
    lines.collect()
}

fn events(steps: Vec<Step>) -> Vec<AgentEvent> {
    let events = steps.into_iter().filter_map(|step| match step {
        Step::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn unfit(steps: Vec<Step>) -> Option<String> {
    events(steps).into_iter().find_map(|event| match event {
        AgentEvent::Unfit(why) => Some(why),
        _ => None,
    })
}

fn report(steps: Vec<Step>) -> Option<TurnReport> {
    events(steps).into_iter().find_map(|event| match event {
        AgentEvent::TurnEnded(report) => Some(report),
        _ => None,
    })
}

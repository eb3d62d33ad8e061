//! The plain dialect of JSON lines, for programs that are written for this runtime.
//!
//! To the program: `{"prompt":"<id>","text":"…","urgent":false}`, `{"answer":"<ask>","payload":…}`,
//! `{"interrupt":true}`. From the program, one record a line: `{"say":"…"}`, `{"seen":"<id>"}`,
//! `{"state":"starting|idle|busy|waiting"}`, `{"ask":"<id>","kind":"…","payload":…}`,
//! `{"turn":{"prompt":"<id>","input_tokens":0,"output_tokens":0,"cost_microusd":0,"failed":false}}`,
//! `{"trouble":{"status":429,"retry_in_ms":1000,"what":"…"}}`. Unknown records are left out.

use super::{
    pipes::{LineProtocol, Step},
    prompt::json_line,
};
use foureyes_ports::{
    backend::{AgentEvent, AgentState, Ask, DeliverError, Prompt, PromptId, TurnEnd, TurnReport},
    text::{clean_lines, clean_text},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Questions that may be open at once; a program that asks more is not heard.
const MAX_ASKS: usize = 64;

/// State of the dialect: the questions that are open.
#[derive(Debug, Default)]
pub struct JsonLines {
    open: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Say(String),
    Seen(Uuid),
    State(State),
    Turn(Turn),
    Trouble(Trouble),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Starting,
    Idle,
    Busy,
    Waiting,
}

#[derive(Deserialize)]
struct Question {
    ask: String,
    kind: String,
    payload: Value,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Turn {
    prompt: Option<Uuid>,
    input_tokens: u64,
    output_tokens: u64,
    cost_microusd: u64,
    failed: bool,
}

#[derive(Deserialize)]
struct Trouble {
    status: Option<u16>,
    retry_in_ms: Option<u64>,
    what: String,
}

impl JsonLines {
    fn ask(&mut self, question: Question) -> Step {
        let Question { ask: id, kind, payload } = question;
        if self.open.len() >= MAX_ASKS || id.len() > 128 {
            return broken("it asks too much at once");
        }
        self.open.insert(id.clone());
        let kind = clean_text(&kind, 64);
        Step::Event(AgentEvent::Asked(Ask { id, kind, payload: payload.to_string() }))
    }
}

impl LineProtocol for JsonLines {
    fn greeting(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn on_line(&mut self, line: &str) -> Vec<Step> {
        if let Ok(question) = serde_json::from_str::<Question>(line) {
            return vec![self.ask(question)];
        }
        match serde_json::from_str::<Record>(line) {
            Ok(record) => vec![step(record)],
            Err(_) if serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object()) => vec![],
            Err(why) => vec![broken(&format!("a line is no record: {why}"))],
        }
    }

    fn prompt(&mut self, prompt: &Prompt) -> Result<String, DeliverError> {
        let text = clean_lines(&prompt.text, usize::MAX, usize::MAX);
        let line = json_line(prompt, &text);
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn answer(&mut self, ask: &str, payload: &str) -> Option<String> {
        let payload: Value = serde_json::from_str(payload).ok()?;
        self.open.remove(ask).then(|| json!({ "answer": ask, "payload": payload }).to_string())
    }

    fn interrupt(&mut self) -> Option<String> {
        Some(json!({ "interrupt": true }).to_string())
    }
}

fn broken(what: &str) -> Step {
    Step::Event(AgentEvent::Protocol(clean_text(what, 200)))
}

fn step(record: Record) -> Step {
    Step::Event(match record {
        Record::Say(text) => return Step::Show(text),
        Record::Seen(id) => AgentEvent::Seen(PromptId(id)),
        Record::State(state) => AgentEvent::State(match state {
            State::Starting => AgentState::Starting,
            State::Idle => AgentState::Idle,
            State::Busy => AgentState::Busy,
            State::Waiting => AgentState::WaitingPermission,
        }),
        Record::Turn(turn) => AgentEvent::TurnEnded(TurnReport {
            prompt: turn.prompt.map(PromptId),
            input_tokens: turn.input_tokens,
            output_tokens: turn.output_tokens,
            cost_microusd: turn.cost_microusd,
            end: match turn.failed {
                true => TurnEnd::GaveUp("the program reports a failure".to_owned()),
                false => TurnEnd::Done,
            },
        }),
        Record::Trouble(trouble) => AgentEvent::ApiTrouble {
            status: trouble.status,
            retry_in_ms: trouble.retry_in_ms,
            what: clean_text(&trouble.what, 200),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(line: &str) -> Vec<Step> {
        JsonLines::default().on_line(line)
    }

    #[test]
    fn records_become_steps() {
        let nil = Uuid::nil();
        let cases = [
            (r#"{"say":"hi"}"#.to_owned(), vec![Step::Show("hi".into())]),
            (format!(r#"{{"seen":"{nil}"}}"#), vec![Step::Event(AgentEvent::Seen(PromptId(nil)))]),
            (
                r#"{"state":"waiting"}"#.into(),
                vec![Step::Event(AgentEvent::State(AgentState::WaitingPermission))],
            ),
            (
                r#"{"turn":{"cost_microusd":7}}"#.into(),
                vec![Step::Event(AgentEvent::TurnEnded(TurnReport {
                    cost_microusd: 7,
                    ..TurnReport::default()
                }))],
            ),
            (r#"{"news":1}"#.into(), vec![]),
            (r#"{"say":1}"#.into(), vec![]),
        ];
        for (line, expected) in cases {
            assert_eq!(events(&line), expected, "from {line}");
        }
    }

    #[test]
    fn what_is_no_record_is_told() {
        for line in ["hello", "[1]", "{", "\u{fffd}"] {
            assert!(matches!(&events(line)[..], [Step::Event(AgentEvent::Protocol(_))]), "{line}");
        }
    }

    #[test]
    fn only_what_was_asked_is_answered_and_once() {
        let mut protocol = JsonLines::default();
        let steps = protocol.on_line(r#"{"ask":"q1","kind":"can_use_tool","payload":{"tool":"Bash"}}"#);
        assert!(
            matches!(&steps[..], [Step::Event(AgentEvent::Asked(a))] if a.payload == r#"{"tool":"Bash"}"#)
        );
        assert_eq!(protocol.answer("q2", "true"), None);
        assert_eq!(protocol.answer("q1", "no json"), None);
        let line = protocol.answer("q1", "false").expect("it was asked");
        let record: Value = serde_json::from_str(&line).expect("a record");
        assert_eq!(record, json!({ "answer": "q1", "payload": false }));
        assert_eq!(protocol.answer("q1", "false"), None);
    }
}

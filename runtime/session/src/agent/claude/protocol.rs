//! The CLI's protocol as a state machine: lines in, steps out.

use super::{
    asks::{Asks, MAX_ASKS, MAX_ID, Question},
    end::end_of,
    gate::{ClaudeOrder, not_connected, server_status},
    render::{self, Renderer},
    requests,
    turn::{Turn, results},
    value::{list, status, text, uuid},
};
use crate::agent::{LineProtocol, Step, StyledLine};
use foureyes_ports::{
    backend::{AgentEvent, AgentState, Ask, DeliverError, Prompt},
    clock::Clock,
    text::clean_text,
};
use serde_json::Value;
use std::sync::Arc;

/// Names of our own requests.
const INITIALIZE: &str = "rt-initialize";
const CONNECTED: &str = "rt-connected";
const PING: &str = "rt-ping";
const INTERRUPT: &str = "rt-interrupt";

/// How often it is asked at most whether the server is connected. Each question waits for the answer
/// to the one before, and none is asked while the runtime itself owes an answer.
const LOOKS: u32 = 2000;

/// How far a program has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It was greeted.
    Greeted,
    /// It connects to the runtime's tools.
    Connecting,
    /// It takes prompts.
    Ready,
    /// It showed that it is what was ordered.
    Proved,
    /// It is not what was ordered.
    Unfit,
}

/// Speaks with one CLI.
pub struct Claude {
    order: ClaudeOrder,
    clock: Arc<dyn Clock>,
    phase: Phase,
    looks: u32,
    looking: bool,
    listed: bool,
    asks: Asks,
    /// Questions that came before the program was proved, with what follows from each.
    held: Vec<(String, Vec<Step>)>,
    turn: Turn,
    renderer: Renderer,
}

impl Claude {
    /// The protocol of a CLI that was started as [`super::ClaudeLaunch`] of this order says. The clock
    /// decides which day is meant by a limit that ends "at 3pm".
    pub fn new(order: ClaudeOrder, clock: Arc<dyn Clock>) -> Self {
        Self {
            order,
            clock,
            phase: Phase::Greeted,
            looks: 0,
            looking: false,
            listed: false,
            asks: Asks::default(),
            held: Vec::new(),
            turn: Turn::default(),
            renderer: Renderer::default(),
        }
    }

    /// What is remembered of the session, which must not grow with it.
    #[cfg(test)]
    pub(super) fn memory(&self) -> String {
        format!("{:?}{:?}{:?}{:?}", self.asks, self.held, self.turn, self.renderer)
    }

    fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Proved)
    }

    fn record(&mut self, record: &Value) -> Vec<Step> {
        match text(record, "type") {
            "control_request" => self.asked(record),
            "control_cancel_request" => self.cancelled(text(record, "request_id")),
            "control_response" => self.answered(&record["response"]),
            "system" => self.system(record),
            "assistant" => {
                self.turn.begun();
                print(self.renderer.assistant(record))
            }
            "user" => self.user(record),
            "result" => self.result(record),
            _ => Vec::new(),
        }
    }

    // Getting acquainted.

    fn answered(&mut self, response: &Value) -> Vec<Step> {
        let failed = response["subtype"] == "error";
        match text(response, "request_id") {
            INITIALIZE if self.phase == Phase::Greeted && failed => {
                let why = clean_text(text(response, "error"), 200);
                self.unfit(format!("it refused to be initialised: {why}"))
            }
            INITIALIZE if self.phase == Phase::Greeted => self.initialised(&response["response"]),
            CONNECTED if self.phase == Phase::Connecting => {
                self.looking = false;
                self.connected(list(&response["response"], "mcpServers"))
            }
            PING => vec![Step::Event(AgentEvent::Pong)],
            _ => Vec::new(),
        }
    }

    /// A CLI that does not tell its version here is an old one, which connects to the server on the
    /// pipe at its first prompt: then `system/init` alone proves the connection.
    fn initialised(&mut self, response: &Value) -> Vec<Step> {
        if text(response, "claude_code_version").is_empty() {
            return self.ready();
        }
        self.phase = Phase::Connecting;
        self.look()
    }

    fn ready(&mut self) -> Vec<Step> {
        self.phase = Phase::Ready;
        vec![Step::Event(AgentEvent::State(AgentState::Idle))]
    }

    fn connected(&mut self, servers: &[Value]) -> Vec<Step> {
        match server_status(servers) {
            Some("connected") if self.listed => self.ready(),
            status @ Some("failed" | "disabled" | "needs-auth") => self.unfit(not_connected(status)),
            status if self.looks >= LOOKS => self.unfit(not_connected(status)),
            _ if self.listed => self.look(),
            // The next answer to the CLI's server client will be followed by the next look.
            _ => Vec::new(),
        }
    }

    /// Asks whether the server is connected, where this can have changed.
    fn look(&mut self) -> Vec<Step> {
        if self.phase != Phase::Connecting || self.looking || self.asks.server_is_asked() {
            return Vec::new();
        }
        self.looking = true;
        self.looks += 1;
        vec![Step::Reply(requests::order(CONNECTED, "mcp_status"))]
    }

    fn init(&mut self, record: &Value) -> Vec<Step> {
        self.turn.begun();
        if let Err(why) = self.order.check(record) {
            return self.unfit(why);
        }
        if self.is_ready() {
            self.phase = Phase::Proved;
        }
        if self.phase != Phase::Proved {
            return Vec::new();
        }
        std::mem::take(&mut self.held).into_iter().flat_map(|(_, steps)| steps).collect()
    }

    /// Told once; the turn in flight is ended, and nothing is answered any more.
    fn unfit(&mut self, why: String) -> Vec<Step> {
        if self.phase == Phase::Unfit {
            return Vec::new();
        }
        self.phase = Phase::Unfit;
        self.held.clear();
        vec![
            Step::Reply(requests::order(INTERRUPT, "interrupt")),
            Step::Print(vec![render::unfit(&why)]),
            Step::Event(AgentEvent::Unfit(why)),
        ]
    }

    // Questions of the CLI.

    fn asked(&mut self, record: &Value) -> Vec<Step> {
        let (id, request) = (text(record, "request_id"), &record["request"]);
        let kind = clean_text(text(request, "subtype"), 64);
        if id.is_empty() || id.len() > MAX_ID {
            return broken("a question has no proper id");
        }
        if self.phase == Phase::Unfit {
            return Vec::new();
        }
        let Some(question) = Question::of(request) else {
            return vec![Step::Reply(requests::unknown(id, &kind))];
        };
        let handshake = question.is_handshake();
        if let Err(question) = self.asks.open(id, question) {
            let refusal = question.refusal("too many questions are open at once; try again later");
            let mut steps = broken(&format!("it asks more than {MAX_ASKS} questions at once"));
            steps.push(Step::Reply(requests::success(id, &refusal)));
            return steps;
        }
        let mut steps = self.tool_events(request);
        let ask = Ask { id: id.to_owned(), kind, payload: request.to_string() };
        steps.push(Step::Event(AgentEvent::Asked(ask)));
        if handshake || self.phase == Phase::Proved {
            return steps;
        }
        self.held.push((id.to_owned(), steps));
        Vec::new()
    }

    /// A hook tells best when a tool begins; its end is told by whatever comes first.
    fn tool_events(&mut self, request: &Value) -> Vec<Step> {
        let input = &request["input"];
        let call = text(input, "tool_use_id");
        let event = match text(input, "hook_event_name") {
            "PreToolUse" => self.turn.tool_began(call, text(input, "tool_name")),
            "PostToolUse" | "PostToolUseFailure" => self.turn.tool_ended(call),
            _ => None,
        };
        event.map(Step::Event).into_iter().collect()
    }

    fn cancelled(&mut self, id: &str) -> Vec<Step> {
        self.asks.cancel(id);
        self.held.retain(|(held, _)| held != id);
        self.look()
    }

    // What happens.

    fn system(&mut self, record: &Value) -> Vec<Step> {
        match text(record, "subtype") {
            "init" => self.init(record),
            "session_state_changed" => self.state(text(record, "state")),
            "api_retry" => vec![
                Step::Print(vec![render::retry(record)]),
                Step::Event(AgentEvent::ApiTrouble {
                    status: status(record, "error_status"),
                    retry_in_ms: record["retry_delay_ms"].as_u64(),
                    what: clean_text(text(record, "error"), 200),
                }),
            ],
            "compact_boundary" => print(vec![render::compacted(record)]),
            _ => Vec::new(),
        }
    }

    fn state(&mut self, state: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        let state = match state {
            "running" => {
                self.turn.begun();
                AgentState::Busy
            }
            "requires_action" => AgentState::WaitingPermission,
            "idle" => {
                steps.extend(self.turn.lost().into_iter().map(Step::Event));
                AgentState::Idle
            }
            _ => return steps,
        };
        if self.is_ready() {
            steps.push(Step::Event(AgentEvent::State(state)));
        }
        steps
    }

    fn user(&mut self, record: &Value) -> Vec<Step> {
        let message = &record["message"];
        if record["isReplay"] == true {
            let taken = uuid(record, "uuid").and_then(|id| self.turn.took(id));
            let Some(seen) = taken.filter(|_| self.phase != Phase::Unfit) else {
                return Vec::new();
            };
            let mut steps = print(self.renderer.turn(message));
            steps.push(Step::Event(seen));
            return steps;
        }
        let mut steps = print(self.renderer.results(message));
        for call in results(message) {
            steps.extend(self.turn.tool_ended(call).map(Step::Event));
        }
        steps
    }

    fn result(&mut self, record: &Value) -> Vec<Step> {
        let end = end_of(record, self.turn.is_stopping(), self.clock.now_ms());
        let events = self.turn.ended(record, end);
        let mut steps = Vec::new();
        for event in events {
            if let AgentEvent::TurnEnded(report) = &event {
                let foot = self.renderer.foot(record, &report.end, report.input_tokens, report.cost_microusd);
                steps.push(Step::Print(vec![foot]));
            }
            steps.push(Step::Event(event));
        }
        steps
    }
}

fn broken(what: &str) -> Vec<Step> {
    vec![Step::Event(AgentEvent::Protocol(clean_text(what, 200)))]
}

fn print(lines: Vec<StyledLine>) -> Vec<Step> {
    if lines.is_empty() { Vec::new() } else { vec![Step::Print(lines)] }
}

impl LineProtocol for Claude {
    fn greeting(&mut self) -> Vec<String> {
        vec![requests::initialize(INITIALIZE)]
    }

    fn on_line(&mut self, line: &str) -> Vec<Step> {
        match serde_json::from_str::<Value>(line) {
            Ok(record) if record.is_object() => self.record(&record),
            Ok(_) => broken("a line is no record"),
            Err(why) => broken(&format!("a line is no record: {why}")),
        }
    }

    fn reports_turns(&self) -> bool {
        true
    }

    fn prompt(&mut self, prompt: &Prompt) -> Result<String, DeliverError> {
        match self.phase {
            Phase::Greeted => Err(DeliverError::NotReady("it is starting")),
            Phase::Connecting => {
                Err(DeliverError::NotReady("it is not connected to the runtime's tools yet"))
            }
            Phase::Unfit => Err(DeliverError::NotReady("it is not what was ordered")),
            Phase::Ready | Phase::Proved => {
                self.turn.written(prompt.id);
                let line = requests::prompt(prompt);
                if !(prompt.urgent && self.turn.is_open()) {
                    return Ok(line);
                }
                // By itself even the highest priority waits for the tool that runs.
                self.turn.interrupting();
                Ok(format!("{}\n{line}", requests::order(INTERRUPT, "interrupt")))
            }
        }
    }

    fn answer(&mut self, ask: &str, payload: &str) -> Option<String> {
        if self.phase == Phase::Unfit || self.held.iter().any(|(held, _)| held == ask) {
            return None;
        }
        let (question, response) = self.asks.answer(ask, payload)?;
        let answer = requests::success(ask, &response);
        if matches!(&question, Question::Mcp { method, .. } if method == "tools/list") {
            self.listed = true;
        }
        // Whether the answer connected it can only be asked after it: in the same write.
        match &self.look()[..] {
            [Step::Reply(look)] => Some(format!("{answer}\n{look}")),
            _ => Some(answer),
        }
    }

    fn interrupt(&mut self) -> Option<String> {
        self.turn.interrupting();
        Some(requests::order(INTERRUPT, "interrupt"))
    }

    fn ping(&mut self) -> Option<String> {
        Some(requests::order(PING, "mcp_status"))
    }
}

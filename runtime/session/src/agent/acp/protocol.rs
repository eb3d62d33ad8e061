//! The protocol as a state machine: lines in, steps out.

use super::{
    asks::{Asks, MAX_ASKS, REQUEST_PERMISSION, refused},
    end::{end_by, end_of, words_of},
    order::{self, AcpOrder},
    render::{self, Renderer, Voice},
    start::wants_login,
    turn::{Spent, Turn, tokens},
    wire::{self, Incoming},
};
use crate::agent::{LineProtocol, Step};
use agent_client_protocol_schema::{
    AGENT_METHOD_NAMES, CLIENT_METHOD_NAMES, CancelNotification, ContentBlock, Error, ErrorCode,
    PromptRequest, PromptResponse, RequestPermissionRequest, SessionNotification, SessionUpdate,
    ToolCallUpdate,
};
use foureyes_ports::{
    backend::{AgentEvent, AgentState, Ask, DeliverError, Prompt, TurnEnd, TurnReport},
    text::{clean_lines, clean_text},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeSet;

/// Characters of a complaint that are shown.
const COMPLAINT: usize = 300;
/// Refused methods whose names are remembered.
const REFUSED: usize = 16;

/// Which of our requests the agent owes an answer to. There is never more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Initialize,
    New,
    TakeUp,
    SetModel,
    Prompt,
}

/// How far an agent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It gets acquainted.
    Starting,
    /// It takes prompts.
    Ready,
    /// It is not what was ordered.
    Unfit,
}

/// Speaks with one agent.
#[derive(Debug)]
pub struct Acp {
    pub(super) order: AcpOrder,
    pub(super) phase: Phase,
    /// The number of the newest request.
    pub(super) asked: i64,
    pub(super) owed: Option<Call>,
    /// The agent's name for the session.
    pub(super) session: String,
    /// Whether the agent can take a conversation up again.
    pub(super) keeps: bool,
    /// Whether the conversation holds the instructions.
    pub(super) instructed: bool,
    pub(super) asks: Asks,
    /// Methods of ours that it asked for and was refused.
    pub(super) refused: BTreeSet<String>,
    pub(super) turn: Option<Turn>,
    pub(super) spent: Spent,
    pub(super) renderer: Renderer,
}

impl Acp {
    /// The protocol of an agent that works for this order.
    pub fn new(order: AcpOrder) -> Self {
        Self {
            order,
            phase: Phase::Starting,
            asked: 0,
            owed: None,
            session: String::new(),
            keeps: false,
            instructed: false,
            asks: Asks::default(),
            refused: BTreeSet::new(),
            turn: None,
            spent: Spent::default(),
            renderer: Renderer::default(),
        }
    }

    pub(super) fn request(&mut self, call: Call, method: &str, params: &impl Serialize) -> String {
        self.asked += 1;
        self.owed = Some(call);
        wire::request(self.asked, method, params)
    }

    fn message(&mut self, message: Incoming) -> Vec<Step> {
        match message {
            Incoming::Request { id, method, params }
                if method == CLIENT_METHOD_NAMES.session_request_permission =>
            {
                self.permission(id, params)
            }
            Incoming::Request { id, method, .. } => vec![self.not_offered(&id, &method)],
            Incoming::Notification { method, params } if method == CLIENT_METHOD_NAMES.session_update => {
                // What is not known is left out: the protocol grows.
                let known = serde_json::from_value::<SessionNotification>(params);
                known.map_or_else(|_| Vec::new(), |known| self.update(known))
            }
            Incoming::Notification { .. } => Vec::new(),
            Incoming::Answer { id, outcome } if id == self.asked => match self.owed.take() {
                Some(call) => self.answered(call, outcome),
                None => Vec::new(),
            },
            Incoming::Answer { .. } => Vec::new(),
        }
    }

    fn not_offered(&mut self, id: &Value, method: &str) -> Step {
        let method = clean_text(method, 64);
        let error = Error::method_not_found().data(method.as_str());
        if self.refused.len() < REFUSED {
            self.refused.insert(method);
        }
        Step::Reply(wire::error(id, &error))
    }

    fn answered(&mut self, call: Call, outcome: Result<Value, Error>) -> Vec<Step> {
        if self.phase == Phase::Unfit {
            return Vec::new();
        }
        match (call, outcome) {
            (Call::Initialize, Ok(result)) => self.initialized(result),
            (Call::New, Ok(result)) => self.made(result),
            (Call::TakeUp, Ok(result)) => {
                self.instructed = true;
                self.choose_model(&result)
            }
            (Call::SetModel, Ok(result)) => self.chosen(&result),
            (Call::Prompt, outcome) => self.turn_ended(outcome),
            (_, Err(error)) if error.code == ErrorCode::AuthRequired => self.unfit(wants_login(&error)),
            (Call::TakeUp, Err(error)) => self.forgot(&words_of(&error)),
            (Call::Initialize, Err(error)) => {
                self.unfit(format!("it refused to be initialised: {}", words_of(&error)))
            }
            (Call::New, Err(error)) => self.unfit(format!("it made no session: {}", words_of(&error))),
            (Call::SetModel, Err(error)) => {
                self.unfit(format!("it refused the model that is ordered: {}", words_of(&error)))
            }
        }
    }

    // Questions of the agent.

    fn permission(&mut self, id: Value, mut params: Value) -> Vec<Step> {
        let Some(request) = parse::<RequestPermissionRequest>(params.clone()) else {
            return vec![Step::Reply(wire::error(&id, &Error::invalid_params()))];
        };
        let ours = *request.session_id.0 == *self.session;
        let Some(turn) = self.turn.as_mut().filter(|turn| ours && !turn.cancelled) else {
            return vec![Step::Reply(refused(&id))];
        };
        let tool =
            turn.name_of(&request.tool_call.tool_call_id.0).or(request.tool_call.fields.title.as_deref());
        params["tool"] = clean_text(tool.unwrap_or_default(), 128).into();
        let name = match self.asks.open(id, &request.options) {
            Ok(name) => name,
            Err(id) => {
                let mut steps =
                    broken(&format!("it asks more than {MAX_ASKS} questions at once, or one twice"));
                steps.push(Step::Reply(refused(&id)));
                return steps;
            }
        };
        turn.waiting = true;
        let mut steps = self.seen();
        steps.extend(self.call(&request.tool_call, true));
        steps.push(state(AgentState::WaitingPermission));
        let ask = Ask { id: name, kind: REQUEST_PERMISSION.to_owned(), payload: params.to_string() };
        steps.push(Step::Event(AgentEvent::Asked(ask)));
        steps
    }

    // What happens.

    fn update(&mut self, told: SessionNotification) -> Vec<Step> {
        // While a conversation is taken up, the agent repeats what it was about.
        if *told.session_id.0 != *self.session || self.phase != Phase::Ready {
            return Vec::new();
        }
        let mut steps = match &told.update {
            SessionUpdate::UserMessageChunk(_)
            | SessionUpdate::AgentMessageChunk(_)
            | SessionUpdate::AgentThoughtChunk(_)
            | SessionUpdate::ToolCall(_)
            | SessionUpdate::ToolCallUpdate(_)
            | SessionUpdate::Plan(_) => self.working(),
            _ => Vec::new(),
        };
        steps.extend(match told.update {
            SessionUpdate::AgentMessageChunk(chunk) => show(self.renderer.text(Voice::Said, &chunk.content)),
            SessionUpdate::AgentThoughtChunk(chunk) => {
                show(self.renderer.text(Voice::Thought, &chunk.content))
            }
            SessionUpdate::ToolCall(call) => self.call(&call.into(), false),
            SessionUpdate::ToolCallUpdate(update) => self.call(&update, false),
            SessionUpdate::Plan(plan) => self.shown(render::plan(&plan)),
            SessionUpdate::UsageUpdate(usage) => {
                usage.cost.iter().for_each(|cost| self.spent.report(cost));
                Vec::new()
            }
            _ => Vec::new(),
        });
        steps
    }

    /// News of a call, by the way or in a question.
    fn call(&mut self, update: &ToolCallUpdate, asks: bool) -> Vec<Step> {
        let lines = self.renderer.call(update, asks);
        let mut steps = self.shown(lines);
        let event = self.turn.as_mut().and_then(|turn| {
            let fields = &update.fields;
            turn.tool(&update.tool_call_id.0, fields.title.as_deref(), fields.status)
        });
        steps.extend(event.map(Step::Event));
        steps
    }

    /// Lines that stand for themselves: what was said before them stands before them.
    fn shown(&mut self, lines: Vec<String>) -> Vec<Step> {
        if lines.is_empty() {
            return Vec::new();
        }
        let mut all = self.renderer.flush();
        all.extend(lines);
        show(all)
    }

    /// The agent was heard working on the prompt.
    fn working(&mut self) -> Vec<Step> {
        let mut steps = self.seen();
        let answered = self.asks.is_empty();
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.waiting && answered) {
            turn.waiting = false;
            steps.push(state(AgentState::Busy));
        }
        steps
    }

    /// The agent has the prompt. A new conversation can be taken up again from now on, not before:
    /// without its instructions it would be none.
    fn seen(&mut self) -> Vec<Step> {
        let Some(turn) = self.turn.as_mut().filter(|turn| !turn.seen) else { return Vec::new() };
        turn.seen = true;
        let mut steps = show(self.renderer.turn(&turn.head));
        steps.push(Step::Event(AgentEvent::Seen(turn.prompt)));
        steps.push(state(AgentState::Busy));
        if !std::mem::replace(&mut self.instructed, true) && self.keeps {
            steps.push(Step::Event(AgentEvent::Conversation(self.session.clone())));
        }
        steps
    }

    fn turn_ended(&mut self, outcome: Result<Value, Error>) -> Vec<Step> {
        let (end, usage, heard) = match outcome.map(parse::<PromptResponse>) {
            Ok(Some(response)) => (end_of(&response), response.usage, true),
            Ok(None) => {
                (TurnEnd::GaveUp("it ended the turn in a way that is not known".to_owned()), None, true)
            }
            Err(error) => (end_by(&error), None, false),
        };
        let mut steps = if heard { self.seen() } else { Vec::new() };
        let Some(mut turn) = self.turn.take() else { return steps };
        // Some agents answer a prompt that was cancelled with an error of what they left off, or call
        // it done.
        let left_off = turn.cancelled && (!heard || end == TurnEnd::Done);
        let end = if left_off { TurnEnd::Interrupted } else { end };
        let (input_tokens, output_tokens) = tokens(usage.as_ref());
        let cost_microusd = self.spent.microusd();
        steps.extend(self.asks.cancel_all().into_iter().map(Step::Reply));
        steps.extend(turn.stop_tools().into_iter().map(Step::Event));
        steps.extend(show(self.renderer.foot(&end, (input_tokens, output_tokens), cost_microusd)));
        let report =
            TurnReport { prompt: Some(turn.prompt), input_tokens, output_tokens, cost_microusd, end };
        steps.push(Step::Event(AgentEvent::TurnEnded(report)));
        steps.push(state(AgentState::Idle));
        steps
    }
}

pub(super) fn parse<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// Whether a line is of a stack, or of sources shown with one.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    let source = line.split_once(" |").is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
    source || line.starts_with("at ")
}

pub(super) fn state(state: AgentState) -> Step {
    Step::Event(AgentEvent::State(state))
}

pub(super) fn show(lines: Vec<String>) -> Vec<Step> {
    if lines.is_empty() { Vec::new() } else { vec![Step::Show(lines.join("\n"))] }
}

fn broken(what: &str) -> Vec<Step> {
    vec![Step::Event(AgentEvent::Protocol(clean_text(what, 200)))]
}

impl LineProtocol for Acp {
    fn greeting(&mut self) -> Vec<String> {
        vec![self.request(Call::Initialize, AGENT_METHOD_NAMES.initialize, &order::initialize())]
    }

    fn on_line(&mut self, line: &str) -> Vec<Step> {
        match wire::read(line) {
            Ok(message) => self.message(message),
            Err(why) => broken(&why),
        }
    }

    fn reports_turns(&self) -> bool {
        true
    }

    fn prompt(&mut self, prompt: &Prompt) -> Result<String, DeliverError> {
        match self.phase {
            Phase::Starting => return Err(DeliverError::NotReady("it is starting")),
            Phase::Unfit => return Err(DeliverError::NotReady("it is not what was ordered")),
            Phase::Ready if self.turn.is_some() => {
                return Err(DeliverError::NotReady("it works on another prompt"));
            }
            Phase::Ready => {}
        }
        let text = clean_lines(&prompt.text, usize::MAX, usize::MAX);
        let head = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        self.turn = Some(Turn::new(prompt.id, clean_text(head, 200)));
        let mut blocks = Vec::new();
        if !self.instructed && !self.order.instructions.is_empty() {
            blocks.push(ContentBlock::from(self.order.instructions.clone()));
        }
        blocks.push(ContentBlock::from(text));
        let request = PromptRequest::new(self.session.clone(), blocks);
        Ok(self.request(Call::Prompt, AGENT_METHOD_NAMES.session_prompt, &request))
    }

    /// Where in its own sources an agent failed is nothing for people, and neither is what it says
    /// about a method that it asked for and that we do not offer.
    fn complaint(&mut self, line: &str) -> Option<String> {
        let known = |mark: &String| !mark.is_empty() && line.contains(mark.as_str());
        let ours =
            line.contains("Method not found") || line.contains("-32601") || self.refused.iter().any(known);
        (!ours && !is_frame(line)).then(|| clean_text(line, COMPLAINT))
    }

    fn answer(&mut self, ask: &str, payload: &str) -> Option<String> {
        self.asks.answer(ask, payload)
    }

    /// Questions that are open are closed with it, as the protocol wants.
    fn interrupt(&mut self) -> Option<String> {
        let turn = self.turn.as_mut()?;
        turn.cancelled = true;
        let cancel = CancelNotification::new(self.session.clone());
        let mut lines = vec![wire::notification(AGENT_METHOD_NAMES.session_cancel, &cancel)];
        lines.extend(self.asks.cancel_all());
        Some(lines.join("\n"))
    }
}

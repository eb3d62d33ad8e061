//! Turns of the program, from readings of its record and calls of its hooks. Pure: facts and the
//! time go in, events come out.

use super::{
    marker,
    record::{Record, Status},
};
use foureyes_ports::{
    backend::{AgentEvent, AgentState, DeliverError, PromptId, TurnEnd, TurnReport},
    model::ModelTrouble,
    text::clean_text,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// A turn that ended without a word is told after so long: the report of an error may come late.
const LAST_WORD: Duration = Duration::from_millis(500);
/// How long a written prompt may go unseen before another may be written.
const UNSEEN: Duration = Duration::from_secs(15);
/// Prompts that are remembered until they are seen, and tools that are followed at once.
const MAX: usize = 64;
/// The longest text of the program that is passed on, in characters.
const MAX_TEXT: usize = 500;

/// Where the program stands, and what is still open.
#[derive(Debug, Default)]
pub(super) struct Turns {
    told: Option<AgentState>,
    record: Option<Record>,
    turn: Option<Turn>,
    /// Prompts that were written and not seen.
    written: VecDeque<PromptId>,
    /// Since when the newest of them waits.
    unseen_since: Option<Instant>,
    residue: bool,
    tools: BTreeMap<String, String>,
}

/// A turn that is under way.
#[derive(Debug)]
struct Turn {
    /// The stamp of the record when it began.
    begun: u64,
    prompt: Option<PromptId>,
    end: Option<TurnEnd>,
    interrupted: bool,
    /// Since when the record says that it is over, without a word how.
    silent_since: Option<Instant>,
}

impl Turns {
    /// Takes a reading of the record; `None` when there was none to read.
    pub(super) fn read(&mut self, record: Option<Record>, now: Instant) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        self.record = record.or(self.record);
        let Some(Record { status, stamp }) = self.record else { return events };
        match status {
            Status::Starting => self.tell(AgentState::Starting, &mut events),
            Status::Busy | Status::Waiting => {
                let turn = self.turn.get_or_insert_with(|| Turn::begun(stamp));
                turn.silent_since = None;
                let busy = status == Status::Busy;
                let state = if busy { AgentState::Busy } else { AgentState::WaitingPermission };
                self.tell(state, &mut events);
            }
            Status::Idle => {
                let over = self.turn.as_mut().is_none_or(|turn| turn.begun != stamp && turn.over(now));
                if over {
                    self.close(&mut events);
                    self.tell(AgentState::Idle, &mut events);
                }
            }
        }
        events
    }

    /// Takes a call of a hook.
    pub(super) fn hook(&mut self, event: &str, payload: &Value) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        match event {
            "UserPromptSubmit" => self.submitted(payload["prompt"].as_str().unwrap_or(""), &mut events),
            "PreToolUse" => self.tool(payload, true, &mut events),
            "PostToolUse" | "PostToolUseFailure" => self.tool(payload, false, &mut events),
            "Stop" => self.said(TurnEnd::Done),
            "StopFailure" => self.said(failure(payload)),
            _ => {}
        }
        events
    }

    fn submitted(&mut self, text: &str, events: &mut Vec<AgentEvent>) {
        let prompt = marker::find(text).filter(|id| self.written.contains(id));
        if let Some(id) = prompt {
            self.written.retain(|other| *other != id);
            self.unseen_since = None;
        }
        // One that waited in the program's queue begins a turn right behind the last.
        if self.turn.as_ref().is_some_and(|t| t.end.is_some() || t.silent_since.is_some()) {
            self.close(events);
        }
        let begun = self.record.map_or(0, |record| record.stamp);
        let turn = self.turn.get_or_insert_with(|| Turn::begun(begun));
        turn.prompt = turn.prompt.or(prompt);
        events.extend(prompt.map(AgentEvent::Seen));
        self.tell(AgentState::Busy, events);
    }

    fn tool(&mut self, payload: &Value, running: bool, events: &mut Vec<AgentEvent>) {
        let text = |name: &str| clean_text(payload[name].as_str().unwrap_or(""), 128);
        let (call, name) = (text("tool_use_id"), text("tool_name"));
        let new = match running {
            true => self.tools.len() < MAX && self.tools.insert(call.clone(), name.clone()).is_none(),
            false => self.tools.remove(&call).is_some(),
        };
        if let Some(turn) = self.turn.as_mut().filter(|_| running) {
            // It said that it would stop, and goes on.
            turn.end = None;
        }
        if new {
            events.push(AgentEvent::Tool { call, name, running });
        }
    }

    fn said(&mut self, end: TurnEnd) {
        if let Some(turn) = &mut self.turn {
            turn.end = Some(end);
        }
    }

    /// The runtime or a person told the program to leave off.
    pub(super) fn interrupted(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.interrupted = true;
        }
    }

    /// A prompt was written.
    pub(super) fn wrote(&mut self, id: PromptId, now: Instant) {
        self.written.retain(|other| *other != id);
        self.written.push_back(id);
        if self.written.len() > MAX {
            self.written.pop_front();
        }
        self.unseen_since = Some(now);
        self.residue = false;
    }

    /// Something may stand in the program's line that is nobody's any more.
    pub(super) fn leave_residue(&mut self) {
        self.residue = true;
    }

    /// Whether the line must be cleared before it is typed into.
    pub(super) fn has_residue(&self) -> bool {
        self.residue
    }

    /// Whether a turn is under way or a dialog is open.
    pub(super) fn at_work(&self) -> bool {
        self.turn.is_some()
    }

    /// Whether a prompt can be written now.
    pub(super) fn ready(&mut self, now: Instant) -> Result<(), DeliverError> {
        let not = |why| Err(DeliverError::NotReady(why));
        match self.record.map(|record| record.status) {
            None | Some(Status::Starting) => return not("it is starting"),
            Some(Status::Waiting) => return not("a dialog is open in its terminal"),
            Some(Status::Busy) => return not("a turn is under way"),
            Some(Status::Idle) if self.turn.is_some() => return not("a turn is under way"),
            Some(Status::Idle) => {}
        }
        match self.unseen_since {
            Some(since) if now < since + UNSEEN => not("it has not taken the last prompt yet"),
            Some(_) => {
                self.unseen_since = None;
                self.residue = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn close(&mut self, events: &mut Vec<AgentEvent>) {
        let Some(turn) = self.turn.take() else { return };
        let tools = std::mem::take(&mut self.tools);
        events.extend(tools.into_iter().map(|(call, name)| AgentEvent::Tool { call, name, running: false }));
        // Without a last word the program puts the text of the turn back into its line.
        self.residue |= turn.end.is_none() || turn.interrupted;
        let end = match turn.end {
            _ if turn.interrupted => TurnEnd::Interrupted,
            Some(end) => end,
            None => TurnEnd::GaveUp("it ended its turn without saying how".to_owned()),
        };
        events.push(AgentEvent::TurnEnded(TurnReport { prompt: turn.prompt, end, ..TurnReport::default() }));
    }

    fn tell(&mut self, state: AgentState, events: &mut Vec<AgentEvent>) {
        if self.told != Some(state) {
            self.told = Some(state);
            events.push(AgentEvent::State(state));
        }
    }
}

impl Turn {
    fn begun(stamp: u64) -> Self {
        Self { begun: stamp, prompt: None, end: None, interrupted: false, silent_since: None }
    }

    /// Whether it is to be told that it ended, now that the record says so.
    fn over(&mut self, now: Instant) -> bool {
        let since = *self.silent_since.get_or_insert(now);
        self.end.is_some() || self.interrupted || now >= since + LAST_WORD
    }
}

/// What the program says of a failed request; what really passed, the runtime's proxy knows.
fn failure(payload: &Value) -> TurnEnd {
    let text = |name: &str| clean_text(payload[name].as_str().unwrap_or(""), MAX_TEXT);
    let (error, details) = (text("error"), text("error_details"));
    let said = if details.is_empty() { error.clone() } else { details };
    let trouble = match error.as_str() {
        "authentication_failed"
        | "oauth_org_not_allowed"
        | "account_on_hold"
        | "verification_required"
        | "billing_error"
        | "cloud_credential_error" => ModelTrouble::Auth(said),
        "rate_limit" => ModelTrouble::RateLimited { until: None },
        "overloaded" => ModelTrouble::Overloaded,
        "server_error" => ModelTrouble::Server(500),
        "invalid_request" if said.contains("too long") => ModelTrouble::TooLong,
        "invalid_request" => ModelTrouble::Refused(400, said),
        "model_not_found" => ModelTrouble::Refused(404, said),
        _ => return TurnEnd::GaveUp(format!("its request failed: {said}")),
    };
    TurnEnd::Failed(trouble)
}

#[cfg(test)]
mod tests;

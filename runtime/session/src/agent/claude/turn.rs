//! The turn in flight: which prompt began it, which tools run in it, and that it ends once.

use super::value::{list, number, text, uuid};
use foureyes_ports::{
    backend::{AgentEvent, PromptId, TurnEnd, TurnReport},
    text::clean_text,
};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

/// Prompts that may wait to be seen, and tools that may run at once; more are not followed.
const FOLLOWED: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Turn {
    open: bool,
    prompt: Option<PromptId>,
    stopping: bool,
    unseen: VecDeque<PromptId>,
    running: BTreeMap<String, String>,
}

impl Turn {
    /// A prompt was written.
    pub(super) fn written(&mut self, id: PromptId) {
        if self.unseen.len() >= FOLLOWED {
            self.unseen.pop_front();
        }
        self.unseen.push_back(id);
    }

    /// The program began to work.
    pub(super) fn begun(&mut self) {
        self.open = true;
    }

    /// Whether the program works.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// An interrupt is sent; it concerns the turn in flight alone.
    pub(super) fn interrupting(&mut self) {
        self.stopping = self.open;
    }

    /// Whether an interrupt was sent in this turn.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The program names a message as taken; an event when it is a prompt of ours, and news.
    pub(super) fn took(&mut self, id: Uuid) -> Option<AgentEvent> {
        let id = PromptId(id);
        let at = self.unseen.iter().position(|unseen| *unseen == id)?;
        self.unseen.remove(at);
        self.prompt = Some(id);
        self.open = true;
        Some(AgentEvent::Seen(id))
    }

    /// A tool is about to run.
    pub(super) fn tool_began(&mut self, call: &str, name: &str) -> Option<AgentEvent> {
        let (call, name) = (clean_text(call, 128), clean_text(name, 128));
        if call.is_empty() || self.running.len() >= FOLLOWED || self.running.contains_key(&call) {
            return None;
        }
        self.running.insert(call.clone(), name.clone());
        Some(AgentEvent::Tool { call, name, running: true })
    }

    /// A tool has its result.
    pub(super) fn tool_ended(&mut self, call: &str) -> Option<AgentEvent> {
        let call = clean_text(call, 128);
        let name = self.running.remove(&call)?;
        Some(AgentEvent::Tool { call, name, running: false })
    }

    /// The program reports the end of a turn. Nothing when none was open.
    pub(super) fn ended(&mut self, result: &Value, end: TurnEnd) -> Vec<AgentEvent> {
        // A turn that fails at once may be told before its prompt is.
        let named = list(result, "user_message_uuids").iter().filter_map(|id| id.as_str());
        let named: Vec<Uuid> = named.filter_map(|id| Uuid::try_parse(id).ok()).collect();
        let mut events: Vec<AgentEvent> = named.into_iter().filter_map(|id| self.took(id)).collect();
        let usage = &result["usage"];
        let read = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
        let read = read.iter().map(|key| number(usage, key)).fold(0, u64::saturating_add);
        let prompt = uuid(result, "user_message_uuid").map(PromptId).or(self.prompt);
        events.extend(self.close(TurnReport {
            prompt,
            input_tokens: read,
            output_tokens: number(usage, "output_tokens"),
            cost_microusd: micro(&result["total_cost_usd"]),
            end,
        }));
        events
    }

    /// The program waits again and did not report the end of its turn.
    pub(super) fn lost(&mut self) -> Vec<AgentEvent> {
        let end = match self.stopping {
            true => TurnEnd::Interrupted,
            false => TurnEnd::GaveUp("the turn ended without a report".to_owned()),
        };
        self.close(TurnReport { prompt: self.prompt, end, ..TurnReport::default() })
    }

    fn close(&mut self, report: TurnReport) -> Vec<AgentEvent> {
        if !std::mem::take(&mut self.open) {
            return Vec::new();
        }
        self.prompt = None;
        self.stopping = false;
        let left = std::mem::take(&mut self.running);
        let mut events: Vec<AgentEvent> =
            left.into_iter().map(|(call, name)| AgentEvent::Tool { call, name, running: false }).collect();
        events.push(AgentEvent::TurnEnded(report));
        events
    }
}

/// Millionths of a dollar amount.
fn micro(usd: &Value) -> u64 {
    let micro = usd.as_f64().unwrap_or_default() * 1e6;
    // A float that fits no integer saturates.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and money is small"
    )]
    let micro = micro.round() as u64;
    micro
}

/// The ids of the calls whose results a message carries.
pub(super) fn results(message: &Value) -> impl Iterator<Item = &str> {
    let blocks = list(message, "content").iter();
    blocks.filter(|block| block["type"] == "tool_result").map(|block| text(block, "tool_use_id"))
}

//! The turn in flight: which prompt began it, which tools run in it, and what was spent.

use agent_client_protocol_schema::{Cost, ToolCallStatus, Usage};
use foureyes_ports::{
    backend::{AgentEvent, PromptId},
    text::clean_text,
};
use std::collections::BTreeMap;

/// Tools that may run at once; more are not followed.
const FOLLOWED: usize = 64;
/// Characters that are kept of a call's id and of its name.
const NAME: usize = 128;

#[derive(Debug)]
pub(super) struct Turn {
    pub(super) prompt: PromptId,
    /// The first line of the prompt, for people.
    pub(super) head: String,
    /// Whether the agent was heard working on it.
    pub(super) seen: bool,
    /// Whether it was told to leave off.
    pub(super) cancelled: bool,
    /// Whether the runtime knows that the agent waits for an answer.
    pub(super) waiting: bool,
    running: BTreeMap<String, String>,
}

impl Turn {
    pub(super) fn new(prompt: PromptId, head: String) -> Self {
        Self { prompt, head, seen: false, cancelled: false, waiting: false, running: BTreeMap::new() }
    }

    /// What the agent tells of a call. Whatever has no end runs: many agents never say more than
    /// that a call is pending, and what waits for permission has not ended either.
    pub(super) fn tool(
        &mut self,
        call: &str,
        title: Option<&str>,
        status: Option<ToolCallStatus>,
    ) -> Option<AgentEvent> {
        let call = clean_text(call, NAME);
        if ended(status) {
            let name = self.running.remove(&call)?;
            return Some(AgentEvent::Tool { call, name, running: false });
        }
        if call.is_empty() || self.running.len() >= FOLLOWED || self.running.contains_key(&call) {
            return None;
        }
        let name = clean_text(title.unwrap_or("tool"), NAME);
        self.running.insert(call.clone(), name.clone());
        Some(AgentEvent::Tool { call, name, running: true })
    }

    /// The name under which a call was announced.
    pub(super) fn name_of(&self, call: &str) -> Option<&str> {
        self.running.get(&clean_text(call, NAME)).map(String::as_str)
    }

    /// The ends of all tools that still run.
    pub(super) fn stop_tools(&mut self) -> Vec<AgentEvent> {
        let left = std::mem::take(&mut self.running);
        left.into_iter().map(|(call, name)| AgentEvent::Tool { call, name, running: false }).collect()
    }
}

pub(super) fn ended(status: Option<ToolCallStatus>) -> bool {
    matches!(status, Some(ToolCallStatus::Completed | ToolCallStatus::Failed))
}

/// What the agent says it spent in this life, in millionths of a US dollar.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// What earlier lives of the conversation had spent; of one that was taken up again it is not
    /// known before the first report, which then counts as nothing.
    before: Option<u64>,
    now: u64,
}

impl Spent {
    /// A new conversation begins.
    pub(super) fn begin(&mut self) {
        *self = Self { before: Some(0), now: 0 };
    }

    /// The agent reports what the conversation has cost.
    pub(super) fn report(&mut self, cost: &Cost) {
        if !cost.currency.eq_ignore_ascii_case("usd") {
            return;
        }
        // A float that fits no integer saturates.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and money is small"
        )]
        let micro = (cost.amount * 1e6).round() as u64;
        self.before.get_or_insert(micro);
        self.now = self.now.max(micro);
    }

    pub(super) fn microusd(&self) -> u64 {
        self.now.saturating_sub(self.before.unwrap_or_default())
    }
}

/// Tokens read and written.
pub(super) fn tokens(usage: Option<&Usage>) -> (u64, u64) {
    let Some(usage) = usage else { return (0, 0) };
    let cached = [usage.cached_read_tokens, usage.cached_write_tokens];
    let read = cached.into_iter().flatten().fold(usage.input_tokens, u64::saturating_add);
    (read, usage.output_tokens)
}

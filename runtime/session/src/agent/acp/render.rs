//! The transcript that people watch: turns with their prompts, what the model says, its tools in one
//! line each, results folded, plans, and what a turn used. Whoever shows it cleans it.

use super::turn::ended;
use crate::agent::troubled::troubled;
use agent_client_protocol_schema::{
    ContentBlock, Plan, PlanEntryStatus, ToolCallContent, ToolCallStatus, ToolCallUpdate,
};
use foureyes_ports::{backend::TurnEnd, text::clean_text};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of text that wait for the end of their line at most.
const PENDING: usize = 4000;
/// Lines of a result that are shown: of a good one, and of a failure.
const FOLDED: (usize, usize) = (4, 8);
/// Lines of the model's thoughts that are shown.
const THOUGHT: usize = 3;
/// Entries of a plan that are shown.
const ENTRIES: usize = 20;
/// Characters of a call's title and details that are shown.
const ARGUMENTS: usize = 140;
/// Calls that are remembered until they end.
const REMEMBERED: usize = 64;

/// Who speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Voice {
    #[default]
    Said,
    Thought,
}

#[derive(Debug, Default)]
struct Call {
    title: String,
    details: String,
    shown: bool,
}

/// Draws one session's transcript.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    turns: u64,
    voice: Voice,
    partial: String,
    thoughts: usize,
    calls: BTreeMap<String, Call>,
}

impl Renderer {
    /// The head of a turn: a prompt was taken.
    pub(super) fn turn(&mut self, head: &str) -> Vec<String> {
        self.turns += 1;
        vec![String::new(), format!("━━ turn {} ━ {}", self.turns, clean_text(head, ARGUMENTS))]
    }

    /// A piece of text. Gives the lines that it ends.
    pub(super) fn text(&mut self, voice: Voice, content: &ContentBlock) -> Vec<String> {
        let ContentBlock::Text(text) = content else { return Vec::new() };
        let mut lines = Vec::new();
        if voice != self.voice {
            lines.extend(self.flush());
            self.voice = voice;
        }
        for piece in text.text.split_inclusive('\n') {
            self.partial.push_str(piece);
            if piece.ends_with('\n') || self.partial.len() > PENDING {
                lines.extend(self.line());
            }
        }
        lines
    }

    /// What was said and has no end of line yet.
    pub(super) fn flush(&mut self) -> Vec<String> {
        let line = if self.partial.is_empty() { None } else { self.line() };
        self.thoughts = 0;
        line.into_iter().collect()
    }

    fn line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.partial);
        let line = line.trim_end();
        if self.voice == Voice::Said {
            return Some(line.to_owned());
        }
        self.thoughts += 1;
        (self.thoughts <= THOUGHT && !line.is_empty()).then(|| format!("∴ {line}"))
    }

    /// News of a call. It is shown when it runs, asks or ends, since many agents announce it before
    /// they know what it is about.
    pub(super) fn call(&mut self, update: &ToolCallUpdate, asks: bool) -> Vec<String> {
        let fields = &update.fields;
        let id = clean_text(&update.tool_call_id.0, 128);
        let mut call = self.calls.remove(&id).unwrap_or_default();
        if let Some(title) = fields.title.as_deref().filter(|_| !asks || call.title.is_empty()) {
            call.title = clean_text(title, ARGUMENTS);
        }
        // What was told of a call before it was known may be worth less than what a question tells.
        if let Some((details, plain)) = fields.raw_input.as_ref().map(details)
            && (plain || call.details.is_empty())
        {
            call.details = details;
        }
        let over = ended(fields.status);
        let mut lines = Vec::new();
        if !call.shown && (over || asks || fields.status == Some(ToolCallStatus::InProgress)) {
            lines.push(call.line());
            call.shown = true;
        }
        if over {
            let failed = fields.status == Some(ToolCallStatus::Failed);
            lines.extend(result(fields.content.as_deref().unwrap_or_default(), failed));
        } else if self.calls.len() < REMEMBERED {
            self.calls.insert(id, call);
        }
        lines
    }

    /// The foot of a turn.
    pub(super) fn foot(&mut self, end: &TurnEnd, tokens: (u64, u64), microusd: u64) -> Vec<String> {
        let mut lines = self.flush();
        self.calls.clear();
        let money = format!("${}.{:04}", microusd / 1_000_000, microusd % 1_000_000 / 100);
        lines.push(format!("── {} · {} read, {} written · {money} so far", how(end), tokens.0, tokens.1));
        lines
    }
}

impl Call {
    fn line(&self) -> String {
        let title = if self.title.is_empty() { "a tool" } else { &self.title };
        match self.details.as_str() {
            details if title.contains(details) => format!("● {title}"),
            details => format!("● {title}  {details}"),
        }
    }
}

/// What a call is about, and whether it says so plainly: by its command or its file, and not by all
/// its arguments.
fn details(input: &Value) -> (String, bool) {
    let known = ["command", "filePath", "file_path", "filepath", "path", "pattern", "query"];
    let told = known.iter().find_map(|key| input[key].as_str());
    match told {
        Some(told) => (clean_text(told.trim_start_matches("/work/"), ARGUMENTS), true),
        None if input.as_object().is_none_or(serde_json::Map::is_empty) => (String::new(), false),
        None => (clean_text(&input.to_string(), ARGUMENTS), false),
    }
}

fn result(content: &[ToolCallContent], failed: bool) -> Vec<String> {
    let (mark, max) = if failed { ("  ✗ ", FOLDED.1) } else { ("  ⎿ ", FOLDED.0) };
    let said: Vec<String> = content.iter().filter_map(said).collect();
    let said = said.join("\n");
    let mut source = said.trim().lines();
    let heads = std::iter::once(mark).chain(std::iter::repeat("    "));
    let mut lines: Vec<String> =
        heads.zip(source.by_ref().take(max)).map(|(head, line)| format!("{head}{line}")).collect();
    match source.count() {
        0 => {}
        1 => lines.push("    … 1 line more".to_owned()),
        left => lines.push(format!("    … {left} lines more")),
    }
    if lines.is_empty() {
        lines.push(format!("{mark}{}", if failed { "failed" } else { "done" }));
    }
    lines
}

fn said(content: &ToolCallContent) -> Option<String> {
    match content {
        ToolCallContent::Content(content) => match &content.content {
            ContentBlock::Text(text) => Some(text.text.clone()),
            _ => None,
        },
        ToolCallContent::Diff(diff) => {
            let lines = |text: &str| text.lines().count();
            let before = diff.old_text.as_deref().map_or(0, lines);
            let path = diff.path.display().to_string();
            let path = clean_text(path.trim_start_matches("/work/"), ARGUMENTS);
            Some(format!("{path} (+{} −{before})", lines(&diff.new_text)))
        }
        _ => None,
    }
}

/// The agent's plan, whole.
pub(super) fn plan(plan: &Plan) -> Vec<String> {
    let entry = |entry: &agent_client_protocol_schema::PlanEntry| {
        let mark = match entry.status {
            PlanEntryStatus::Completed => "☑",
            PlanEntryStatus::InProgress => "◐",
            _ => "☐",
        };
        format!("{mark} {}", clean_text(&entry.content, ARGUMENTS))
    };
    plan.entries.iter().take(ENTRIES).map(entry).collect()
}

fn how(end: &TurnEnd) -> String {
    match end {
        TurnEnd::Done => "done".to_owned(),
        TurnEnd::Interrupted => "interrupted".to_owned(),
        TurnEnd::Failed(trouble) => troubled(trouble),
        TurnEnd::GaveUp(why) => format!("gave up: {}", clean_text(why, ARGUMENTS)),
    }
}

//! The transcript that people watch: turns with their prompts, what the model says, its tools in one
//! line each, results folded, refusals in red.

use super::{
    command::SERVER,
    value::{content_text, list, number, text},
};
use crate::agent::{
    styled::{StyledLine, Tone},
    troubled::troubled,
};
use foureyes_ports::{
    backend::TurnEnd,
    text::{clean_lines, clean_text},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Lines of a result that are shown: of a good one, and of a refusal.
const FOLDED: (usize, usize) = (4, 8);
/// Lines of one text of the model that are shown.
const SAID: usize = 200;
/// Lines of its thoughts that are shown.
const THOUGHT: usize = 3;
/// Characters of a call's arguments that are shown.
const ARGUMENTS: usize = 140;
/// Characters of one line of a result that are shown.
const WIDE: usize = 240;
/// Calls whose names are remembered until their results come.
const REMEMBERED: usize = 64;

/// How the CLI tells its model, at length, that a call was interrupted.
const STOPPED: &str = "The user doesn't want to";

/// Draws one session's transcript.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    tools: BTreeMap<String, String>,
    turns: u64,
    microusd: u64,
}

impl Renderer {
    /// The head of a turn: a message was taken.
    pub(super) fn turn(&mut self, message: &Value) -> Vec<StyledLine> {
        self.turns += 1;
        let said = content_text(&message["content"]);
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let head = format!("━━ turn {} ━ ", self.turns);
        vec![
            StyledLine::default(),
            StyledLine::new(Tone::Accent, head).and(Tone::Strong, clean_text(first, ARGUMENTS)),
        ]
    }

    /// What the model said and which tools it calls.
    pub(super) fn assistant(&mut self, line: &Value) -> Vec<StyledLine> {
        let message = &line["message"];
        // The CLI's own words about a failed request come as the model's.
        let tone = if message["model"] == "<synthetic>" { Tone::Bad } else { Tone::Plain };
        list(message, "content").iter().flat_map(|block| self.block(block, tone)).collect()
    }

    fn block(&mut self, block: &Value, tone: Tone) -> Vec<StyledLine> {
        match text(block, "type") {
            "text" => said(text(block, "text"), tone),
            "thinking" => folded(text(block, "thinking"), THOUGHT, "∴ ", Tone::Dim),
            "tool_use" => {
                let name = text(block, "name");
                if self.tools.len() < REMEMBERED {
                    self.tools.insert(clean_text(text(block, "id"), 128), name.to_owned());
                }
                vec![call(name, &block["input"])]
            }
            _ => Vec::new(),
        }
    }

    /// The results of tools.
    pub(super) fn results(&mut self, message: &Value) -> Vec<StyledLine> {
        let blocks = list(message, "content").iter().filter(|block| block["type"] == "tool_result");
        blocks.flat_map(|block| self.result(block)).collect()
    }

    fn result(&mut self, block: &Value) -> Vec<StyledLine> {
        let name = self.tools.remove(&clean_text(text(block, "tool_use_id"), 128)).unwrap_or_default();
        let said = content_text(&block["content"]);
        // With several calls under way it must be told whose result it is.
        let whose = if self.tools.is_empty() { String::new() } else { format!("{}: ", shown_name(&name)) };
        if block["is_error"] == true {
            let said = said.replace("<tool_use_error>", "").replace("</tool_use_error>", "");
            let said = if said.starts_with(STOPPED) { "stopped" } else { &said };
            return folded(&format!("{whose}{}", said.trim()), FOLDED.1, "  ✗ ", Tone::Bad);
        }
        match name.as_str() {
            // The call's own line said it all.
            "Write" | "Edit" => Vec::new(),
            "Read" => folded(&format!("{whose}{}", lines(said.lines().count())), 1, "  ⎿ ", Tone::Dim),
            _ if said.trim().is_empty() => folded(&format!("{whose}(nothing)"), 1, "  ⎿ ", Tone::Dim),
            _ => folded(&format!("{whose}{}", said.trim()), FOLDED.0, "  ⎿ ", Tone::Dim),
        }
    }

    /// The foot of a turn.
    pub(super) fn foot(&mut self, result: &Value, end: &TurnEnd, read: u64, cost: u64) -> StyledLine {
        self.tools.clear();
        let spent = cost.saturating_sub(self.microusd);
        self.microusd = cost.max(self.microusd);
        let (tone, how) = ending(end);
        let numbers = format!(
            " in {} · {} read, {} written · ${}.{:04}",
            duration(number(result, "duration_ms")),
            count(read),
            count(number(&result["usage"], "output_tokens")),
            spent / 1_000_000,
            spent % 1_000_000 / 100
        );
        StyledLine::new(Tone::Dim, "── ").and(tone, how).and(Tone::Dim, numbers)
    }
}

/// The model did not answer, and the CLI will ask again.
pub(super) fn retry(line: &Value) -> StyledLine {
    let status = line["error_status"].as_u64().map_or("no answer".to_owned(), |status| status.to_string());
    let next = duration(number(line, "retry_delay_ms"));
    let (attempt, most) = (number(line, "attempt"), number(line, "max_retries"));
    let what = clean_text(text(line, "error"), 40);
    StyledLine::new(Tone::Warn, format!("↻ {status} ({what}); again in {next}, {attempt} of {most}"))
}

/// The conversation was made shorter.
pub(super) fn compacted(line: &Value) -> StyledLine {
    let data = &line["compact_metadata"];
    let (trigger, before) = (clean_text(text(data, "trigger"), 20), count(number(data, "pre_tokens")));
    StyledLine::new(Tone::Warn, format!("━━ conversation compacted ({trigger}), {before} tokens before it"))
}

/// The program is not what was ordered.
pub(super) fn unfit(why: &str) -> StyledLine {
    StyledLine::new(Tone::Bad, format!("✗ {why}"))
}

fn said(said: &str, tone: Tone) -> Vec<StyledLine> {
    let mut fenced = false;
    let mut shown: Vec<StyledLine> = Vec::new();
    let mut source = said.trim_end().lines();
    for line in source.by_ref().take(SAID) {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        let tone = match tone {
            Tone::Plain if fence => Tone::Dim,
            Tone::Plain if fenced => Tone::Accent,
            Tone::Plain if line.starts_with('#') => Tone::Strong,
            tone => tone,
        };
        shown.push(StyledLine::new(tone, line));
    }
    shown.extend(more(source.count(), ""));
    shown
}

/// The first lines, each indented as the first, which carries the mark.
fn folded(said: &str, max: usize, mark: &str, tone: Tone) -> Vec<StyledLine> {
    let indent = " ".repeat(mark.chars().count());
    let mut source = said.trim().lines();
    let heads = std::iter::once(mark).chain(std::iter::repeat(indent.as_str()));
    let mut shown: Vec<StyledLine> = heads
        .zip(source.by_ref().take(max))
        .map(|(head, line)| StyledLine::new(tone, format!("{head}{}", clean_lines(line, 1, WIDE))))
        .collect();
    shown.extend(more(source.count(), &indent));
    shown
}

fn more(count: usize, indent: &str) -> Option<StyledLine> {
    let left = lines(count);
    (count > 0).then(|| StyledLine::new(Tone::Dim, format!("{indent}… {left} more")))
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

/// A call in one line.
fn call(name: &str, input: &Value) -> StyledLine {
    StyledLine::new(Tone::Accent, "● ")
        .and(Tone::Strong, shown_name(name))
        .and(Tone::Plain, format!("  {}", arguments(name, input)))
}

/// A tool's name without the server's, where the server is the runtime.
fn shown_name(name: &str) -> String {
    clean_text(name.strip_prefix(&format!("mcp__{SERVER}__")).unwrap_or(name), 64)
}

fn arguments(name: &str, input: &Value) -> String {
    let path = || clean_text(text(input, "file_path").trim_start_matches("/work/"), ARGUMENTS);
    let lines = |key: &str| text(input, key).lines().count();
    match name {
        "Bash" => clean_text(text(input, "command"), ARGUMENTS),
        "Read" => path(),
        "Write" => format!("{} (+{})", path(), lines("content")),
        "Edit" => format!("{} (+{} −{})", path(), lines("new_string"), lines("old_string")),
        "Grep" | "Glob" => {
            let place = text(input, "path").trim_start_matches("/work/");
            let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
            clean_text(&format!("{}{place}", text(input, "pattern")), ARGUMENTS)
        }
        _ => clean_text(&input.to_string(), ARGUMENTS),
    }
}

fn ending(end: &TurnEnd) -> (Tone, String) {
    match end {
        TurnEnd::Done => (Tone::Dim, "done".to_owned()),
        TurnEnd::Interrupted => (Tone::Warn, "interrupted".to_owned()),
        TurnEnd::Failed(trouble) => (Tone::Bad, troubled(trouble)),
        TurnEnd::GaveUp(why) => (Tone::Bad, format!("gave up: {}", clean_text(why, ARGUMENTS))),
    }
}

fn duration(millis: u64) -> String {
    match millis {
        0..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

fn count(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        1000..1_000_000 => format!("{}.{}k", n / 1000, n % 1000 / 100),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

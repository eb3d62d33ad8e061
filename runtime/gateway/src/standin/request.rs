//! A request of the Messages API as the stand-in reads it: which tools it offers, and what was done
//! since the prompt that the model now works on.

use serde_json::{Map, Value};

/// Where agents work, unless the request says something else.
const WORK: &str = "/work";
/// Begins a text that the program put in and no person wrote.
const REMINDER: &str = "<system-reminder>";
/// Begins the text that tells of an interrupt; what follows is a new prompt.
const INTERRUPTED: &str = "[Request interrupted by user";
/// Words of a request to sum the conversation up.
const SUM_UP: [&str; 2] = ["Respond with TEXT ONLY", "create a detailed summary of the conversation"];
/// Begins a line that keeps something in the conversation itself.
pub(super) const NOTED: &str = "noted ";

/// A call that was made, with what came of it: its text, or the text of its error.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Done {
    pub name: String,
    pub input: Map<String, Value>,
    pub result: Result<String, String>,
}

/// A tool that the request offers.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub name: String,
    /// The names of its arguments.
    pub arguments: Vec<String>,
}

/// What matters of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub tools: Vec<Offer>,
    /// The calls of the turn that have a result, in order.
    pub turn: Vec<Done>,
    /// What was noted before this turn, oldest first.
    pub notes: Vec<(String, Value)>,
    /// The directory that the agent works in.
    pub work: String,
    /// Whether a summary is asked for instead of work.
    pub sum_up: bool,
}

impl Seen {
    pub(super) fn of(request: &Value) -> Self {
        let messages = list(&request["messages"]);
        let start = start_of_turn(messages);
        let (before, turn) = messages.split_at(start);
        let asked = messages.iter().rev().find(|m| is_role(m, "user"));
        let for_summary = |text: &str| SUM_UP.iter().any(|words| text.contains(words));
        Self {
            tools: list(&request["tools"]).iter().filter_map(offer).collect(),
            turn: done(turn),
            notes: before.iter().flat_map(texts).flat_map(str::lines).filter_map(note).collect(),
            work: work(request).unwrap_or(WORK).to_owned(),
            sum_up: asked.is_some_and(|m| texts(m).any(for_summary)),
        }
    }

    /// Leaves a tool of the program alone.
    pub(super) fn forget(&mut self, name: &str) {
        self.tools.retain(|t| !t.name.eq_ignore_ascii_case(name));
    }

    /// The program's own tool of this name, in any case.
    pub(super) fn own(&self, name: &str) -> Option<&Offer> {
        self.tools.iter().find(|t| t.name.eq_ignore_ascii_case(name))
    }

    /// The runtime's tool of this name, however the program writes the name of its server before it.
    pub(super) fn runtime(&self, tool: &str) -> Option<&Offer> {
        let after_server = |t: &&Offer| t.name.rsplit("__").next() == Some(tool);
        let after_line = |t: &&Offer| t.name.strip_suffix(tool).is_some_and(|server| server.ends_with('_'));
        self.tools.iter().find(after_server).or_else(|| self.tools.iter().find(after_line))
    }

    /// The name by which the program would know a tool of the runtime that it does not offer.
    pub(super) fn runtime_name(&self, tool: &str) -> String {
        let server = self.runtime("inbox").and_then(|inbox| inbox.name.strip_suffix("inbox"));
        format!("{}{tool}", server.unwrap_or_default())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn offer(tool: &Value) -> Option<Offer> {
    let properties = tool["input_schema"]["properties"].as_object();
    let arguments = properties.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    Some(Offer { name: tool["name"].as_str()?.to_owned(), arguments })
}

fn is_role(message: &Value, role: &str) -> bool {
    message["role"] == role
}

/// The blocks of a message of one kind.
fn blocks<'m>(message: &'m Value, kind: &'static str) -> impl Iterator<Item = &'m Value> {
    list(&message["content"]).iter().filter(move |block| block["type"] == kind)
}

/// The texts of a message.
pub(super) fn texts(message: &Value) -> impl Iterator<Item = &str> {
    let whole = message["content"].as_str();
    whole.into_iter().chain(blocks(message, "text").filter_map(|block| block["text"].as_str()))
}

/// The calls of an assistant's message: id, name and arguments.
fn calls(message: &Value) -> impl Iterator<Item = &Value> {
    blocks(message, "tool_use").filter(|_| is_role(message, "assistant"))
}

/// The calls that the model made in the whole conversation.
pub(super) fn all_calls(request: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = list(&request["messages"]).iter().flat_map(calls);
    all.filter_map(|call| Some((call["name"].as_str()?, &call["input"])))
}

/// The text of a result, whose content is a text or a list of blocks.
pub(super) fn result_text(result: &Value) -> String {
    texts(result).collect::<Vec<_>>().join("\n")
}

/// What the user's messages of the conversation hold: prompts, and what tools returned.
pub(super) fn read_by_the_model(request: &Value) -> impl Iterator<Item = String> {
    let system = serde_json::json!({"content": request["system"]});
    let of_system: Vec<String> = texts(&system).map(str::to_owned).collect();
    let others = list(&request["messages"]).iter().filter(|m| !is_role(m, "assistant"));
    let said =
        others.flat_map(|m| texts(m).map(str::to_owned).chain(blocks(m, "tool_result").map(result_text)));
    of_system.into_iter().chain(said)
}

/// Where the calls of the present turn begin.
///
/// A turn begins after the model's last message without a call; after the last prompt, which is a
/// user's message that holds no result but a text of somebody; and after an interrupt. Texts beside
/// results are reminders of the program and begin nothing: else every one of them would.
fn start_of_turn(messages: &[Value]) -> usize {
    let mut start = 0;
    let mut at = 0;
    while at < messages.len() {
        let message = &messages[at];
        if is_role(message, "assistant") {
            // Programs may keep the blocks of one answer as several messages.
            let end = at + messages[at..].iter().take_while(|m| is_role(m, "assistant")).count();
            if messages[at..end].iter().all(|m| calls(m).next().is_none()) {
                start = end;
            }
            at = end;
            continue;
        }
        at += 1;
        if is_role(message, "user") && begins_turn(message) {
            start = at;
        }
    }
    start
}

fn begins_turn(message: &Value) -> bool {
    let interrupted = texts(message).any(|t| t.trim_start().starts_with(INTERRUPTED));
    let results = blocks(message, "tool_result").next().is_some();
    let somebody = |t: &str| !t.trim_start().starts_with(REMINDER) && !t.trim().is_empty();
    interrupted || (!results && texts(message).any(somebody))
}

/// The calls of these messages that have a result.
fn done(messages: &[Value]) -> Vec<Done> {
    let results: Vec<&Value> = messages.iter().flat_map(|m| blocks(m, "tool_result")).collect();
    let finished = |call: &Value| {
        let result = results.iter().find(|r| r["tool_use_id"] == call["id"])?;
        let text = result_text(result);
        Some(Done {
            name: call["name"].as_str()?.to_owned(),
            input: call["input"].as_object().cloned().unwrap_or_default(),
            result: if result["is_error"] == true { Err(text) } else { Ok(text) },
        })
    };
    messages.iter().flat_map(calls).filter_map(finished).collect()
}

/// A line that keeps something: its name and what it is.
fn note(line: &str) -> Option<(String, Value)> {
    let (name, what) = line.trim().strip_prefix(NOTED)?.split_once(": ")?;
    Some((name.to_owned(), serde_json::from_str(what).ok()?))
}

/// Where the program says that it works.
fn work(request: &Value) -> Option<&str> {
    let system = list(&request["system"]).iter().filter_map(|block| block["text"].as_str());
    let messages = list(&request["messages"]).iter().filter(|m| !is_role(m, "assistant")).flat_map(texts);
    let lines = request["system"].as_str().into_iter().chain(system).chain(messages).flat_map(str::lines);
    let named = lines.filter_map(|line| line.split_once("orking directory: "));
    named.map(|(_, path)| path.trim()).find(|path| path.starts_with('/'))
}

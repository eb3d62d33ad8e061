//! Hands that act through a program's tools. The conversation is their memory: what it holds a result
//! for has been done, and the first act without one is what the program is asked for next. So the
//! player is played from the start of its turn with every request, and nothing is kept between two.

use super::{
    request::{Done, NOTED, Offer, Seen},
    shell,
};
use crate::{
    client::BAD_CALL,
    player::{failure::Failure, hands::Hands, programs, screen::Screen},
};
use foureyes_ports::model::{Block, Reply, ReplyOutcome};
use serde_json::{Map, Value, json};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The most envelopes of one look into the inbox: long results are cut by some programs.
const AT_ONCE: usize = 5;
/// What a tool's error says when the file has to be read before it is written.
const READ_FIRST: [&str; 2] = ["not been read", "since read"];
/// Lines that programs add to the output of a command, or put where there is none.
const REMARKS: [&str; 3] =
    ["Shell cwd was reset", "(Bash completed with no output)", "Tool ran without output or errors"];
/// Names that programs have for the arguments of their writer.
const PATHS: [&str; 3] = ["file_path", "filePath", "path"];
const TEXTS: [&str; 2] = ["content", "text"];

/// The hands.
pub(super) struct Replay {
    seen: Seen,
    /// How many of the turn's calls are consumed.
    at: usize,
    /// What is asked for next.
    next: Option<ReplyOutcome>,
    think: Duration,
    said: Said,
    screen: Screen,
    /// What was noted in this turn, where there is no shell to note it.
    notes: Vec<(String, Value)>,
}

impl Replay {
    pub(super) fn new(seen: Seen) -> Self {
        let said = Said::default();
        let screen = Screen::plain(said.clone());
        Self { seen, at: 0, next: None, think: Duration::ZERO, said, screen, notes: Vec::new() }
    }

    /// The answer: what is asked for next, else that nothing is left to do.
    pub(super) fn reply(mut self) -> Reply {
        let think = self.think;
        let outcome = match self.next.take() {
            Some(ReplyOutcome::Message(blocks)) => {
                ReplyOutcome::Message(self.said.block().into_iter().chain(blocks).collect())
            }
            Some(other) => other,
            None => {
                self.said.line("nothing more to do");
                ReplyOutcome::Message(self.said.block().into_iter().collect())
            }
        };
        Reply { think, outcome }
    }

    /// Calls one of the program's tools.
    fn act(&mut self, name: &str, input: Map<String, Value>) -> Result<String, Failure> {
        if self.next.is_some() {
            return Err(Failure::Suspended);
        }
        // What stands between is of others: of a person, or of a model that obeys.
        let same = |done: &Done| done.name == name && input.iter().all(|(k, v)| done.input.get(k) == Some(v));
        let Some(ahead) = self.seen.turn[self.at..].iter().position(same) else {
            let call = Block::ToolUse { name: name.to_owned(), input };
            self.next = Some(ReplyOutcome::Message(vec![call]));
            return Err(Failure::Suspended);
        };
        self.at += ahead + 1;
        self.said.clear();
        self.think = Duration::ZERO;
        self.seen.turn[self.at - 1].result.clone().map_err(|text| failed(&text))
    }

    /// Runs a command line.
    fn shell(&mut self, command: String, what: &str) -> Result<String, Failure> {
        let Some(shell) = self.seen.own("bash").cloned() else {
            return Err(no_tool("a shell"));
        };
        let (name, input) = self::command(Some(&shell), command, what);
        let out = self.act(&name, input)?;
        let lines: Vec<&str> = out.lines().filter(|l| !REMARKS.iter().any(|r| l.starts_with(r))).collect();
        Ok(lines.join("\n"))
    }

    fn has_shell(&self) -> bool {
        self.seen.own("bash").is_some()
    }

    fn shown(&mut self, shown: &str, command: String, what: &str) -> Result<(), Failure> {
        self.screen.command(shown);
        self.shell(command, what)?;
        self.screen.good("done");
        Ok(())
    }

    /// What a line of the conversation keeps, the newest first.
    fn kept(&self, name: &str) -> Option<&Value> {
        let all = self.seen.notes.iter().chain(&self.notes);
        all.rev().find(|(known, _)| known == name).map(|(_, what)| what)
    }

    fn keep(&mut self, name: &str, what: &Value) {
        self.said.line(&format!("{NOTED}{name}: {what}"));
        self.notes.push((name.to_owned(), what.clone()));
    }

    /// Writes with the program's own tool, which may want to read the file first.
    fn write_with(&mut self, writer: &Offer, path: &str, text: &str) -> Result<(), Failure> {
        let place = format!("{}/{path}", self.seen.work);
        let (_, input) = writing(Some(writer), &writer.name, &place, text);
        let refused = match self.act(&writer.name, input.clone()) {
            Err(Failure::Broken(said)) if READ_FIRST.iter().any(|words| said.contains(words)) => said,
            other => return other.map(drop),
        };
        let Some(reader) = self.seen.own("read").cloned() else { return Err(Failure::Broken(refused)) };
        let key = argument(Some(&reader), &PATHS);
        self.act(&reader.name, Map::from_iter([(key, json!(place))]))?;
        self.act(&writer.name, input).map(drop)
    }
}

/// The call that runs a command line; where no shell is offered, as Claude Code would know it.
pub(super) fn command(shell: Option<&Offer>, command: String, what: &str) -> (String, Map<String, Value>) {
    let mut input = Map::from_iter([("command".to_owned(), Value::String(command))]);
    if shell.is_none_or(|s| s.arguments.iter().any(|a| a == "description")) {
        input.insert("description".to_owned(), json!(what));
    }
    (shell.map_or_else(|| "Bash".to_owned(), |s| s.name.clone()), input)
}

/// The call that writes a file; `name` is the tool's where none is offered.
pub(super) fn writing(
    writer: Option<&Offer>,
    name: &str,
    path: &str,
    text: &str,
) -> (String, Map<String, Value>) {
    let place = (argument(writer, &PATHS), json!(path));
    let content = (argument(writer, &TEXTS), json!(text));
    (writer.map_or(name, |w| w.name.as_str()).to_owned(), Map::from_iter([place, content]))
}

/// The first of these names that the tool has for an argument.
fn argument(offer: Option<&Offer>, names: &[&str]) -> String {
    let has = |name: &&&str| offer.is_some_and(|o| o.arguments.iter().any(|a| a == **name));
    names.iter().find(has).unwrap_or(&names[0]).to_string()
}

/// What an error's text means to a player.
fn failed(text: &str) -> Failure {
    match text.contains(BAD_CALL) || text.contains("No such tool") {
        true => Failure::Refused { code: BAD_CALL.to_owned(), text: text.trim().to_owned() },
        false => Failure::said(text),
    }
}

fn no_tool(what: &str) -> Failure {
    Failure::Refused { code: BAD_CALL.to_owned(), text: format!("{BAD_CALL}: {what} is not offered") }
}

impl Hands for Replay {
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn call(&mut self, tool: &str, args: Value, key: Option<&str>) -> Result<Value, Failure> {
        let Value::Object(mut input) = args else {
            return Err(no_tool(&format!("{tool} without arguments")));
        };
        let offer = self.seen.runtime(tool).cloned();
        if let Some(key) = key
            && offer.as_ref().is_some_and(|o| o.arguments.iter().any(|a| a == crate::tools::KEY))
        {
            input.insert(crate::tools::KEY.to_owned(), json!(key));
        }
        let name = offer.map_or_else(|| self.seen.runtime_name(tool), |o| o.name);
        let mut text = self.act(&name, input.clone())?;
        if tool == "inbox" && !text.trim_start().starts_with('{') && input.get("max") != Some(&json!(1)) {
            // Too long for the program: it shows something else instead.
            text = self.act(&name, Map::from_iter([("max".to_owned(), json!(1))]))?;
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn run(&mut self, argv: &[&str]) -> Result<String, Failure> {
        let what = argv.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        self.shell(shell::words(argv), &format!("Run {what}"))
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), Failure> {
        programs::inside(path)?;
        match self.seen.own("write").cloned() {
            Some(writer) => self.write_with(&writer, path, text),
            None => self.shell(shell::write(path, text), &format!("Write {path}")).map(drop),
        }
    }

    fn append(&mut self, path: &str, line: &str) -> Result<(), Failure> {
        self.shell(shell::append(path, line), &format!("Append to {path}")).map(drop)
    }

    fn branch(&mut self, feature: &str, base: &str) -> Result<String, Failure> {
        let out = self.shell(shell::branch(feature, base), &format!("Switch to feature/{feature}"))?;
        Ok(out.lines().last().unwrap_or_default().to_owned())
    }

    fn commit(&mut self, message: &str) -> Result<Option<String>, Failure> {
        let out = self.shell(shell::commit(message), "Commit what changed")?;
        let id = out.lines().last().unwrap_or_default().to_owned();
        Ok((id != shell::NOTHING_NEW).then_some(id))
    }

    fn merge_main(&mut self) -> Result<(), Failure> {
        self.shown("git merge of the target branch", shell::merge_main(), "Merge the target branch")
    }

    fn push_main(&mut self, options: &[&str]) -> Result<(), Failure> {
        let shown = [&["git push"], options, &["to the target branch"]].concat().join(" ");
        self.shown(&shown, shell::push_main(options), "Push to the target branch")
    }

    fn push_unsigned(&mut self, feature: &str) -> Result<(), Failure> {
        let what = "Push a commit without signature";
        self.shown("git push of a commit without signature", shell::push_unsigned(feature), what)
    }

    fn leave(&mut self, mark: &str) -> Result<bool, Failure> {
        if self.has_shell() {
            let out = self.shell(shell::leave(mark), "Leave a mark")?;
            return Ok(out.lines().any(|l| l == shell::NEW));
        }
        let fresh = self.kept(mark).is_none();
        if fresh {
            self.keep(mark, &Value::Bool(true));
        }
        Ok(fresh)
    }

    fn has(&mut self, mark: &str) -> Result<bool, Failure> {
        if self.has_shell() {
            let out = self.shell(shell::has(mark), "Look for a mark")?;
            return Ok(out.lines().any(|l| l == shell::THERE));
        }
        Ok(self.kept(mark).is_some())
    }

    fn note(&mut self, name: &str, what: &Value) -> Result<(), Failure> {
        if self.has_shell() {
            return self.shell(shell::note(name, &what.to_string()), "Keep a note").map(drop);
        }
        self.keep(name, what);
        Ok(())
    }

    fn noted(&mut self, name: &str) -> Result<Option<Value>, Failure> {
        if self.has_shell() {
            let out = self.shell(shell::noted(name), "Look for a note")?;
            return Ok(serde_json::from_str(&out).ok());
        }
        Ok(self.kept(name).cloned())
    }

    fn rest(&mut self, time: Duration) {
        self.think += time;
    }

    /// Kills the program that runs the commands: the call never gets a result.
    fn crash(&mut self) -> Result<(), Failure> {
        self.shell("kill -9 $PPID".to_owned(), "Kill the agent")?;
        Err(Failure::Broken("not killed".to_owned()))
    }

    fn hang(&mut self) -> Result<(), Failure> {
        self.next.get_or_insert(ReplyOutcome::Silence);
        Err(Failure::Suspended)
    }

    fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }
}

/// What is said before the next call.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn with<T>(&self, change: impl FnOnce(&mut String) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn clear(&self) {
        self.with(String::clear);
    }

    fn line(&self, line: &str) {
        self.with(|text| text.extend([line, "\n"]));
    }

    /// The text as a block; none where nothing was said.
    fn block(&self) -> Option<Block> {
        let text = self.with(|text| text.trim_end().to_owned());
        (!text.is_empty()).then_some(Block::Text(text))
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|text| text.push_str(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! An agent program as the stand-in sees one: it keeps the conversation, carries the calls out with
//! real git in the stage's clone, and brings the results back.
#![allow(clippy::disallowed_methods)] // a real shell

use crate::{client::Client, player::tests::stage::Stage, tools};
use foureyes_ports::model::{Block, Reply, ReplyOutcome, StandIn};
use foureyes_protocol::Family;
use serde_json::{Map, Value, json};
use std::{
    fs,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

/// The most answers of one turn; more are a loop.
const MOST: usize = 400;

pub(super) struct Driver<'s> {
    pub stage: &'s Stage,
    model: Arc<dyn StandIn>,
    pub agent: String,
    pub tools: Vec<Value>,
    pub messages: Vec<Value>,
    /// How long the model thought.
    pub thought: Duration,
    /// Whether the writer wants files to be read first.
    pub read_first: bool,
    next: usize,
}

fn own(name: &str, arguments: &[&str]) -> Value {
    let properties: Map<String, Value> =
        arguments.iter().map(|a| ((*a).to_owned(), json!({"type": "string"}))).collect();
    json!({"name": name, "input_schema": {"type": "object", "properties": properties}})
}

/// The tools of Claude Code for a family, with ours.
pub(super) fn tools_of(family: Family) -> Vec<Value> {
    let mut all = vec![own("Read", &["file_path", "offset", "limit"]), own("Grep", &["pattern", "path"])];
    if matches!(family, Family::Dev | Family::Qa | Family::Docs) {
        all.push(own("Bash", &["command", "timeout", "description"]));
        all.push(own("Write", &["file_path", "content"]));
    }
    all.extend(
        tools::shown_to(family)
            .map(|t| json!({"name": format!("mcp__rt__{}", t.name), "input_schema": t.schema()})),
    );
    all
}

impl<'s> Driver<'s> {
    pub(super) fn new(stage: &'s Stage, model: Arc<dyn StandIn>, agent: &str, family: Family) -> Self {
        let environment = format!(
            "# Environment\n - Primary working directory: {}\n - Platform: linux",
            stage.work().display()
        );
        Self {
            stage,
            model,
            agent: agent.to_owned(),
            tools: tools_of(family),
            messages: vec![json!({"role": "system", "content": environment})],
            thought: Duration::ZERO,
            read_first: false,
            next: 0,
        }
    }

    pub(super) fn without(mut self, names: &[&str]) -> Self {
        self.tools.retain(|t| !names.contains(&t["name"].as_str().unwrap()));
        self
    }

    pub(super) fn say(&mut self, role: &str, content: impl Into<Value>) {
        self.messages.push(json!({"role": role, "content": content.into()}));
    }

    /// Asks the model. It answers the same to the same request.
    pub(super) fn ask(&self) -> Reply {
        let request =
            json!({"model": "claude", "system": [], "tools": self.tools, "messages": self.messages});
        let reply = self.model.reply(&self.agent, &request);
        assert_eq!(self.model.reply(&self.agent, &request), reply);
        reply
    }

    /// A whole turn; returns what was said.
    pub(super) fn turn(&mut self) -> String {
        let reminder = json!({"type": "text", "text": "<system-reminder>\nbe good\n</system-reminder>"});
        let prompt = json!({"type": "text", "text": "1 envelope waits: call `inbox`"});
        self.say("user", vec![reminder, prompt]);
        self.go_on()
    }

    /// The rest of a turn.
    pub(super) fn go_on(&mut self) -> String {
        let mut said = String::new();
        for _ in 0..MOST {
            let (text, calls) = self.answer();
            said += &text;
            if calls.is_empty() {
                return said;
            }
            let results: Vec<Value> = calls.iter().map(|call| self.carry_out(call)).collect();
            if results.iter().any(Value::is_null) {
                // Killed in mid-call: what a resumed program makes of it.
                let last = self.messages.pop().unwrap();
                let kept: Vec<Value> = last["content"].as_array().unwrap().clone();
                let kept: Vec<Value> = kept.into_iter().filter(|b| b["type"] == "text").collect();
                if !kept.is_empty() {
                    self.say("assistant", kept);
                }
                self.say("assistant", "No response requested.");
                return said + "killed\n";
            }
            self.say("user", results);
            if self.next.is_multiple_of(3) {
                self.say("system", "The user hasn't heard from you in a while.");
            }
        }
        panic!("no end: {said}");
    }

    /// One answer, put into the conversation: its text and its calls.
    pub(super) fn answer(&mut self) -> (String, Vec<Value>) {
        let reply = self.ask();
        self.thought += reply.think;
        let ReplyOutcome::Message(blocks) = reply.outcome else { panic!("{:?}", reply.outcome) };
        let (mut said, mut calls) = (String::new(), Vec::new());
        for block in blocks {
            match block {
                Block::Text(text) => {
                    said += &format!("{text}\n");
                    // Each block as a message of its own, as some programs keep them.
                    self.say("assistant", vec![json!({"type": "text", "text": text})]);
                }
                Block::ToolUse { name, input } => {
                    self.next += 1;
                    let id = format!("toolu_{}", self.next);
                    calls.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
                }
            }
        }
        if !calls.is_empty() {
            self.say("assistant", calls.clone());
        }
        (said, calls)
    }

    /// The result of a call; null when it killed the program.
    pub(super) fn carry_out(&mut self, call: &Value) -> Value {
        let (name, input) = (call["name"].as_str().unwrap(), &call["input"]);
        let offered = self.tools.iter().any(|t| t["name"] == name);
        let result = match name {
            _ if !offered => {
                Err(format!("<tool_use_error>Error: No such tool available: {name}</tool_use_error>"))
            }
            "Bash" if input["command"] == "kill -9 $PPID" => return Value::Null,
            "Bash" => self.bash(input["command"].as_str().unwrap()),
            "Write" => self.write(input),
            "Read" => {
                self.read_first = false;
                Ok(fs::read_to_string(input["file_path"].as_str().unwrap()).unwrap())
            }
            ours => self.runtime(ours.strip_prefix("mcp__rt__").unwrap(), input.clone()),
        };
        let (text, error) = match result {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        };
        // Both forms occur.
        let content = if error { json!(text) } else { json!([{"type": "text", "text": text}]) };
        json!({"type": "tool_result", "tool_use_id": call["id"], "content": content, "is_error": error})
    }

    fn bash(&self, command: &str) -> Result<String, String> {
        let mut bash = Command::new("bash");
        bash.args(["-c", "eval \"$1\" < /dev/null && pwd -P > /dev/null", "bash", command]);
        bash.current_dir(self.stage.work()).env("HOME", self.stage.home()).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = bash.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let text = text.trim_end();
        match output.status.code() {
            Some(0) if text.is_empty() => Ok("(Bash completed with no output)".to_owned()),
            Some(0) => Ok(text.to_owned()),
            code => Err(format!("Exit code {}\n{text}", code.unwrap())),
        }
    }

    fn write(&self, input: &Value) -> Result<String, String> {
        let path = std::path::Path::new(input["file_path"].as_str().unwrap());
        assert!(path.starts_with(self.stage.work()), "{path:?}");
        if self.read_first && path.exists() {
            let text = "<tool_use_error>File has not been read yet. Read it first before writing to it.</tool_use_error>";
            return Err(text.to_owned());
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, input["content"].as_str().unwrap()).unwrap();
        Ok(format!("File created successfully at: {}", path.display()))
    }

    fn runtime(&self, tool: &str, mut input: Value) -> Result<String, String> {
        let mut client = Client::connect(&self.stage.socket()).unwrap();
        let key = input.as_object_mut().unwrap().remove(tools::KEY);
        let answer = match key {
            Some(Value::String(key)) => client.call_once(tool, input, &key),
            _ => client.call(tool, input),
        };
        answer.map(|value| value.to_string()).map_err(|e| e.text)
    }

    /// The names of all calls of the conversation.
    pub(super) fn called(&self) -> Vec<String> {
        let request = json!({"messages": self.messages});
        super::super::request::all_calls(&request).map(|(name, _)| name.to_owned()).collect()
    }
}

//! A stage: a socket with a faked runtime behind it, an origin and a clone of the demo's crate.
#![allow(clippy::disallowed_methods)] // real git, cargo and a second process of this test

use super::super::*;
use serde_json::Value;
use std::{
    io::{BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::Mutex,
    thread,
};
use tempfile::TempDir;

/// What the faked runtime knows and was asked.
#[derive(Default)]
struct Runtime {
    inbox: Vec<Value>,
    acknowledged: Vec<String>,
    calls: Vec<(String, Value, String)>,
    answers: Vec<(String, Value)>,
    refusals: Vec<(String, String, usize)>,
    hang_up: Option<String>,
}

pub(crate) struct Stage {
    dir: TempDir,
    runtime: Arc<Mutex<Runtime>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let stage = Self { dir: TempDir::new().unwrap(), runtime: Arc::default() };
        stage.serve();
        stage.make_repositories();
        stage
    }

    fn serve(&self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let runtime = self.runtime.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let runtime = runtime.clone();
                thread::spawn(move || converse(stream, &runtime));
            }
        });
    }

    fn make_repositories(&self) {
        let base = self.dir.path().join("base");
        for (path, text) in foureyes_config::builtin::demo_files() {
            let file = base.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        fs::create_dir(self.home()).unwrap();
        let git = |args: &[&str]| self.git(&base, args);
        git(&["init", "-q", "-b", "main"]);
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "the base"]);
        git(&["clone", "-q", "--bare", ".", self.dir.path().join("origin").to_str().unwrap()]);
        git(&[
            "clone",
            "-q",
            self.dir.path().join("origin").to_str().unwrap(),
            self.work().to_str().unwrap(),
        ]);
        self.git(&self.work(), &["config", "user.name", "dev-x"]);
        self.git(&self.work(), &["config", "user.email", "dev-x@agents.invalid"]);
        self.guard_main();
    }

    /// The origin refuses its main branch as the runtime does.
    fn guard_main(&self) {
        let hook = self.dir.path().join("origin/hooks/update");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        let script = "#!/bin/sh\n[ \"$1\" != refs/heads/main ] && exit 0\n\
                      echo 'P-MAIN (repository): refs/heads/main is written by the runtime alone' >&2\nexit 1\n";
        fs::write(&hook, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(hook, mode).unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("rt.sock")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(in crate::player) fn workspace(&self) -> Workspace {
        Workspace { work: self.work(), home: self.home() }
    }

    pub(crate) fn send(&self, item: &Value) {
        self.runtime.lock().unwrap().inbox.push(item.clone());
    }

    pub(crate) fn answer(&self, tool: &str, answer: Value) {
        self.runtime.lock().unwrap().answers.push((tool.to_owned(), answer));
    }

    pub(crate) fn refuse(&self, tool: &str, text: &str, times: usize) {
        self.runtime.lock().unwrap().refusals.push((tool.to_owned(), text.to_owned(), times));
    }

    pub(crate) fn hang_up_after(&self, tool: &str) {
        self.runtime.lock().unwrap().hang_up = Some(tool.to_owned());
    }

    /// Plays until the inbox holds nothing to do; returns the screen.
    pub(crate) fn play(&self, text: &str) -> String {
        let play = Play::parse(text, "test").unwrap();
        let shown = Shown::default();
        let screen = Screen::plain(shown.clone());
        Player::new(play, screen, Link::to(self.socket()), self.workspace()).live(&b""[..]);
        let bytes = shown.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    pub(crate) fn play_builtin(&self, name: &str) -> String {
        self.play(foureyes_config::builtin::play(name).unwrap())
    }

    /// As [`Stage::play_builtin`], in a process of its own.
    pub(crate) fn life(&self, play: &str) -> ExitStatus {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "player::tests::one_life", "--nocapture"]).env("PLAYER_TEST_PLAY", play);
        child.env("AGENTS_SOCKET", self.socket()).env("HOME", self.home()).current_dir(self.work());
        child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        child.status().unwrap()
    }

    /// The tools that were called, but for looks into the inbox.
    pub(crate) fn called(&self) -> Vec<String> {
        let runtime = self.runtime.lock().unwrap();
        runtime.calls.iter().map(|(tool, ..)| tool.clone()).filter(|tool| tool != "inbox").collect()
    }

    /// Everything that was called but for looks into the inbox: tool, arguments, key.
    pub(crate) fn calls(&self) -> Vec<(String, Value, String)> {
        let runtime = self.runtime.lock().unwrap();
        runtime.calls.iter().filter(|(tool, ..)| tool != "inbox").cloned().collect()
    }

    /// The arguments of the newest call of a tool.
    pub(crate) fn arguments(&self, tool: &str) -> Value {
        let runtime = self.runtime.lock().unwrap();
        let call = runtime.calls.iter().rev().find(|(name, ..)| name == tool);
        call.unwrap_or_else(|| panic!("{tool} was not called")).1.clone()
    }

    pub(crate) fn keys(&self, tool: &str) -> Vec<String> {
        let runtime = self.runtime.lock().unwrap();
        runtime.calls.iter().filter(|(name, ..)| name == tool).map(|(.., key)| key.clone()).collect()
    }

    pub(crate) fn acknowledged(&self) -> Vec<String> {
        self.runtime.lock().unwrap().acknowledged.clone()
    }

    pub(crate) fn origin(&self, args: &[&str]) -> String {
        self.git(&self.dir.path().join("origin"), args)
    }

    pub(crate) fn clone_git(&self, args: &[&str]) -> String {
        self.git(&self.work(), args)
    }

    fn git(&self, dir: &Path, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=base", "-c", "user.email=base@agents.invalid"]).args(args);
        git.current_dir(dir).env("HOME", self.home()).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

/// What was written on a screen.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn converse(stream: UnixStream, runtime: &Mutex<Runtime>) {
    let mut out = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("MCP1"));
    for line in lines {
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"].is_null() {
            continue;
        }
        let result = match message["method"].as_str() {
            Some("tools/call") => match runtime.lock().unwrap().call(&message["params"]) {
                Some(result) => result,
                None => return,
            },
            _ => json!({}),
        };
        writeln!(out, "{}", json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).unwrap();
    }
}

impl Runtime {
    /// The result of a call; `None` hangs up instead.
    fn call(&mut self, params: &Value) -> Option<Value> {
        let tool = params["name"].as_str().unwrap();
        let key = params["_meta"]["claudecode/toolUseId"].as_str().unwrap_or_default();
        self.calls.push((tool.to_owned(), params["arguments"].clone(), key.to_owned()));
        if self.hang_up.take_if(|t| t == tool).is_some() {
            return None;
        }
        if let Some((_, text, times)) = self.refusals.iter_mut().find(|(t, _, n)| t == tool && *n > 0) {
            *times -= 1;
            return Some(json!({"isError": true, "content": [{"type": "text", "text": text}]}));
        }
        Some(json!({"structuredContent": self.answer_to(tool, &params["arguments"])}))
    }

    fn answer_to(&mut self, tool: &str, arguments: &Value) -> Value {
        match tool {
            "inbox" => json!({"items": self.inbox, "more": false}),
            "acknowledge" => {
                self.inbox.retain(|item| item["id"] != arguments["message"]);
                self.acknowledged.push(arguments["message"].as_str().unwrap().to_owned());
                json!({})
            }
            _ => {
                let known = self.answers.iter().find(|(t, _)| t == tool);
                known.map_or_else(|| json!({"message": "m", "record": 1}), |(_, answer)| answer.clone())
            }
        }
    }
}

pub(crate) fn assignment(id: &str, task: &str, feature: &str) -> Value {
    json!({"id": id, "kind": "TaskAssignment", "from": "system", "feature": feature,
        "body": {"task": task, "title": "A title", "text": "A text", "base": null, "candidates": []}})
}

pub(crate) fn request(id: &str, subject: &str, feature: &str) -> Value {
    json!({"id": id, "kind": "SignOffRequest", "from": "system", "feature": feature,
        "body": {"subject": subject, "content": "c0ffee"}})
}

pub(crate) fn verdict(id: &str, gate: &str, outcome: &str, feature: &str) -> Value {
    json!({"id": id, "kind": "GateVerdict", "from": "system", "feature": feature,
        "body": {"gate": gate, "outcome": outcome, "reasons": []}})
}

pub(crate) fn returned(id: &str, gate: &str, code: &str, feature: &str) -> Value {
    let mut item = verdict(id, gate, "returned", feature);
    item["body"]["reasons"] = json!([{"code": code, "text": "why"}]);
    item
}

//! The scripted agent: plays a YAML play inside a sandbox, through the same socket, tools and git as
//! any other agent.
//!
//! It sleeps on its standard input. Each line there (and its own start) wakes it: it drains its
//! inbox, deals with each envelope by the first rule that matches, and acknowledges the envelope only
//! after the rule's steps succeeded. A player that dies in between finds the same envelope again, so
//! every step can be done twice: files are written to the same text, a commit needs a change, a push
//! needs a commit, and a repeated call of a tool carries the key of the first.

mod failure;
mod item;
mod marks;
mod misbehave;
mod parse;
pub mod play;
mod programs;
mod screen;
mod steps;

#[cfg(test)]
mod tests;

use crate::client::{Client, SANDBOX_SOCKET, ToolError, UNREACHABLE};
use failure::Failure;
use item::{Item, Values};
use marks::Marks;
use play::{Play, Rule};
use programs::Workspace;
use screen::Screen;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};
use steps::Scene;

/// Names another socket than the sandbox's.
const SOCKET_VARIABLE: &str = "AGENTS_SOCKET";
/// Names the role, for the screen and for `${role}`; else the clone's author does.
const ROLE_VARIABLE: &str = "AGENTS_ROLE";
/// The most envelopes of one look into the inbox.
const AT_ONCE: usize = 50;
/// Pauses before an envelope is tried again whose steps failed for a reason that may pass.
const AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1)];

/// Runs the player as a process: `args` are the program's name and the path of the play, or
/// `--builtin` and the name of one. It ends when its standard input does.
///
/// The exit code is 0 then, and 2 when the play cannot be read.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Nothing else of this uid may read the memory of an agent.
    let _ = nix::sys::prctl::set_dumpable(false);
    let args: Vec<String> = args.into_iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let play = match load(&args) {
        Ok(loaded) => loaded,
        Err(why) => {
            eprintln!("agents-play: {why}");
            return ExitCode::from(2);
        }
    };
    silence_echo();
    let mut player = Player::new(play, Screen::stdout(), Link::from_environment(), here());
    player.introduce();
    player.live(io::stdin().lock());
    ExitCode::SUCCESS
}

fn load(args: &[String]) -> Result<Play, String> {
    match args {
        [flag, name] if flag == "--builtin" => {
            let text = foureyes_config::builtin::play(name).ok_or(format!("no built-in play {name:?}"))?;
            Play::parse(text, name).map_err(|e| e.to_string())
        }
        [path] => {
            let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
            Play::parse(&text, path).map_err(|e| e.to_string())
        }
        _ => Err("usage: agents-play PLAY.yaml | agents-play --builtin NAME".to_owned()),
    }
}

/// The prompts that the terminal gets are for the player, not for who watches it.
fn silence_echo() {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    if let Ok(mut settings) = tcgetattr(&stdin) {
        settings.local_flags.remove(LocalFlags::ECHO);
        let _ = tcsetattr(&stdin, SetArg::TCSANOW, &settings);
    }
}

/// Waits. A player is a process that plays one role: it has nothing else to do meanwhile.
#[allow(clippy::disallowed_methods)]
fn rest(time: Duration) {
    thread::sleep(time);
}

fn here() -> Workspace {
    let work = env::current_dir().unwrap_or_else(|_| PathBuf::from("/work"));
    let home = env::var_os("HOME").map_or_else(|| PathBuf::from("/home/agent"), PathBuf::from);
    Workspace { work, home }
}

/// The runtime, connected to when it is needed and again when the connection is lost.
struct Link {
    socket: PathBuf,
    client: Option<Client>,
}

impl Link {
    fn to(socket: PathBuf) -> Self {
        Self { socket, client: None }
    }

    fn from_environment() -> Self {
        Self::to(env::var_os(SOCKET_VARIABLE).map_or_else(|| PathBuf::from(SANDBOX_SOCKET), PathBuf::from))
    }

    fn call(&mut self, tool: &str, args: Value) -> Result<Value, ToolError> {
        self.with(|client| client.call(tool, args))
    }

    fn call_once(&mut self, tool: &str, args: Value, key: &str) -> Result<Value, ToolError> {
        self.with(|client| client.call_once(tool, args, key))
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Client) -> Result<T, ToolError>) -> Result<T, ToolError> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Client::connect(&self.socket)?),
        };
        let answer = call(client);
        if answer.as_ref().is_err_and(|e| e.code == UNREACHABLE) {
            self.client = None;
        }
        answer
    }
}

/// A scripted agent.
struct Player {
    play: Arc<Play>,
    role: String,
    screen: Screen,
    runtime: Link,
    place: Workspace,
    marks: Marks,
}

impl Player {
    fn new(play: Play, screen: Screen, runtime: Link, place: Workspace) -> Self {
        let named = env::var(ROLE_VARIABLE).ok();
        let role = named.or_else(|| place.git(&["config", "user.name"]).ok()).unwrap_or_default();
        let marks = Marks::below(&place.home);
        Self { play: Arc::new(play), role, screen, runtime, place, marks }
    }

    fn introduce(&mut self) {
        let family = self.play.role.as_deref().unwrap_or("agent");
        self.screen.banner(&self.role, family);
    }

    /// Deals with the inbox at once and again at each line of `wakes`, until that ends.
    fn live(&mut self, mut wakes: impl BufRead) {
        self.place.unlock();
        self.drain();
        let mut line = String::new();
        while wakes.read_line(&mut line).is_ok_and(|n| n > 0) {
            line.clear();
            self.drain();
        }
    }

    /// Deals with everything in the inbox that can be dealt with now.
    fn drain(&mut self) {
        let mut left = BTreeSet::new();
        loop {
            let inbox = match self.inbox() {
                Ok(inbox) => inbox,
                Err(error) => return self.screen.bad(&error.to_string()),
            };
            let mut progress = false;
            for item in inbox.iter().filter(|i| !left.contains(&i.id)).cloned().collect::<Vec<_>>() {
                match self.deal_with(&item, &inbox) {
                    true => progress = true,
                    false => drop(left.insert(item.id)),
                }
            }
            if !progress {
                return;
            }
        }
    }

    fn inbox(&mut self) -> Result<Vec<Item>, Failure> {
        let answer = self.runtime.call("inbox", json!({"max": AT_ONCE}))?;
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(items.iter().map(Item::of).collect())
    }

    /// Whether the envelope is done with.
    fn deal_with(&mut self, item: &Item, inbox: &[Item]) -> bool {
        let play = self.play.clone();
        let rule = item::rule_for(&play.on, item);
        if rule.is_some_and(|rule| self.must_wait(rule, item, inbox)) {
            return false;
        }
        let scene = self.scene(item);
        let feature = scene.values.get("feature").to_owned();
        self.screen.envelope(&item.kind, &item.from, &feature, &item.gist());
        let finished = rule.is_none_or(|rule| self.follow(rule, &scene));
        finished && self.acknowledge(item)
    }

    /// Whether the rule waits for the envelopes of other features; once it did not, it never does.
    fn must_wait(&mut self, rule: &Rule, item: &Item, inbox: &[Item]) -> bool {
        if rule.when.together.is_empty() {
            return false;
        }
        let mark = format!("together-{}", rule.when.together.join("-"));
        if self.marks.has(&mark) {
            return false;
        }
        if rule.when.waits(item, inbox) {
            let feature = item.feature.clone().unwrap_or_default();
            self.screen.quiet(&format!("{feature} waits for {}", rule.when.together.join(", ")));
            return true;
        }
        let _ = self.marks.leave(&mark);
        false
    }

    fn scene<'a>(&self, item: &'a Item) -> Scene<'a> {
        let mut values = Values::of(item, &self.role);
        if item.kind == "Answer" {
            values.set("answer", item.text("text"));
            let noted = item.in_reply_to.as_deref().and_then(|id| self.marks.noted_question(id));
            for name in ["feature", "title", "text"] {
                if let Some(value) = noted.as_ref().and_then(|note| note[name].as_str()) {
                    values.set(name, value);
                }
            }
        }
        Scene { item, values }
    }

    /// Does the rule's steps; whether the envelope is done with. What a rule of the runtime refuses
    /// for good is done with, too: trying it again would be refused again.
    fn follow(&mut self, rule: &Rule, scene: &Scene) -> bool {
        if let Some(pace) = self.play.pace {
            rest(pace.duration());
        }
        for pause in AGAIN.into_iter().map(Some).chain([None]) {
            let failure = match self.perform(&rule.steps, scene, "0") {
                Ok(()) => return true,
                Err(failure) => failure,
            };
            self.screen.bad(&failure.to_string());
            match pause.filter(|_| failure.passes()) {
                Some(pause) => rest(pause),
                None => return !failure.passes(),
            }
        }
        false
    }

    fn acknowledge(&mut self, item: &Item) -> bool {
        match self.runtime.call("acknowledge", json!({"message": item.id})) {
            Ok(_) => true,
            Err(error) => {
                self.screen.bad(&error.text);
                false
            }
        }
    }
}

//! The scripted agent: plays a YAML play inside a sandbox, through the same socket, tools and git as
//! any other agent.
//!
//! It sleeps on its standard input. Each line there (and its own start) wakes it: it drains its
//! inbox, deals with each envelope by the first rule that matches, and acknowledges the envelope only
//! after the rule's steps succeeded. A player that dies in between finds the same envelope again, so
//! every step can be done twice: files are written to the same text, a commit needs a change, a push
//! needs a commit, and a repeated call of a tool carries the key of the first.

pub(crate) mod failure;
pub(crate) mod hands;
mod item;
pub(crate) mod marks;
mod misbehave;
mod own;
mod parse;
pub mod play;
pub(crate) mod programs;
pub(crate) mod screen;
mod steps;

#[cfg(test)]
pub(crate) mod tests;

use failure::Failure;
use hands::Hands;
use item::{Item, Values};
use own::{Link, Own};
use play::{Play, Rule};
use programs::Workspace;
use screen::Screen;
use serde_json::json;
use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use steps::Scene;

/// Names the role, for the screen and for `${role}`; else the clone's author does.
const ROLE_VARIABLE: &str = "AGENTS_ROLE";
/// The most envelopes that one call of `inbox` returns.
const MOST: usize = 50;
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

fn here() -> Workspace {
    let work = env::current_dir().unwrap_or_else(|_| PathBuf::from("/work"));
    let home = env::var_os("HOME").map_or_else(|| PathBuf::from("/home/agent"), PathBuf::from);
    Workspace { work, home }
}

/// A player: what a play says, done with hands.
pub(crate) struct Player<H> {
    play: Arc<Play>,
    role: String,
    pub(crate) hands: H,
}

impl Player<Own> {
    /// A scripted agent.
    fn new(play: Play, screen: Screen, runtime: Link, place: Workspace) -> Self {
        let named = env::var(ROLE_VARIABLE).ok();
        let role = named.or_else(|| place.git(&["config", "user.name"]).ok()).unwrap_or_default();
        Self { play: Arc::new(play), role, hands: Own::new(screen, runtime, place) }
    }

    fn introduce(&mut self) {
        let family = self.play.role.as_deref().unwrap_or("agent");
        self.hands.screen.banner(&self.role, family);
    }

    /// Deals with the inbox at once and again at each line of `wakes`, until that ends.
    fn live(&mut self, mut wakes: impl BufRead) {
        self.hands.place.unlock();
        // Own hands never suspend, and all else is on the screen.
        let _ = self.drain();
        let mut line = String::new();
        while wakes.read_line(&mut line).is_ok_and(|n| n > 0) {
            line.clear();
            let _ = self.drain();
        }
    }
}

impl<H: Hands> Player<H> {
    /// Plays for `role` with other hands.
    pub(crate) fn with(play: Arc<Play>, role: &str, hands: H) -> Self {
        Self { play, role: role.to_owned(), hands }
    }

    /// Deals with everything in the inbox that can be dealt with now.
    ///
    /// # Errors
    /// [`Failure::Suspended`], as with all of the following; anything else is shown.
    pub(crate) fn drain(&mut self) -> Result<(), Failure> {
        let mut left = BTreeSet::new();
        loop {
            let inbox = match self.inbox(left.len()) {
                Ok(inbox) => inbox,
                Err(Failure::Suspended) => return Err(Failure::Suspended),
                Err(error) => {
                    self.hands.screen().bad(&error.to_string());
                    return Ok(());
                }
            };
            let mut progress = false;
            for item in inbox.iter().filter(|i| !left.contains(&i.id)).cloned().collect::<Vec<_>>() {
                match self.deal_with(&item, &inbox)? {
                    true => progress = true,
                    false => drop(left.insert(item.id)),
                }
            }
            if !progress {
                return Ok(());
            }
        }
    }

    /// A look into the inbox, beyond so many envelopes that were left in it.
    fn inbox(&mut self, left: usize) -> Result<Vec<Item>, Failure> {
        let max = (self.hands.at_once() + left).min(MOST);
        let answer = self.hands.call("inbox", json!({"max": max}), None)?;
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(items.iter().map(Item::of).collect())
    }

    /// Whether the envelope is done with.
    fn deal_with(&mut self, item: &Item, inbox: &[Item]) -> Result<bool, Failure> {
        let play = self.play.clone();
        let rule = item::rule_for(&play.on, item);
        if let Some(rule) = rule
            && self.must_wait(rule, item, inbox)?
        {
            return Ok(false);
        }
        let scene = self.scene(item)?;
        let feature = scene.values.get("feature").to_owned();
        self.hands.screen().envelope(&item.kind, &item.from, &feature, &item.gist());
        let finished = match rule {
            Some(rule) => self.follow(rule, &scene)?,
            None => true,
        };
        Ok(finished && self.acknowledge(item)?)
    }

    /// Whether the rule waits for the envelopes of other features; once it did not, it never does.
    fn must_wait(&mut self, rule: &Rule, item: &Item, inbox: &[Item]) -> Result<bool, Failure> {
        if rule.when.together.is_empty() {
            return Ok(false);
        }
        let mark = format!("together-{}", rule.when.together.join("-"));
        if self.hands.has(&mark)? {
            return Ok(false);
        }
        if rule.when.waits(item, inbox) {
            let feature = item.feature.clone().unwrap_or_default();
            self.hands.screen().quiet(&format!("{feature} waits for {}", rule.when.together.join(", ")));
            return Ok(true);
        }
        match self.hands.leave(&mark) {
            Err(Failure::Suspended) => Err(Failure::Suspended),
            // Without the mark it may wait once more.
            _ => Ok(false),
        }
    }

    fn scene<'a>(&mut self, item: &'a Item) -> Result<Scene<'a>, Failure> {
        let mut values = Values::of(item, &self.role);
        if item.kind == "Answer" {
            values.set("answer", item.text("text"));
            let noted = match item.in_reply_to.as_deref() {
                Some(id) => self.hands.noted(&steps::question(id))?,
                None => None,
            };
            for name in ["feature", "title", "text"] {
                if let Some(value) = noted.as_ref().and_then(|note| note[name].as_str()) {
                    values.set(name, value);
                }
            }
        }
        Ok(Scene { item, values })
    }

    /// Does the rule's steps; whether the envelope is done with. What a rule of the runtime refuses
    /// for good is done with, too: trying it again would be refused again.
    fn follow(&mut self, rule: &Rule, scene: &Scene) -> Result<bool, Failure> {
        if let Some(pace) = self.play.pace {
            self.hands.rest(pace.duration());
        }
        for pause in AGAIN.into_iter().map(Some).chain([None]) {
            let failure = match self.perform(&rule.steps, scene, "0") {
                Ok(()) => return Ok(true),
                Err(Failure::Suspended) => return Err(Failure::Suspended),
                Err(failure) => failure,
            };
            self.hands.screen().bad(&failure.to_string());
            match pause.filter(|_| failure.passes()) {
                Some(pause) => self.hands.rest(pause),
                None => return Ok(!failure.passes()),
            }
        }
        Ok(false)
    }

    fn acknowledge(&mut self, item: &Item) -> Result<bool, Failure> {
        match self.hands.call("acknowledge", json!({"message": item.id}), None) {
            Ok(_) => Ok(true),
            Err(Failure::Suspended) => Err(Failure::Suspended),
            Err(error) => {
                self.hands.screen().bad(&error.to_string());
                Ok(false)
            }
        }
    }
}

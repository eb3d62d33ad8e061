//! Teams of the real Claude Code whose model a play stands in for, and what a test asks of them.

use crate::{
    bench::{Bench, Running, said},
    model::Model,
    processes::Process,
    workspace,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The twelve roles of the default team, with their families.
pub const TWELVE: [(&str, &str); 12] = [
    ("orchestrator", "orchestrator"),
    ("librarian", "librarian"),
    ("planner-a", "planner"),
    ("planner-b", "planner"),
    ("architect-a", "architect"),
    ("architect-b", "architect"),
    ("architect-c", "architect"),
    ("dev-a", "dev"),
    ("dev-b", "dev"),
    ("qa-a", "qa"),
    ("qa-b", "qa"),
    ("docs", "docs"),
];

/// The smallest team that brings a feature through the gates.
pub const THREE: [(&str, &str); 3] = [("planner-a", "planner"), ("dev-a", "dev"), ("dev-b", "dev")];

/// The program that sandboxes show as Claude Code.
pub const INSIDE: &str = "/opt/agents/claude";

/// Claude Code: `AGENTS_TEST_CLAUDE`, else the one that `cargo xtask tools` unpacks.
///
/// # Panics
/// When there is none, with the command that gets it: a test whose tool is missing fails.
pub fn program() -> PathBuf {
    let unpacked = || workspace::root().join("target/tools/claude");
    let path = env::var_os("AGENTS_TEST_CLAUDE").map_or_else(unpacked, PathBuf::from);
    assert!(path.is_file(), "{} is missing; run `cargo xtask tools`", path.display());
    path
}

impl Bench {
    /// A repository with these files, and a team of real CLIs whose models play `good/<family>`. The
    /// user's home is one of the bench.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn claude(team: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let mut bench = Self::with(files);
        let home = bench.place("user");
        fs::create_dir_all(&home).expect("the user's home");
        bench.env.push(("HOME".to_owned(), home.to_string_lossy().into_owned()));
        // The toolchain stays that of whoever runs the test.
        for (name, place) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
            let own = env::var(name).ok().or_else(|| Some(format!("{}/{place}", env::var("HOME").ok()?)));
            bench.env.extend(own.map(|path| (name.to_owned(), path)));
        }
        bench.config["roles"] = team.iter().map(|(id, family)| json!({"id": id, "family": family})).collect();
        bench.config["agents"] = json!({"backend": {"kind": "claude"}, "claude_program": program()});
        bench.config["model"] = json!({"provider": "stand-in", "plays": {}});
        bench
    }

    /// Lets the model of a role play this play.
    ///
    /// # Panics
    /// When the play cannot be written.
    pub fn model(&mut self, role: &str, play: &Value) -> &mut Self {
        let name = format!("plays/{role}.yaml");
        let file = self.place(&name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder of the plays");
        fs::write(&file, serde_json::to_string_pretty(play).expect("JSON")).expect("a play");
        self.config["model"]["plays"][role] = json!(name);
        self
    }

    /// Lets the models of both devs play this play.
    pub fn dev_models(&mut self, play: &Value) -> &mut Self {
        self.model("dev-a", play).model("dev-b", play)
    }

    /// Serves the models of this bench from the test itself, which then knows every request.
    pub fn serve_models(&mut self) -> Model {
        let model = Model::of(&self.config, |name| fs::read_to_string(self.place(name)).ok());
        self.config["model"]["base_url"] = json!(model.url());
        model
    }

    /// What `agents status --json` says; `None` while nothing answers.
    pub fn status(&self) -> Option<Value> {
        let output = self.agents(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).ok().filter(|v: &Value| v["roles"].is_array())
    }

    /// Ends the team in good order.
    ///
    /// # Panics
    /// When it does not obey.
    pub fn down(&self) {
        let output = self.agents(&["down"]);
        assert!(output.status.success(), "down: {}", said(&output));
    }

    /// The running CLI of a role.
    pub fn cli_of(&self, role: &str) -> Option<Process> {
        let state = self.state();
        self.clis().into_iter().find(|p| p.shows(&state, role))
    }

    /// All CLIs that run.
    pub fn clis(&self) -> Vec<Process> {
        self.processes().into_iter().filter(|p| p.line.starts_with(INSIDE)).collect()
    }

    /// What a role's CLI wrote down of its conversations.
    pub fn transcripts(&self, role: &str) -> Vec<PathBuf> {
        let dir = self.home_of(role).join(".claude-agent/projects/-work");
        let all = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
        all.filter(|p| p.extension().is_some_and(|e| e == "jsonl")).collect()
    }
}

impl Running<'_> {
    /// Waits until `agents status` answers.
    ///
    /// # Panics
    /// When the runtime ends before or after `within`, with how it stood and what was printed.
    pub fn status<T>(&mut self, what: &str, within: Duration, ask: impl Fn(&Value) -> Option<T>) -> T {
        let until = Instant::now() + within;
        loop {
            let status = self.bench().status();
            if let Some(answer) = status.as_ref().and_then(&ask) {
                return answer;
            }
            if self.ended().is_some() || Instant::now() > until {
                let stood = status.as_ref().map(stands).unwrap_or_default();
                panic!("{what}: not seen\n{stood}{}\n{}", self.bench().records().lines(), self.output());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Looks again and again whether it is so, for as long as this.
    ///
    /// # Panics
    /// When the runtime ends or it is not so, with what it said.
    pub fn stays(&mut self, what: &str, so_long: Duration, holds: impl Fn() -> Result<(), String>) {
        let until = Instant::now() + so_long;
        while Instant::now() < until {
            assert!(self.ended().is_none(), "{what}: the runtime ended\n{}", self.output());
            if let Err(why) = holds() {
                panic!("{what}: {why}\n{}\n{}", self.bench().records().lines(), self.output());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// One line for each role, for the message of a test that failed.
fn stands(status: &Value) -> String {
    let line = |r: &Value| {
        let told =
            ["id", "state", "turns", "unread", "restarts", "held", "delivery"].map(|key| r[key].to_string());
        format!("{}\n", told.join(" "))
    };
    roles(status).iter().map(line).collect()
}

/// The roles of a status.
pub fn roles(status: &Value) -> &[Value] {
    status["roles"].as_array().map_or(&[], Vec::as_slice)
}

/// The proportional memory of these processes together, in bytes.
pub fn memory(processes: &[Process]) -> u64 {
    processes.iter().map(|p| pss(p.pid)).sum()
}

fn pss(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
    let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Waits until this file is there.
///
/// # Panics
/// When the runtime ends before or after a minute.
pub fn until_there(run: &mut Running<'_>, what: &str, file: &Path) {
    run.until(what, |_| file.exists());
}

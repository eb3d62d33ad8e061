//! A whole installation for one test: a user's repository, a state directory, a configuration with its
//! plays, and the program started on them.
//!
//! Paths are short because sockets lie below the state directory. A process that is left behind is found
//! by the directory that its sandbox shows.

use crate::{agents_bin, processes, records::Records, repo::Repo, terminal};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Files of a repository whose suite is a directory of shell scripts.
pub const SHELL: &[(&str, &str)] = &[
    ("run.sh", "for t in tests/*.sh; do sh \"$t\" || exit 1; done\n"),
    ("tests/base.sh", "test -f README.md\n"),
    ("README.md", "# base\n"),
];

/// A whole installation.
pub struct Bench {
    dir: TempDir,
    starts: Cell<u32>,
    /// The user's repository.
    pub repo: Repo,
    /// The configuration, written at each start. JSON is YAML.
    pub config: Value,
    /// Variables that the program is started with, beside those of the test.
    pub env: Vec<(String, String)>,
}

impl Bench {
    /// A repository with shell tests and a team of one planner and two devs, who play `good`.
    pub fn shell() -> Self {
        Self::with(SHELL)
    }

    /// A repository with these files on `main`.
    pub fn with(files: &[(&str, &str)]) -> Self {
        Self::at("repo", "main", files)
    }

    /// A repository in the directory `name`, with these files on `branch`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn at(name: &str, branch: &str, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("fe-").rand_bytes(5).tempdir_in("/tmp").expect("a bench");
        let repo = Repo::with(&dir.path().join(name), branch, files);
        let config = json!({
            "version": 1,
            "roles": [role("planner-a", "planner", "good/planner"), role("dev-a", "dev", "good/dev"), role("dev-b", "dev", "good/dev")],
            "tasks": [],
            "deliver": "main",
            "run": {"until_done": true},
            "gates": {"suite": {"adapter": "generic", "command": ["/bin/sh", "run.sh"]}},
        });
        Self { dir, starts: Cell::new(0), repo, config, env: Vec::new() }
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// A place for whatever a test needs besides.
    pub fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Asks for a feature of this id at the start.
    pub fn task(&mut self, id: &str) -> &mut Self {
        self.config["tasks"].as_array_mut().expect("a list").push(json!({"id": id, "title": id}));
        self
    }

    /// Lets a role play this play; a role that is not there yet joins the team.
    ///
    /// # Panics
    /// When the play cannot be written.
    pub fn play(&mut self, id: &str, family: &str, play: &Value) -> &mut Self {
        let name = format!("plays/{id}.yaml");
        let file = self.dir.path().join(&name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder of the plays");
        fs::write(&file, serde_json::to_string_pretty(play).expect("JSON")).expect("a play");
        self.cast(role(id, family, &name))
    }

    /// Puts a role into the team, in place of one of the same name.
    pub fn cast(&mut self, role: Value) -> &mut Self {
        let roles = self.config["roles"].as_array_mut().expect("a list");
        roles.retain(|r| r["id"] != role["id"]);
        roles.push(role);
        self
    }

    /// Lets both devs play this play.
    pub fn devs(&mut self, play: &Value) -> &mut Self {
        self.play("dev-a", "dev", play).play("dev-b", "dev", play)
    }

    /// Waits until `agents inbox` shows `word`: what a user sees is drawn from the ledger a moment after
    /// the record is durable, so a record alone does not say that it can be answered.
    ///
    /// # Panics
    /// When it does not within twenty seconds, with what it showed.
    pub fn inbox_shows(&self, word: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = said(&self.agents(&["inbox", "--json"]));
            if shown.contains(word) {
                return;
            }
            assert!(Instant::now() < until, "no {word} in the inbox: {shown}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes the configuration as it is now.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn config_file(&self) -> PathBuf {
        let file = self.dir.path().join("config.yaml");
        fs::write(&file, serde_json::to_string_pretty(&self.config).expect("JSON")).expect("a configuration");
        file
    }

    /// The program with this bench's state and repository.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        command.arg("--repo").arg(&self.repo.path);
        command
    }

    /// The program with this bench's state alone.
    fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(agents_bin());
        command.args(args).env("AGENTS_STATE_DIR", self.state());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// A command of the program, run to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn agents(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("agents starts")
    }

    /// Accepts the configuration as it is now, as its user would.
    ///
    /// # Panics
    /// When it is not accepted.
    pub fn trust(&self) -> PathBuf {
        let file = self.config_file();
        let command = self.command(&["trust", &file.to_string_lossy()]);
        let (status, text) = terminal::type_to(command, "accept\n");
        assert!(status.success(), "trust: {text}");
        file
    }

    /// Accepts the configuration and starts the runtime.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self) -> Running<'_> {
        let file = self.trust();
        self.run(&[&file.to_string_lossy(), "--plain"])
    }

    /// `agents run` with these arguments.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, args: &[&str]) -> Running<'_> {
        self.spawn(self.command(&[&["run"], args].concat()))
    }

    /// As [`Bench::run`], for configurations that bring a repository along.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_without_repository(&self, args: &[&str]) -> Running<'_> {
        self.spawn(self.bare(&[&["run"], args].concat()))
    }

    fn spawn(&self, mut command: Command) -> Running<'_> {
        let number = self.starts.get();
        self.starts.set(number + 1);
        let log = self.dir.path().join(format!("out-{number}"));
        let file = File::create(&log).expect("the log");
        command.stdout(file.try_clone().expect("the log")).stderr(file);
        Running { bench: self, child: command.spawn().expect("agents starts"), log, ended: None }
    }

    /// Everything in the ledger as of now.
    pub fn records(&self) -> Records {
        self.ledger().map_or_else(Records::default, |ledger| Records::read(&ledger))
    }

    /// The state directory of the repository, once there is one.
    pub fn repository_state(&self) -> Option<PathBuf> {
        self.ledger().and_then(|ledger| Some(ledger.parent()?.parent()?.to_owned()))
    }

    /// The ledger's database, once there is one.
    pub fn ledger(&self) -> Option<PathBuf> {
        let below = fs::read_dir(self.state()).into_iter().flatten().flatten().map(|e| e.path());
        let candidates = std::iter::once(self.state()).chain(below);
        candidates.map(|dir| dir.join("ledger/ledger.db")).find(|file| file.is_file())
    }

    /// The clone of a role.
    ///
    /// # Panics
    /// Before the first start.
    pub fn clone_of(&self, role: &str) -> PathBuf {
        self.repository_state().expect("a started runtime").join("roles").join(role).join("work")
    }

    /// The home of a role.
    ///
    /// # Panics
    /// Before the first start.
    pub fn home_of(&self, role: &str) -> PathBuf {
        self.clone_of(role).with_file_name("home")
    }

    /// Processes that belong to this bench.
    pub fn processes(&self) -> Vec<processes::Process> {
        processes::belonging(self.dir.path())
    }

    /// SIGKILL of a role's sandbox with everything in it.
    ///
    /// # Panics
    /// When the role does not come up within twenty seconds.
    pub fn kill_role(&self, role: &str) {
        let home = self.dir.path().join("s");
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = |p: &&processes::Process| p.line.contains("bwrap") && p.shows(&home, role);
            let all = self.processes();
            let own: Vec<_> = all.iter().filter(shown).collect();
            if !own.is_empty() {
                // One of them may have gone with another.
                own.iter().for_each(|p| kill(Pid::from_raw(p.pid), Signal::SIGKILL).unwrap_or_default());
                return;
            }
            assert!(Instant::now() < until, "{role} has no sandbox: {all:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Nothing of this bench runs any more.
    ///
    /// # Panics
    /// When something does after five seconds.
    pub fn assert_nobody_left(&self) {
        let left = processes::gone(self.dir.path(), Duration::from_secs(5));
        assert_eq!(left, Ok(()), "processes are left");
    }

    /// Runs until every feature is done, and looks whether nobody is left and the ledger verifies.
    ///
    /// # Panics
    /// When it does not end well within a minute and a half.
    pub fn finish(&self) -> Records {
        self.start().finish();
        self.assert_nobody_left();
        self.assert_ledger_verifies();
        self.records()
    }

    /// The ledger verifies.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_ledger_verifies(&self) {
        let ledger = self.ledger().expect("a ledger");
        let report = foureyes_ledger::verify::verify_file(&ledger, &Default::default());
        assert!(report.is_ok(), "{report:?}");
    }
}

/// A role that plays.
pub fn role(id: &str, family: &str, play: &str) -> Value {
    json!({"id": id, "family": family, "backend": {"kind": "scripted", "play": play}})
}

/// What a command said.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A runtime that was started.
pub struct Running<'a> {
    bench: &'a Bench,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl<'a> Running<'a> {
    /// Whose it is.
    pub fn bench(&self) -> &'a Bench {
        self.bench
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it ended by itself.
    ///
    /// # Panics
    /// When the kernel does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the state of the runtime");
        }
        self.ended
    }

    /// Waits until the ledger answers.
    ///
    /// # Panics
    /// When the runtime ends before or after `within`, with the ledger and what was printed.
    pub fn wait<T>(&mut self, what: &str, within: Duration, ask: impl Fn(&Records) -> Option<T>) -> T {
        let until = Instant::now() + within;
        loop {
            let over = self.ended().is_some();
            if let Some(answer) = ask(&self.bench.records()) {
                return answer;
            }
            if over || Instant::now() > until {
                self.fail(what);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the ledger says that it is so.
    ///
    /// # Panics
    /// As [`Running::wait`], after a minute.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Records) -> bool) {
        self.wait(what, Duration::from_secs(60), |r| holds(r).then_some(()));
    }

    fn fail(&mut self, what: &str) -> ! {
        let ended = self.ended.map_or_else(|| "runs".to_owned(), |s| format!("ended with {s}"));
        panic!("{what}: not seen; the runtime {ended}\n{}\n{}", self.bench.records().lines(), self.output());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it goes on after `within`.
    pub fn end(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            if Instant::now() > until {
                self.fail("the end");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its good end.
    ///
    /// # Panics
    /// When it ends badly, or not within a minute and a half.
    pub fn finish(mut self) {
        let status = self.end(Duration::from_secs(90));
        if !status.success() {
            self.fail("a good end");
        }
    }

    /// As [`Running::finish`], with the records afterwards.
    ///
    /// # Panics
    /// As [`Running::finish`].
    pub fn finish_with(self, bench: &Bench) -> Records {
        self.finish();
        bench.assert_nobody_left();
        bench.records()
    }

    /// SIGKILL; nobody may be left after five seconds.
    ///
    /// # Panics
    /// When somebody is.
    pub fn kill(mut self) {
        self.child.kill().expect("a runtime to kill");
        self.ended = Some(self.child.wait().expect("its end"));
        self.bench.assert_nobody_left();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Copies a directory with everything in it.
///
/// # Panics
/// When it cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp starts");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

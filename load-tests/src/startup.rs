//! How long the whole program takes from exec until twelve scripted roles are up, each with its
//! sandbox, clone and key; how long a second start over the same state takes; and how long
//! `agents status` takes while it runs.

use crate::{
    args::Startup,
    error::{Failure, io},
    measure::{Latency, median},
};
use serde::Serialize;
use std::{
    fmt, fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::time::Instant;

/// The default team of twelve, with the built-in plays for any repository.
const TEAM: [(&str, &str); 12] = [
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
/// `agents status` is asked this often in each run.
const ASKED: usize = 10;

/// The numbers.
#[derive(Debug, Serialize)]
pub struct Report {
    runs: usize,
    /// Median milliseconds of a first start: empty state, keys and clones are made.
    first_ms: f64,
    /// The fastest and the slowest.
    first_range_ms: (f64, f64),
    /// Median milliseconds of a second start over the same state.
    again_ms: f64,
    again_range_ms: (f64, f64),
    /// `agents status --json`, exec to exit; absent where it does not answer.
    status: Option<Latency>,
}

/// A repository and a place for the state.
struct Site {
    dir: tempfile::TempDir,
    binary: PathBuf,
}

/// Measures `startup.runs` pairs of starts.
///
/// # Errors
/// [`Failure`], with what the program printed when it does not come up.
pub fn run(startup: &Startup) -> Result<Report, Failure> {
    let named = startup.binary.clone().or_else(|| std::env::var_os("AGENTS_BIN").map(PathBuf::from));
    let binary = named.ok_or_else(|| Failure::Other("name the program, or set AGENTS_BIN".to_owned()))?;
    let binary = fs::canonicalize(&binary).map_err(io(binary.display().to_string()))?;
    let (mut first, mut again, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..startup.runs {
        let site = Site::new(binary.clone())?;
        first.push(site.start(&mut asked)?);
        again.push(site.start(&mut asked)?);
    }
    let ms = |times: Vec<Duration>| times.iter().map(|t| t.as_secs_f64() * 1_000.0).collect::<Vec<f64>>();
    let (first, again) = (ms(first), ms(again));
    Ok(Report {
        runs: usize::from(startup.runs),
        first_range_ms: range(&first),
        first_ms: median(first),
        again_range_ms: range(&again),
        again_ms: median(again),
        status: (!asked.is_empty()).then(|| Latency::of(asked)),
    })
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, 0.0), |(low, high), v| (v.min(low), v.max(high)))
}

impl Site {
    fn new(binary: PathBuf) -> Result<Self, Failure> {
        let dir = tempfile::tempdir().map_err(io("a directory for the repository"))?;
        let site = Self { dir, binary };
        // A sandbox of another uid must be able to pass through to what is bound from here.
        open_to_all(site.dir.path())?;
        let repo = site.repo();
        fs::create_dir_all(repo.join("src")).map_err(io("the repository"))?;
        let write =
            |path: PathBuf, text: &str| fs::write(&path, text).map_err(io(path.display().to_string()));
        write(
            repo.join("Cargo.toml"),
            "[package]\nname = \"notes\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        )?;
        write(repo.join("src/lib.rs"), "//! Notes.\n")?;
        write(site.config(), &config())?;
        site.git(&["init", "--quiet", "--initial-branch=main"])?;
        site.git(&["add", "--all"])?;
        site.git(&[
            "-c",
            "user.name=user",
            "-c",
            "user.email=user@example.com",
            "commit",
            "--quiet",
            "-m",
            "first",
        ])?;
        site.accept()?;
        Ok(site)
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config.yaml")
    }

    #[allow(clippy::disallowed_methods, reason = "the programs are what is measured")]
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.repo()).env("AGENTS_STATE_DIR", self.dir.path().join("state"));
        command.stdin(Stdio::null());
        command
    }

    fn git(&self, args: &[&str]) -> Result<(), Failure> {
        done("git", self.command(Path::new("git")).args(args))
    }

    /// Accepts the configuration as its user does: in a terminal, by a word.
    fn accept(&self) -> Result<(), Failure> {
        let mut command = self.command(&self.binary);
        command.arg("trust").arg(self.config());
        let terminal = |e: nix::Error| io("a terminal for `agents trust`")(e.into());
        let pty = nix::pty::openpty(None, None).map_err(terminal)?;
        let end = || pty.slave.try_clone().map(Stdio::from).map_err(io("the terminal's other end"));
        command.stdin(end()?).stdout(end()?).stderr(end()?);
        let mut child = command.spawn().map_err(io(self.binary.display().to_string()))?;
        drop((command, pty.slave));
        let mut master = fs::File::from(pty.master);
        master.write_all(b"accept\n").map_err(io("typing"))?;
        let mut shown = Vec::new();
        // A terminal whose program has gone ends with an error instead of nothing.
        let _ = master.read_to_end(&mut shown);
        let status = child.wait().map_err(io("waiting for `agents trust`"))?;
        let text = String::from_utf8_lossy(&shown).into_owned();
        if status.success() { Ok(()) } else { Err(Failure::Other(format!("agents trust failed: {text}"))) }
    }

    /// One start and its end; `asked` takes the times of `agents status`.
    fn start(&self, asked: &mut Vec<Duration>) -> Result<Duration, Failure> {
        let errors = fs::File::create(self.dir.path().join("stderr")).map_err(io("a file for errors"))?;
        let mut command = self.command(&self.binary);
        command.args(["run", "--plain"]).arg(self.config()).stdout(Stdio::piped()).stderr(errors);
        let from = Instant::now();
        let mut child = command.spawn().map_err(io(self.binary.display().to_string()))?;
        let up = self.wait(&mut child, from);
        if up.is_ok() {
            self.ask(asked);
        }
        stop(&mut child)?;
        up
    }

    /// Waits for the banner, which is printed when the processes of all roles run.
    fn wait(&self, child: &mut Child, from: Instant) -> Result<Duration, Failure> {
        let out =
            child.stdout.take().ok_or_else(|| Failure::Other("the program has no output".to_owned()))?;
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let up = lines.find(|line| line.trim_start().starts_with("roles")).map(|line| (line, from.elapsed()));
        // What it prints later is read by nobody, and must not make it wait.
        std::thread::spawn(move || lines.for_each(drop));
        match up {
            Some((line, took)) if line.contains(&format!("{} up", TEAM.len())) => Ok(took),
            Some((line, _)) => Err(Failure::Broken(format!("not all roles came up: {}", line.trim()))),
            None => {
                let errors = fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default();
                Err(Failure::Other(format!("`agents run` ended before its roles were up: {errors}")))
            }
        }
    }

    fn ask(&self, asked: &mut Vec<Duration>) {
        for _ in 0..ASKED {
            let from = Instant::now();
            let status = self.command(&self.binary).args(["status", "--json"]).output();
            if status.is_ok_and(|s| s.status.success()) {
                asked.push(from.elapsed());
            }
        }
    }
}

fn open_to_all(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(io(dir.display().to_string()))
}

fn config() -> String {
    let role = |(id, family): (&str, &str)| {
        format!("  - {{id: {id}, family: {family}, backend: {{kind: scripted, play: good/{family}}}}}\n")
    };
    format!("version: 1\nroles:\n{}", TEAM.map(role).concat())
}

fn done(what: &str, command: &mut Command) -> Result<(), Failure> {
    let output = command.output().map_err(io(what))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::Other(format!("{what} failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Ends it as a user does, by a signal, and waits.
fn stop(child: &mut Child) -> Result<(), Failure> {
    let pid = i32::try_from(child.id()).map_err(|e| Failure::Other(e.to_string()))?;
    // A program that has ended already is waited for all the same.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    child.wait().map(drop).map_err(io("waiting for the program's end"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, ms: f64, (low, high): (f64, f64)| {
            writeln!(f, "{name:<34} {ms:>7.0} ms median ({low:.0} to {high:.0})")
        };
        writeln!(
            f,
            "exec until {} roles are up, with sandbox, clone and key; {} runs",
            TEAM.len(),
            self.runs
        )?;
        line(f, "first start (keys and clones made)", self.first_ms, self.first_range_ms)?;
        line(f, "second start over the same state", self.again_ms, self.again_range_ms)?;
        match &self.status {
            Some(l) => writeln!(
                f,
                "agents status --json, exec to exit  {:.1} ms median, {:.1} ms p99",
                l.p50_us / 1_000.0,
                l.p99_us / 1_000.0
            ),
            None => writeln!(f, "agents status: no answer"),
        }
    }
}

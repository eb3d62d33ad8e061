//! The built-in demonstration: a small crate of its own, a user who answers, captions that say what is
//! being shown, and at the end the same checks that a stranger would make.

use super::{Prepared, desk::Desk};
use crate::{error::CliError, exit::Exit, state::StateRoot};
use foureyes_ports::view::{Tone, View};
use foureyes_vcs::{git::find_git, openpgp::OpenPgpSigner};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// A repository that the demonstration made, and may make anew.
const MARK: &str = "foureyes-demo";
/// A demonstration that came to its end.
const FINISHED: &str = "foureyes-demo-finished";
/// How long the user of the demonstration thinks.
const THINKS: Duration = Duration::from_millis(1_200);

/// The demonstration's repository: continued where it was not finished, made anew where it was.
///
/// # Errors
/// A directory that holds something else.
pub fn repository(root: &StateRoot, named: Option<&Path>) -> Result<PathBuf, CliError> {
    let dir = named.map_or_else(|| root.demo_repository(), Path::to_owned);
    let git = dir.join(".git");
    let occupied = fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !git.join(MARK).exists() {
        return Err(CliError::new(Exit::No, "the demonstration needs a directory of its own")
            .at(dir.display())
            .hint("name an empty one with --repo PATH, or leave --repo out"));
    }
    if occupied && git.join(FINISHED).exists() {
        let state = root.of(&canonical(&dir)?);
        clear(state.root())?;
        clear(&dir)?;
    }
    if !git.join(MARK).exists() {
        make(&dir)?;
    }
    canonical(&dir)
}

fn canonical(dir: &Path) -> Result<PathBuf, CliError> {
    dir.canonicalize().map_err(|e| CliError::file("cannot use the demonstration's directory", dir, &e))
}

fn clear(dir: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::file("cannot make the demonstration anew", dir, &e))
        }
        _ => Ok(()),
    }
}

fn make(dir: &Path) -> Result<(), CliError> {
    let failed = |e: &std::io::Error| CliError::file("cannot write the demonstration's crate", dir, e);
    for (path, text) in foureyes_config::builtin::demo_files() {
        let file = dir.join(path);
        let folder = file.parent().unwrap_or(dir);
        fs::create_dir_all(folder).and_then(|()| fs::write(&file, text)).map_err(|e| failed(&e))?;
    }
    git(dir, &["init", "-q", "-b", "main"])?;
    git(dir, &["add", "-A"])?;
    git(dir, &["commit", "-q", "-m", "A small crate"])?;
    fs::write(dir.join(".git").join(MARK), "made by `agents run demo`\n").map_err(|e| failed(&e))
}

/// git as the demonstration's person would call it, whatever this machine's own configuration says.
fn git(dir: &Path, args: &[&str]) -> Result<String, CliError> {
    let program = find_git().map_err(|e| {
        CliError::new(Exit::Prerequisite, e.to_string()).hint("`agents doctor --fix` installs it")
    })?;
    let mut command = plain(&program);
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command
        .args(["-c", "user.name=You", "-c", "user.email=you@example.org", "-c", "commit.gpgsign=false"])
        .args(args);
    said(&mut command, "git")
}

#[allow(
    clippy::disallowed_methods,
    reason = "the demonstration calls git and gpg as a person at a shell would"
)]
fn plain(program: &Path) -> Command {
    Command::new(program)
}

fn said(command: &mut Command, what: &str) -> Result<String, CliError> {
    let output = command
        .output()
        .map_err(|e| CliError::new(Exit::Prerequisite, format!("cannot run {what}")).because(&e))?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(text),
        false => Err(CliError::new(Exit::Internal, format!("{what} failed")).why(text.trim().to_owned())),
    }
}

/// The demonstration's user and captions; silent in every other run.
pub struct Stage {
    caption: watch::Receiver<String>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Stage {
    /// A stage over these pictures.
    pub fn new(demo: bool, desk: Desk, views: watch::Receiver<Arc<View>>) -> Self {
        let (tx, caption) = watch::channel(String::new());
        let tasks = match demo {
            true => vec![tokio::spawn(captions(views.clone(), tx)), tokio::spawn(user(desk, views))],
            false => Vec::new(),
        };
        Self { caption, tasks }
    }

    /// What is being shown at this moment.
    pub fn caption(&self) -> watch::Receiver<String> {
        self.caption.clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The demonstration's user: answers a question with its first option, visibly, after a moment.
async fn user(desk: Desk, mut views: watch::Receiver<Arc<View>>) {
    let mut answered = 0;
    loop {
        let view = views.borrow_and_update().clone();
        let question = view.questions.iter().find(|q| q.number > answered && q.what == "question").cloned();
        if let Some(question) = question {
            answered = question.number;
            tokio::time::sleep(THINKS).await;
            let text = question.options.first().cloned().unwrap_or_else(|| "yes".to_owned());
            if let Err(reason) = desk.answer(&question.number.to_string(), &text).await {
                tracing::warn!(%reason, "the demonstration's answer was refused");
            }
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}

/// Says what the newest remarkable message shows.
async fn captions(mut views: watch::Receiver<Arc<View>>, caption: watch::Sender<String>) {
    loop {
        let view = views.borrow_and_update().clone();
        if let Some(text) = view.messages.iter().rev().find_map(|m| said_of(&m.kind, &m.text, m.tone)) {
            caption.send_if_modified(|old| {
                let new = *old != text;
                if new {
                    *old = text;
                }
                new
            });
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}

fn said_of(kind: &str, text: &str, tone: Tone) -> Option<String> {
    let refusals = [
        ("P-MAIN", "A lying dev pushes straight to main: refused by the repository, whatever its hooks say."),
        ("E-SELF", "It approves its own change over its own socket: nobody signs their own work."),
        (
            "G-ADMITTED",
            "It bends an admitted test until it passes: the bytes of the tests are fixed since RED.",
        ),
        ("E-CLAIM", "It claims that the tests pass: the runtime ran them itself and knows better."),
    ];
    if let Some((_, said)) = refusals.iter().find(|(code, _)| text.contains(code)) {
        return Some((*said).to_owned());
    }
    let said = match kind {
        "Question" => "A planner asks the user; nobody guesses.",
        "Health" if text.contains("restarting") => {
            "An agent was killed in mid-work: it comes back to the same inbox."
        }
        "GateVerdict" if text.starts_with("RED checked") => {
            "RED: new tests fail on the old code, run by the runtime itself."
        }
        "GateVerdict" if text.starts_with("GREEN passed") => {
            "GREEN: the same tests pass, and nobody touched them."
        }
        "GateVerdict" if text.starts_with("PEER passed") => "PEER: other eyes signed exactly this content.",
        "GateVerdict" if text.starts_with("QA") => "QA: the merge result is run, not the branch.",
        "Merged" if tone == Tone::Good => "DEPLOY: the tested merge is signed by the gate key and lands.",
        _ => return None,
    };
    Some(said.to_owned())
}

/// What a stranger would check afterwards, with stock tools.
pub(super) fn close(prepared: &Prepared, quiet: bool) -> Result<(), CliError> {
    let repo = &prepared.repository;
    let mark = repo.join(".git").join(FINISHED);
    fs::write(&mark, "")
        .map_err(|e| CliError::file("cannot note the end of the demonstration", &mark, &e))?;
    if quiet {
        return Ok(());
    }
    println!("{}", gpg_says(prepared));
    println!("{}", audit(prepared));
    println!("Look closer:");
    let at = repo.display();
    println!("  git -C {at} log --show-signature --graph");
    println!("  agents feature show clamp --repo {at}");
    println!("  agents audit export --repo {at} | less");
    Ok(())
}

/// Stock git and gpg judge the merge, with a ring that knows nothing but the exported keys.
fn gpg_says(prepared: &Prepared) -> String {
    match judged_by_gpg(prepared) {
        Ok(line) => format!("stock gpg:    {line}"),
        Err(error) => format!("stock gpg:    not asked ({})", error.what),
    }
}

fn judged_by_gpg(prepared: &Prepared) -> Result<String, CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::new(Exit::Internal, e.to_string());
    // gpg's sockets do not bear long paths.
    let home = PathBuf::from(format!("/tmp/.fe-gpg-{}", std::process::id()));
    let ring = {
        use foureyes_ports::signer::Signer as _;
        OpenPgpSigner::open(&prepared.state.keys())
            .map_err(|e| failed(&e))?
            .export_ring()
            .map_err(|e| failed(&e))?
    };
    make_private(&home).map_err(|e| failed(&e))?;
    let keys = home.join("ring.asc");
    let judged = fs::write(&keys, ring.armor).map_err(|e| failed(&e)).and_then(|()| {
        let mut import = plain(Path::new("gpg"));
        said(
            import
                .arg("--homedir")
                .arg(&home)
                .args(["--batch", "--quiet", "--no-autostart", "--import"])
                .arg(&keys),
            "gpg --import",
        )?;
        let program = find_git().map_err(|e| failed(&e))?;
        let mut verify = plain(&program);
        verify.current_dir(&prepared.repository).env("GNUPGHOME", &home).args([
            "-c",
            "gpg.program=gpg",
            "verify-commit",
            "--raw",
            "HEAD",
        ]);
        said(&mut verify, "git verify-commit")
    });
    // A left-over ring holds public keys only.
    let _ = fs::remove_dir_all(&home);
    let text = judged?;
    let good = text.lines().find_map(|l| l.strip_prefix("[GNUPG:] GOODSIG "));
    good.map(|g| {
        format!("good signature of {} on the newest merge", g.split_once(' ').map_or(g, |(_, who)| who))
    })
    .ok_or_else(|| failed(&"no good signature"))
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(dir)
}

/// The ledger verifies; a copy with one byte changed does not.
fn audit(prepared: &Prepared) -> String {
    use foureyes_ledger::verify::{VerifyOptions, verify_file};
    let files = prepared.state.ledger_files();
    let options = VerifyOptions { checkpoint_file: Some(files.checkpoint()), ..VerifyOptions::default() };
    let ok = match verify_file(&files.database(), &options) {
        Ok(report) => report.to_string(),
        Err(failure) => failure.to_string(),
    };
    let forged = match forged_copy(&files.database()) {
        Ok(copy) => {
            let options = VerifyOptions {
                key: fs::read_to_string(files.public_key()).ok(),
                ..VerifyOptions::default()
            };
            let said = match verify_file(&copy, &options) {
                Ok(report) => report.to_string(),
                Err(failure) => failure.to_string(),
            };
            let _ = copy.parent().map(fs::remove_dir_all);
            said
        }
        Err(error) => format!("not tried ({error})"),
    };
    format!("audit verify: {ok}\n  one byte of a copy changed: {forged}")
}

/// A copy of the ledger in which one byte of one record is another.
fn forged_copy(database: &Path) -> std::io::Result<PathBuf> {
    let dir = PathBuf::from(format!("/tmp/.fe-forged-{}", std::process::id()));
    make_private(&dir)?;
    let copy = dir.join("ledger.db");
    foureyes_ledger::copy(database, &copy).map_err(std::io::Error::other)?;
    let mut bytes = fs::read(&copy)?;
    let needle = b"TaskAssignment";
    let at = bytes.windows(needle.len()).position(|w| w == needle);
    let at = at.ok_or_else(|| std::io::Error::other("no record to change"))?;
    bytes[at] ^= 1;
    fs::write(&copy, bytes)?;
    Ok(copy)
}

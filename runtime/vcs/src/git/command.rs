//! One way to start git: cleared environment, fixed configuration, bounded time and output.
//!
//! git lets a repository's configuration name programs in many places (hooks, fsmonitor, filters,
//! ssh, pagers, helpers). Every process starts with those places pointed at nothing on the command
//! line, which outranks the repository's own file.

use super::watchdog::Watchdog;
use foureyes_ports::vcs::{ObjectFormat, Result, VcsError};
use std::{
    ffi::{OsStr, OsString},
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

/// Bytes of standard error that are kept for a message.
const STDERR_CAP: u64 = 16 << 10;
/// Bytes of output that a call keeps unless it says otherwise.
const OUTPUT_CAP: usize = 64 << 20;
/// Time a call may take unless it says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Settings that outrank whatever a repository says.
const SETTINGS: [&str; 28] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.alternateRefsCommand=true",
    "core.sshCommand=false",
    "core.gitProxy=none",
    "core.askPass=true",
    "core.editor=true",
    "core.pager=cat",
    "core.useReplaceRefs=false",
    "core.bigFileThreshold=16m",
    "core.deltaBaseCacheLimit=32m",
    "core.quotePath=false",
    "credential.helper=",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "protocol.allow=never",
    "protocol.version=2",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "log.showSignature=false",
    "pack.threads=1",
];

/// A git program and the runtime's own global configuration.
#[derive(Clone, Debug)]
pub struct Git {
    pub(super) program: PathBuf,
    pub(super) global_config: PathBuf,
}

/// What a finished process left.
pub(super) struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub truncated: bool,
}

/// One invocation of git.
pub(super) struct GitCommand {
    what: String,
    command: Command,
    input: Option<Vec<u8>>,
    limit: Duration,
    cap: usize,
    truncate: bool,
}

impl Git {
    /// An invocation of a subcommand, not yet bound to a repository.
    pub(super) fn command(&self, subcommand: &str) -> GitCommand {
        self.command_with(subcommand, &[])
    }

    /// As [`Git::command`], with further settings (`key=value`), which outrank the fixed ones.
    pub(super) fn command_with(&self, subcommand: &str, settings: &[String]) -> GitCommand {
        self.build(Command::new(&self.program), subcommand, settings)
    }

    /// As [`Git::command_with`], started by a shell that first limits the data segment.
    pub(super) fn command_limited(
        &self,
        subcommand: &str,
        settings: &[String],
        data_bytes: u64,
    ) -> GitCommand {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"ulimit -d "$1" && shift && exec "$@""#, "sh"]);
        command.arg((data_bytes / 1024).to_string()).arg(&self.program);
        self.build(command, subcommand, settings)
    }

    fn build(&self, mut command: Command, subcommand: &str, settings: &[String]) -> GitCommand {
        isolate(&mut command, &self.global_config);
        for setting in SETTINGS.into_iter().chain(settings.iter().map(String::as_str)) {
            command.arg("-c").arg(setting);
        }
        command.args(["--literal-pathspecs", subcommand]).stdin(Stdio::null()).process_group(0);
        GitCommand {
            what: subcommand.to_owned(),
            command,
            input: None,
            limit: TIME_LIMIT,
            cap: OUTPUT_CAP,
            truncate: false,
        }
    }
}

/// Clears the environment and sets what keeps git from asking, fetching or running anything.
fn isolate(command: &mut Command, global_config: &Path) {
    command.env_clear().env("GIT_CONFIG_GLOBAL", global_config);
    command.envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_ALLOW_PROTOCOL", "none"),
        ("GIT_GRAFT_FILE", "/dev/null"),
        ("GIT_SSH_COMMAND", "false"),
        ("GIT_ASKPASS", "true"),
        ("GIT_EDITOR", "true"),
    ]);
}

/// The id of the tree without entries, as the source of attributes: none.
pub(super) fn empty_tree(format: ObjectFormat) -> &'static str {
    match format {
        ObjectFormat::Sha1 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        ObjectFormat::Sha256 => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
}

impl GitCommand {
    /// Binds the call to a git directory, without discovery; attributes come from nowhere.
    pub fn git_dir(mut self, dir: &Path, format: ObjectFormat) -> Self {
        self.command.current_dir(dir).env("GIT_DIR", dir).env("GIT_ATTR_SOURCE", empty_tree(format));
        self
    }

    /// Runs in a directory, where git looks for the repository itself.
    pub fn in_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Feeds standard input.
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Sets the time it may take.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Keeps at most `cap` bytes of output and ends the process there, without an error.
    pub fn truncate_at(mut self, cap: usize) -> Self {
        self.cap = cap;
        self.truncate = true;
        self
    }

    /// Lets this call use the transports named (separated by colons).
    pub fn allow_protocols(mut self, protocols: &str) -> Self {
        self.command.env("GIT_ALLOW_PROTOCOL", protocols);
        self
    }

    /// Gives the caller's own environment (besides git's variables) and global configuration back:
    /// for the one call that uses the person's credentials.
    pub fn with_user_environment(mut self) -> Self {
        for key in ["HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSH_COMMAND", "GIT_ASKPASS"] {
            self.command.env_remove(key);
        }
        let theirs = std::env::vars_os().filter(|(k, _)| !is_git_variable(k));
        self.command.envs(theirs);
        self
    }

    /// The name for messages, the prepared process and its time limit, for a caller that streams.
    pub fn into_parts(self) -> (String, Command, Duration) {
        (self.what, self.command, self.limit)
    }

    /// Runs it, whatever its exit code.
    pub fn output(mut self) -> Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        let mut child =
            self.command.spawn().map_err(|e| io_error(&format!("starting git {}", self.what), e))?;
        let watchdog = Watchdog::guard(&child, self.limit);
        let (stdout, stderr, truncated) = self.pump(&mut child)?;
        if truncated {
            watchdog.kill();
        }
        let (status, timed_out) = watchdog.wait(&mut child).map_err(|e| io_error("waiting for git", e))?;
        if timed_out {
            return Err(VcsError::TimedOut { what: self.what, seconds: self.limit.as_secs() });
        }
        if truncated && !self.truncate {
            let what = format!("output of git {}", self.what);
            return Err(VcsError::TooLarge { what, limit: self.cap as u64 });
        }
        Ok(Output { status, stdout, stderr, truncated })
    }

    /// Feeds the input and collects both outputs, at most the caps of each.
    fn pump(&mut self, child: &mut Child) -> Result<(Vec<u8>, String, bool)> {
        let (input, stdin) = (self.input.take(), child.stdin.take());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let cap = self.cap;
        thread::scope(|scope| {
            if let (Some(bytes), Some(mut pipe)) = (input, stdin) {
                // A process that stops reading says why by its exit code and text.
                scope.spawn(move || drop(pipe.write_all(&bytes)));
            }
            let errors = scope.spawn(move || read_text(stderr));
            let mut kept = Vec::new();
            if let Some(pipe) = stdout {
                pipe.take(cap as u64 + 1)
                    .read_to_end(&mut kept)
                    .map_err(|e| io_error(&format!("reading from git {}", self.what), e))?;
            }
            let truncated = kept.len() > cap;
            kept.truncate(cap);
            if truncated {
                let _ = child.kill();
            }
            Ok((kept, errors.join().unwrap_or_default(), truncated))
        })
    }

    /// Runs it and wants exit code 0.
    pub fn run(self) -> Result<Vec<u8>> {
        let what = self.what.clone();
        let output = self.output()?;
        if output.status.success() || output.truncated {
            Ok(output.stdout)
        } else {
            Err(failed(&what, &output))
        }
    }

    /// Runs it and returns its one line.
    pub fn line(self) -> Result<String> {
        let what = self.what.clone();
        let bytes = self.run()?;
        let text = String::from_utf8(bytes).map_err(|_| malformed("output of git", what.as_bytes()))?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Runs it; `true` for exit code 0, `false` for 1.
    pub fn test(self) -> Result<bool> {
        let what = self.what.clone();
        let output = self.output()?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(failed(&what, &output)),
        }
    }
}

fn is_git_variable(key: &OsString) -> bool {
    key.as_encoded_bytes().starts_with(b"GIT_")
}

/// The kept part of a text stream; the rest is read and dropped, so that the writer does not stall.
pub(super) fn read_text(pipe: Option<impl Read>) -> String {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.by_ref().take(STDERR_CAP).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The error of a process that failed, with the most telling line of its text.
pub(super) fn failed(what: &str, output: &Output) -> VcsError {
    failed_with(what, output.status, &output.stderr)
}

/// As [`failed`], from its parts.
pub(super) fn failed_with(what: &str, status: ExitStatus, stderr: &str) -> VcsError {
    let telling = |l: &&str| l.starts_with("fatal:") || l.starts_with("error:");
    let line = stderr.lines().find(telling).or_else(|| stderr.lines().next());
    let message = line.map_or_else(|| status.to_string(), |l| cut(l.as_bytes()));
    VcsError::Git { what: what.to_owned(), message }
}

/// At most 200 characters of something foreign, without control characters.
pub(super) fn cut(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(200).collect()
}

pub(super) fn malformed(what: &'static str, detail: &[u8]) -> VcsError {
    VcsError::Malformed { what, detail: cut(detail) }
}

pub(super) fn io_error(what: &str, source: std::io::Error) -> VcsError {
    VcsError::Io { what: what.to_owned(), source }
}

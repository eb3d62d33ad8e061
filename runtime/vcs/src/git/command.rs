//! One way to start git: cleared environment, fixed configuration, bounded time and output.
//!
//! git lets a repository's configuration name programs in many places (hooks, fsmonitor, filters,
//! ssh, pagers, helpers). Every process starts with those places pointed at nothing on the command
//! line, which outranks the repository's own file.

#![allow(clippy::disallowed_methods, reason = "the one home of the git program")]

use super::watchdog::Watchdog;
use foureyes_ports::vcs::{ObjectFormat, Result, VcsError};
use std::{
    ffi::OsStr,
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

/// Those of [`SETTINGS`] that would take the person's own transport and credentials away.
const CREDENTIAL_KEYS: [&str; 4] =
    ["core.sshCommand=", "core.gitProxy=", "core.askPass=", "credential.helper="];
/// Variables of git that the person may use to say how they authenticate.
const CREDENTIAL_VARIABLES: [&str; 4] = ["GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS"];

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

    /// A call with the person's own environment, global configuration and credentials; hooks and
    /// everything else that a repository could name stay off.
    pub(super) fn command_as_user(&self, subcommand: &str) -> GitCommand {
        let mut command = Command::new(&self.program);
        isolate(&mut command, &self.global_config);
        for key in ["HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSH_COMMAND", "GIT_ASKPASS"] {
            command.env_remove(key);
        }
        command.envs(std::env::vars_os().filter(|(key, _)| is_the_persons(key)));
        let kept = |setting: &&str| !CREDENTIAL_KEYS.iter().any(|key| setting.starts_with(key));
        self.with_settings(command, subcommand, SETTINGS.into_iter().filter(kept))
    }

    fn build(&self, mut command: Command, subcommand: &str, settings: &[String]) -> GitCommand {
        isolate(&mut command, &self.global_config);
        self.with_settings(
            command,
            subcommand,
            SETTINGS.into_iter().chain(settings.iter().map(String::as_str)),
        )
    }

    fn with_settings<'s>(
        &self,
        mut command: Command,
        subcommand: &str,
        settings: impl Iterator<Item = &'s str>,
    ) -> GitCommand {
        for setting in settings {
            command.args(["-c", setting]);
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
        ("GIT_COMMITTER_NAME", "system"),
        ("GIT_COMMITTER_EMAIL", "system@agents.invalid"),
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

/// Whether a variable of the runtime's own environment goes to a call made for the person.
fn is_the_persons(key: &OsStr) -> bool {
    let text = key.to_string_lossy();
    !text.starts_with("GIT_") || CREDENTIAL_VARIABLES.contains(&text.as_ref())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(command: &GitCommand) -> Vec<String> {
        command.command.get_args().map(|a| a.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn only_a_call_for_the_person_keeps_their_credentials() {
        let git = Git { program: "/usr/bin/git".into(), global_config: "/dev/null".into() };
        let (ours, theirs) = (arguments(&git.command("push")), arguments(&git.command_as_user("push")));
        for key in CREDENTIAL_KEYS {
            assert!(ours.iter().any(|a| a.starts_with(key)), "{key}");
            assert!(!theirs.iter().any(|a| a.starts_with(key)), "{key}");
        }
        assert!(theirs.contains(&"core.hooksPath=/dev/null".to_owned()));
        for (key, passes) in
            [("HOME", true), ("GIT_SSH", true), ("GIT_DIR", false), ("GIT_CONFIG_COUNT", false)]
        {
            assert_eq!(is_the_persons(OsStr::new(key)), passes, "{key}");
        }
    }

    #[test]
    fn a_call_that_outlives_its_time_is_ended() {
        let git = Git { program: "/bin/sh".into(), global_config: "/dev/null".into() };
        let mut call = git.command("version").limit(Duration::from_millis(50));
        call.command = Command::new("/bin/sh");
        call.command.args(["-c", "sleep 600 & wait"]).process_group(0);
        assert!(matches!(call.output(), Err(VcsError::TimedOut { .. })));
    }

    #[test]
    fn output_beyond_the_cap_is_an_error_or_cut() {
        let git = Git { program: "/bin/sh".into(), global_config: "/dev/null".into() };
        let endless = || {
            let mut call = git.command("version");
            call.command = Command::new("/bin/sh");
            call.command.args(["-c", "while :; do echo yes; done"]).process_group(0);
            call
        };
        let cut = endless().truncate_at(10).output().expect("cut");
        assert!(cut.truncated && cut.stdout.len() == 10);
        let mut capped = endless();
        capped.cap = 10;
        assert!(matches!(capped.output(), Err(VcsError::TooLarge { limit: 10, .. })));
    }
}

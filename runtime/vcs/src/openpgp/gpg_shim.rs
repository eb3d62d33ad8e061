//! Git's `gpg.program`, as a function of a multi-call program under the name `agents-gpg`. It holds
//! no key and judges nothing: it asks the runtime over the agent's socket.
//!
//! Git up to 2.39 hides what `gpg.program` says when it does not sign, so the reason of the last
//! refusal is also left in `~/.agents-last-refusal` (the home directory is the agent's own) and
//! removed by the next signature.

use super::wire::{Answer, TIME_LIMIT, Verb, WireError, ask};
use std::{
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Where the runtime's socket is inside a sandbox.
pub const DEFAULT_SOCKET: &str = "/run/rt/rt.sock";

/// Names another socket. Whoever sets it gains nothing: the runtime knows who owns which socket.
pub const SOCKET_VARIABLE: &str = "AGENTS_SOCKET";

/// The file in the home directory that tells why the last signature was refused.
pub const LAST_REFUSAL: &str = ".agents-last-refusal";

/// What git wants of its `gpg.program`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Job {
    Sign { status_fd: u8, key: String },
    Verify { status_fd: u8, signature: PathBuf },
}

impl Job {
    fn status_fd(&self) -> u8 {
        match self {
            Job::Sign { status_fd, .. } | Job::Verify { status_fd, .. } => *status_fd,
        }
    }
}

/// Why the runtime could not be asked.
#[derive(Debug, thiserror::Error)]
enum ShimError {
    #[error("called with {0:?}; this program only signs and verifies what git asks for")]
    Arguments(Vec<OsString>),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("cannot read the payload: {0}")]
    Payload(io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Runs with the arguments after the program's name; stdin, stdout and stderr are git's.
pub fn main(args: &[OsString]) -> ExitCode {
    let socket = std::env::var_os(SOCKET_VARIABLE).unwrap_or_else(|| DEFAULT_SOCKET.into());
    let note = std::env::var_os("HOME").map(|home| Path::new(&home).join(LAST_REFUSAL));
    let outcome = run(args, Path::new(&socket));
    leave_note(note.as_deref(), &outcome);
    match outcome.map_err(|e| e.to_string()).and_then(|(job, answer)| print(&job, &answer)) {
        Ok(code) => code.into(),
        Err(why) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "agents-gpg: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[OsString], socket: &Path) -> Result<(Job, Answer), ShimError> {
    let job = parse(args).ok_or_else(|| ShimError::Arguments(args.to_vec()))?;
    let (verb, first) = match &job {
        Job::Sign { key, .. } => (Verb::Sign, key.clone().into_bytes()),
        Job::Verify { signature, .. } => (Verb::Verify, fs::read(signature).map_err(at(signature))?),
    };
    let mut payload = Vec::new();
    io::stdin().lock().read_to_end(&mut payload).map_err(ShimError::Payload)?;
    let mut stream = connect(socket).map_err(at(socket))?;
    let answer = ask(&mut stream, verb, &first, &payload)?;
    Ok((job, answer))
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
    stream.set_write_timeout(Some(TIME_LIMIT))?;
    Ok(stream)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ShimError {
    move |error| ShimError::File { path: path.to_owned(), error }
}

/// The two forms in which git calls: `--status-fd=2 -bsau KEY` and
/// `--keyid-format=long --status-fd=1 --verify FILE -`.
fn parse(args: &[OsString]) -> Option<Job> {
    let args: Option<Vec<&str>> = args.iter().map(|a| a.to_str()).collect();
    let (mut status_fd, mut rest) = (None, Vec::new());
    for arg in args? {
        match arg.split_once('=') {
            Some(("--status-fd", fd)) => status_fd = Some(fd.parse().ok()?),
            Some(("--keyid-format", _)) => {}
            _ => rest.push(arg),
        }
    }
    let status_fd = status_fd.filter(|fd| matches!(fd, 1 | 2))?;
    match rest.as_slice() {
        ["-bsau", key] => Some(Job::Sign { status_fd, key: (*key).to_owned() }),
        ["--verify", file, "-"] => Some(Job::Verify { status_fd, signature: file.into() }),
        _ => None,
    }
}

fn print(job: &Job, answer: &Answer) -> Result<u8, String> {
    let write = || -> io::Result<()> {
        io::stdout().write_all(answer.armor.as_bytes())?;
        io::stderr().write_all(answer.error.as_bytes())?;
        match job.status_fd() {
            1 => io::stdout().write_all(answer.status.as_bytes())?,
            _ => io::stderr().write_all(answer.status.as_bytes())?,
        }
        io::stdout().flush()
    };
    write().map_err(|e| format!("cannot hand over the answer: {e}"))?;
    Ok(answer.code)
}

/// The note is a courtesy: where it cannot be written, git's own message remains.
fn leave_note(note: Option<&Path>, outcome: &Result<(Job, Answer), ShimError>) {
    let Some(note) = note else { return };
    let _ = match outcome {
        Ok((Job::Sign { .. }, answer)) if answer.code == 0 => fs::remove_file(note),
        Ok((Job::Sign { .. }, answer)) => fs::write(note, &answer.error),
        Ok((Job::Verify { .. }, _)) => Ok(()),
        Err(why) => fs::write(note, format!("agents-gpg: {why}\n")),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(line: &str) -> Option<Job> {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&args)
    }

    #[test]
    fn git_s_two_forms_are_understood_and_nothing_else() {
        let sign = |key: &str| Some(Job::Sign { status_fd: 2, key: key.into() });
        assert_eq!(job("--status-fd=2 -bsau ABC"), sign("ABC"));
        assert_eq!(job("--status-fd=2 -bsau "), sign(""));
        let verify = Some(Job::Verify { status_fd: 1, signature: "/tmp/.git_vtag_tmpX".into() });
        assert_eq!(job("--keyid-format=long --status-fd=1 --verify /tmp/.git_vtag_tmpX -"), verify);
        assert_eq!(job("--status-fd=1 --keyid-format=long --verify /tmp/.git_vtag_tmpX -"), verify);
        let others = [
            "",
            "--version",
            "--import",
            "-bsau ABC",
            "--status-fd=3 -bsau ABC",
            "--status-fd=x -bsau ABC",
            "--status-fd=2 -bsau",
            "--status-fd=2 -bsau A B",
            "--status-fd=1 --verify f",
            "--status-fd=2 --export-secret-keys A",
        ];
        for line in others {
            assert_eq!(job(line), None, "{line}");
        }
    }
}

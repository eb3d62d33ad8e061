//! The client side inside a sandbox: the remote helper `git-remote-agents`, for addresses `agents::repo`.
//!
//! git starts it and asks for a raw connection to a service; it dials the sandbox's one socket,
//! names the service in one line, and copies bytes both ways.

use std::{
    ffi::OsString,
    io::{self, BufRead, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    thread,
};

/// The socket inside every sandbox.
pub const DEFAULT_SOCKET: &str = "/run/rt/rt.sock";
/// Services that the runtime offers.
const SERVICES: [&str; 2] = ["receive-pack", "upload-pack"];

/// Runs the helper on the process's standard input and output; returns its exit code.
///
/// `args` are the process's own, the program's name first: the remote's name, then the address
/// without `agents::`. The address is the repository's name, or `<socket path>#<name>`.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args: Vec<String> = args.into_iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let address = args.get(2).or_else(|| args.get(1)).map_or("repo", String::as_str);
    let address =
        address.strip_prefix("agents::").or_else(|| address.strip_prefix("agents://")).unwrap_or(address);
    let (socket, repository) = address.rsplit_once('#').unwrap_or((DEFAULT_SOCKET, address));
    match converse(Path::new(socket), repository) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("git-remote-agents: {error}");
            1
        }
    }
}

/// Answers git's commands until it connects or leaves.
fn converse(socket: &Path, repository: &str) -> io::Result<()> {
    let mut input = io::stdin().lock();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 || line == "\n" {
            return Ok(());
        }
        let answer = match line.trim_end() {
            "capabilities" => "connect\n\n",
            command => match service(command) {
                Some(service) => {
                    drop(input);
                    return carry(dial(socket, service, repository)?);
                }
                None => {
                    return Err(io::Error::other(format!(
                        "git asked for {command:?}, only connect is offered"
                    )));
                }
            },
        };
        say(answer)?;
    }
}

/// The service of `connect git-receive-pack`.
fn service(command: &str) -> Option<&'static str> {
    let wanted = command.strip_prefix("connect git-")?;
    SERVICES.into_iter().find(|s| *s == wanted)
}

fn say(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn dial(socket: &Path, service: &str, repository: &str) -> io::Result<UnixStream> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if repository.is_empty() || !repository.bytes().all(plain) {
        return Err(io::Error::other(format!("{repository:?} is no name of a repository; use agents::repo")));
    }
    let unreachable =
        |e| io::Error::other(format!("the runtime's socket {} does not answer: {e}", socket.display()));
    let mut stream = UnixStream::connect(socket).map_err(unreachable)?;
    stream.write_all(format!("GIT1 {service} {repository}\n").as_bytes())?;
    Ok(stream)
}

/// Tells git that the connection stands and copies both ways until the runtime has said all.
fn carry(stream: UnixStream) -> io::Result<()> {
    say("\n")?;
    let upstream = stream.try_clone()?;
    // Ends with the process: git may keep our input open after the answer is complete.
    thread::spawn(move || {
        let _ = copy(&mut io::stdin().lock(), &mut &upstream);
        let _ = upstream.shutdown(Shutdown::Write);
    });
    copy(&mut &stream, &mut io::stdout().lock())
}

/// Copies as the bytes come, without waiting for a full buffer.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        to.write_all(&buffer[..n])?;
        to.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_services_are_named() {
        assert_eq!(service("connect git-receive-pack"), Some("receive-pack"));
        assert_eq!(service("connect git-upload-pack"), Some("upload-pack"));
        assert_eq!(service("connect git-upload-archive"), None);
        assert_eq!(service("push x"), None);
    }

    #[test]
    fn a_name_with_a_path_is_not_dialled() {
        for name in ["", "../../etc", "a b", "a\nGIT1"] {
            assert!(dial(Path::new("/nonexistent"), "upload-pack", name).is_err());
        }
        let error = dial(Path::new("/nonexistent"), "upload-pack", "repo").expect_err("no socket");
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}

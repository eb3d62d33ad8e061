//! The first line of a connection: reading it within bounds, and which service it asks for.

use crate::client::MCP_HELLO;
use foureyes_ports::hook::HookKind;
use foureyes_protocol::{Code, Reason};
use std::time::Duration;
use tokio::{io::AsyncReadExt, net::UnixStream};

/// The longest first line, newline included. Of a longer line of HTTP this much is read.
const MAX: usize = 512;
/// How long the first line may take.
pub(super) const TIME: Duration = Duration::from_secs(5);

/// Which service a first line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Service<'a> {
    Mcp,
    Git(&'a str),
    Sign(&'a str),
    Hook(&'a str),
    Http,
    Unknown(Reason),
}

impl<'a> Service<'a> {
    pub(super) fn of(head: &'a [u8]) -> Self {
        if head == MCP_HELLO {
            return Self::Mcp;
        }
        if looks_like_http(head) {
            return Self::Http;
        }
        let line = head.strip_suffix(b"\n").and_then(|l| std::str::from_utf8(l).ok());
        match line.filter(|l| !l.chars().any(char::is_control)) {
            Some(line) if line.starts_with("GIT1 ") => Self::Git(line),
            Some(line @ ("SIGN1" | "VERIFY1")) => Self::Sign(line),
            Some(line) => match hook_event(line) {
                Some(event) => Self::Hook(event),
                None => Self::unknown(),
            },
            None => Self::unknown(),
        }
    }

    fn unknown() -> Self {
        Self::Unknown(Reason::new(
            Code::Malformed,
            "the first line names no service: MCP1, GIT1 <service> <repository>, SIGN1, VERIFY1 or HOOK1 \
             <event>",
        ))
    }
}

/// The event of a `HOOK1` line, when it is one that the runtime sets hooks for.
fn hook_event(line: &str) -> Option<&str> {
    line.strip_prefix("HOOK1 ").filter(|event| HookKind::of(event).is_some())
}

/// A method in capitals, a blank, a path.
fn looks_like_http(head: &[u8]) -> bool {
    let method = head.iter().take_while(|b| b.is_ascii_uppercase()).count();
    (3..=7).contains(&method) && head[method..].starts_with(b" /")
}

/// Why a connection beyond the limit is closed.
pub(super) fn too_many() -> Reason {
    Reason::new(
        Code::Rate,
        format!("a role holds at most {} connections: close one first", super::MAX_CONNECTIONS),
    )
}

/// The first line with its newline, or the first [`MAX`] bytes of a longer one; `None` when the peer
/// closes or takes too long. Read byte by byte, so that what follows stays in the stream for the
/// service, which may be another process.
pub(super) async fn read_first_line(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(64);
    let reading = async {
        while head.len() < MAX && head.last() != Some(&b'\n') {
            head.push(stream.read_u8().await?);
        }
        std::io::Result::Ok(())
    };
    matches!(tokio::time::timeout(TIME, reading).await, Ok(Ok(()))).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_name_their_service() {
        assert_eq!(Service::of(b"MCP1\n"), Service::Mcp);
        let push = "GIT1 git-receive-pack repo.git";
        assert_eq!(Service::of(b"GIT1 git-receive-pack repo.git\n"), Service::Git(push));
        assert_eq!(Service::of(b"SIGN1\n"), Service::Sign("SIGN1"));
        assert_eq!(Service::of(b"VERIFY1\n"), Service::Sign("VERIFY1"));
        assert_eq!(Service::of(b"HOOK1 PreToolUse\n"), Service::Hook("PreToolUse"));
        assert_eq!(Service::of(b"POST /v1/messages HTTP/1.1\r\n"), Service::Http);
        assert_eq!(Service::of(&[b"GET /".as_slice(), &[b'a'; MAX - 5]].concat()), Service::Http);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_line_that_drips_in_is_given_up() {
        use tokio::io::AsyncWriteExt;
        let (mut peer, mut stream) = UnixStream::pair().unwrap();
        peer.write_all(b"MC").await.unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(read_first_line(&mut stream).await, None);
        assert!(begun.elapsed() >= TIME && begun.elapsed() < 2 * TIME);
    }

    #[tokio::test]
    async fn what_follows_the_first_line_stays_in_the_stream() {
        use tokio::io::AsyncWriteExt;
        let (mut peer, mut stream) = UnixStream::pair().unwrap();
        peer.write_all(b"SIGN1\nrest").await.unwrap();
        drop(peer);
        assert_eq!(read_first_line(&mut stream).await.unwrap(), b"SIGN1\n");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "rest");
    }

    #[test]
    fn other_first_lines_are_refused() {
        let long = [b'M'; MAX];
        let lines: [&[u8]; 11] = [
            b"\n",
            b"MCP1",
            b"MCP2\n",
            b"MCP1 \n",
            b"GIT1\n",
            b"GIT1 a\0b\n",
            b"SIGN1 dev-b\n",
            b"HOOK1 pre-commit\n",
            b"HOOK1 PreToolUse x\n",
            b"GET\n",
            &long,
        ];
        for line in lines {
            assert!(matches!(Service::of(line), Service::Unknown(_)), "{line:?}");
        }
        assert!(matches!(Service::of(&[0xff, b'\n']), Service::Unknown(_)));
    }
}

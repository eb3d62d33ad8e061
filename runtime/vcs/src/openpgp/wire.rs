//! The bytes between git's `gpg.program` and the runtime, over the agent's one socket.
//!
//! The client writes a line (`SIGN1` or `VERIFY1`) and two frames, the server answers with four.
//! A frame is its length (32 bits, big-endian) and its bytes.
//!
//! | verb | request frames | answer frames |
//! |---|---|---|
//! | `SIGN1` | key as git names it, payload | exit code (one byte), status lines, signature, text |
//! | `VERIFY1` | signature, payload | the same, with an empty signature |
//!
//! Whoever accepts connections reads the first line (it tells these verbs from others) and hands
//! the rest of the stream to [`serve_sign`] or [`serve_verify`].

use foureyes_ports::signer::MAX_PAYLOAD_BYTES;
use std::{
    future::Future,
    io::{self, Read, Write},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest frame besides the payload, in bytes.
pub const MAX_SMALL_FRAME: usize = 64 * 1024;

/// How long one request may take from its first frame to the last byte of the answer; both ends.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What is asked for, named by the first line of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Sign a payload.
    Sign,
    /// Judge a signature.
    Verify,
}

impl Verb {
    /// The line without its newline.
    pub fn line(self) -> &'static str {
        match self {
            Verb::Sign => "SIGN1",
            Verb::Verify => "VERIFY1",
        }
    }

    /// The verb that a first line (with or without its newline) asks for.
    pub fn from_line(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        [Verb::Sign, Verb::Verify].into_iter().find(|v| v.line() == line)
    }
}

/// A request to sign. Who asks is not in it: the socket tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// The key as git names it (`user.signingkey`, or the committer).
    pub key: String,
    /// The object to sign.
    pub payload: Vec<u8>,
}

/// A request to judge a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The armoured signature.
    pub signature: Vec<u8>,
    /// The object without its signature.
    pub payload: Vec<u8>,
}

/// What `gpg.program` shall print and exit with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The exit code.
    pub code: u8,
    /// Status lines for the descriptor that git named.
    pub status: String,
    /// The signature for stdout.
    pub armor: String,
    /// Text for people, for stderr.
    pub error: String,
}

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The stream failed or ended early.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
    /// A frame is larger than allowed.
    #[error("a frame of {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its announced size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A frame that must be text, or one byte, is not.
    #[error("a frame is not what it must be: {0}")]
    Content(&'static str),
    /// It took longer than [`TIME_LIMIT`].
    #[error("it took longer than {} s", TIME_LIMIT.as_secs())]
    TimedOut,
}

impl From<io::Error> for WireError {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            // What a blocking socket with a time limit says.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Io(e),
        }
    }
}

/// Asks over a connected stream and waits for the answer. Blocking; the caller sets time limits.
///
/// # Errors
/// [`WireError`]; a payload over [`MAX_PAYLOAD_BYTES`] is refused before a byte is sent.
pub fn ask(
    stream: &mut (impl Read + Write),
    verb: Verb,
    first: &[u8],
    payload: &[u8],
) -> Result<Answer, WireError> {
    check_size(first.len(), MAX_SMALL_FRAME)?;
    check_size(payload.len(), MAX_PAYLOAD_BYTES)?;
    let mut request = format!("{}\n", verb.line()).into_bytes();
    put(&mut request, first);
    put(&mut request, payload);
    stream.write_all(&request)?;
    stream.flush()?;
    read_answer(stream)
}

/// Serves one `SIGN1` after its first line.
///
/// # Errors
/// [`WireError`] when the request is not one, the stream fails or it takes too long; the caller
/// closes the stream.
pub async fn serve_sign<F, A>(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    handler: F,
) -> Result<(), WireError>
where
    F: FnOnce(SignRequest) -> A,
    A: Future<Output = Answer>,
{
    serve(reader, writer, |key, payload| {
        let key = String::from_utf8(key).map_err(|_| WireError::Content("the key is not text"))?;
        Ok(handler(SignRequest { key, payload }))
    })
    .await
}

/// Serves one `VERIFY1` after its first line.
///
/// # Errors
/// As [`serve_sign`].
pub async fn serve_verify<F, A>(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    handler: F,
) -> Result<(), WireError>
where
    F: FnOnce(VerifyRequest) -> A,
    A: Future<Output = Answer>,
{
    serve(reader, writer, |signature, payload| Ok(handler(VerifyRequest { signature, payload }))).await
}

async fn serve<F, A>(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    handle: F,
) -> Result<(), WireError>
where
    F: FnOnce(Vec<u8>, Vec<u8>) -> Result<A, WireError>,
    A: Future<Output = Answer>,
{
    let conversation = async {
        let first = read_frame(&mut reader, MAX_SMALL_FRAME).await?;
        let payload = read_frame(&mut reader, MAX_PAYLOAD_BYTES).await?;
        let answer = handle(first, payload)?.await;
        writer.write_all(&encode(&answer)).await?;
        writer.flush().await?;
        Ok(())
    };
    tokio::time::timeout(TIME_LIMIT, conversation).await.map_err(|_| WireError::TimedOut)?
}

/// Memory grows with what arrives, not with what is announced.
async fn read_frame(reader: &mut (impl AsyncRead + Unpin), limit: usize) -> Result<Vec<u8>, WireError> {
    let bytes = reader.read_u32().await? as usize;
    check_size(bytes, limit)?;
    let mut frame = Vec::new();
    reader.take(bytes as u64).read_to_end(&mut frame).await?;
    complete(frame, bytes)
}

fn get(reader: &mut impl Read, limit: usize) -> Result<Vec<u8>, WireError> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let bytes = u32::from_be_bytes(length) as usize;
    check_size(bytes, limit)?;
    let mut frame = Vec::new();
    reader.take(bytes as u64).read_to_end(&mut frame)?;
    complete(frame, bytes)
}

fn complete(frame: Vec<u8>, bytes: usize) -> Result<Vec<u8>, WireError> {
    if frame.len() == bytes { Ok(frame) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
}

fn check_size(bytes: usize, limit: usize) -> Result<(), WireError> {
    if bytes > limit { Err(WireError::TooLarge { bytes, limit }) } else { Ok(()) }
}

fn put(out: &mut Vec<u8>, frame: &[u8]) {
    // Every frame is checked against a limit below 2^32 or made here.
    out.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    out.extend_from_slice(frame);
}

fn encode(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &[answer.code]);
    for text in [&answer.status, &answer.armor, &answer.error] {
        put(&mut out, text.as_bytes());
    }
    out
}

fn read_answer(stream: &mut impl Read) -> Result<Answer, WireError> {
    let code = get(stream, MAX_SMALL_FRAME)?;
    let &[code] = code.as_slice() else { return Err(WireError::Content("the exit code is not one byte")) };
    let mut text = || {
        let bytes = get(stream, MAX_SMALL_FRAME)?;
        String::from_utf8(bytes).map_err(|_| WireError::Content("an answer is not text"))
    };
    Ok(Answer { code, status: text()?, armor: text()?, error: text()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer { code: 2, status: "[GNUPG:] x\n".into(), armor: "sig".into(), error: "why\n".into() }
    }

    fn request(first: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, first);
        put(&mut out, payload);
        out
    }

    async fn sign(bytes: &[u8]) -> (Result<(), WireError>, Vec<u8>, Option<SignRequest>) {
        let (mut out, mut seen) = (Vec::new(), None);
        let result = serve_sign(bytes, &mut out, |r| {
            seen = Some(r);
            std::future::ready(answer())
        });
        let result = result.await;
        (result, out, seen)
    }

    #[tokio::test]
    async fn a_request_reaches_the_handler_and_its_answer_the_client() {
        let (result, out, seen) = sign(&request(b"KEY", b"tree x")).await;
        result.unwrap();
        assert_eq!(seen, Some(SignRequest { key: "KEY".into(), payload: b"tree x".to_vec() }));
        assert_eq!(read_answer(&mut out.as_slice()).unwrap(), answer());
    }

    #[tokio::test]
    async fn a_request_cut_at_any_byte_is_an_error_and_reaches_no_handler() {
        let whole = request(b"KEY", b"tree x");
        for cut in 0..whole.len() {
            let (result, out, seen) = sign(&whole[..cut]).await;
            assert!(matches!(result, Err(WireError::Io(_))), "{cut}");
            assert!(out.is_empty() && seen.is_none(), "{cut}");
        }
    }

    #[test]
    fn an_answer_cut_at_any_byte_is_an_error() {
        let whole = encode(&answer());
        for cut in 0..whole.len() {
            assert!(read_answer(&mut &whole[..cut]).is_err(), "{cut}");
        }
    }

    #[tokio::test]
    async fn oversize_is_refused_by_its_announcement() {
        let long = request(&vec![b'k'; MAX_SMALL_FRAME + 1], b"");
        assert!(matches!(sign(&long).await.0, Err(WireError::TooLarge { .. })));
        let mut huge = request(b"KEY", b"");
        huge.truncate(7);
        huge.extend_from_slice(&(MAX_PAYLOAD_BYTES as u32 + 1).to_be_bytes());
        assert!(matches!(sign(&huge).await.0, Err(WireError::TooLarge { .. })));
        let mut untouched = io::Cursor::new(Vec::new());
        let payload = vec![0; MAX_PAYLOAD_BYTES + 1];
        assert!(matches!(ask(&mut untouched, Verb::Sign, b"K", &payload), Err(WireError::TooLarge { .. })));
        assert!(untouched.into_inner().is_empty());
    }

    #[tokio::test]
    async fn a_key_that_is_no_text_is_refused() {
        assert!(matches!(sign(&request(b"\xff", b"x")).await.0, Err(WireError::Content(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_silent_is_dropped_in_time() {
        let (client, server) = tokio::io::duplex(64);
        let (reader, writer) = tokio::io::split(server);
        let result = serve_sign(reader, writer, |_| std::future::ready(answer())).await;
        assert!(matches!(result, Err(WireError::TimedOut)));
        drop(client);
    }

    #[test]
    fn verbs_are_told_by_their_line() {
        assert_eq!(Verb::from_line("SIGN1\n"), Some(Verb::Sign));
        assert_eq!(Verb::from_line("VERIFY1"), Some(Verb::Verify));
        assert!(
            ["SIGN2\n", "sign1\n", " SIGN1", "", "SIGN1\n\n"].iter().all(|l| Verb::from_line(l).is_none())
        );
    }
}

//! `HOOK1 <event>`: one hook of an agent's program, one answer. The program tells what it is about
//! to do as one JSON object and closes its side; the answer is one line.

use super::{ChannelHandlers, first_line, say};
use crate::tools::Channel;
use foureyes_protocol::{Code, Reason};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// The largest event that is taken, in bytes (4 MiB): a tool's whole input may be in it.
pub const MAX_HOOK: usize = 4 << 20;
/// How long the program may take to tell it.
const TIME: Duration = Duration::from_secs(30);

/// Serves one hook. What cannot be read is answered by a refusal in words, which is no answer that
/// the program's side lets pass.
pub(super) async fn serve(
    channel: &Channel,
    handlers: &dyn ChannelHandlers,
    event: &str,
    mut stream: UnixStream,
) {
    let told = timeout(TIME, read(channel, &mut stream)).await;
    let late = || Reason::new(Code::Malformed, format!("the event was not told within {TIME:?}"));
    match told.unwrap_or_else(|_| Err(late())) {
        Ok(payload) => {
            let line = format!("{}\n", handlers.hook(&channel.role, event, payload).await);
            // A program that does not wait for its answer has made its choice.
            let _ = timeout(first_line::TIME, stream.write_all(line.as_bytes())).await;
        }
        Err(reason) => say(stream, &reason).await,
    }
}

/// The event, up to the end of what the peer sends.
async fn read(channel: &Channel, stream: &mut UnixStream) -> Result<Value, Reason> {
    let malformed = |why: String| Reason::new(Code::Malformed, why);
    let mut told = Vec::new();
    let mut block = vec![0; 16 << 10];
    loop {
        let n = stream.read(&mut block).await.map_err(|e| malformed(format!("reading the event: {e}")))?;
        if n == 0 {
            break;
        }
        channel.governance.count_bytes(&channel.role, n)?;
        if told.len() + n > MAX_HOOK {
            return Err(Reason::new(Code::TooLarge, format!("an event of more than {MAX_HOOK} bytes")));
        }
        told.extend_from_slice(&block[..n]);
    }
    match serde_json::from_slice(&told) {
        Ok(event @ Value::Object(_)) => Ok(event),
        Ok(_) => Err(malformed("the event is no JSON object".to_owned())),
        Err(e) => Err(malformed(format!("the event is no JSON: {e}"))),
    }
}

//! `agents-hook <event>`, the command hook of an agent's program inside the sandbox: it carries what
//! the program is about to do to the runtime, and the answer back.
//!
//! A program takes every failure of a hook for consent, but exit code 2. So for events that decide
//! something *every* failure (no runtime, no answer in time, an answer that is none, a panic) ends
//! with 2 and a reason on stderr, which the model is told. Events that only report end with 0
//! whatever happens, since a report must not hold up the work.
//!
//! What this program itself cannot answer for (that it is missing, or killed) is covered by the
//! command line that calls it: see [`foureyes_ports::hook`] and the back end that sets the hooks.

use crate::client::SANDBOX_SOCKET;
use foureyes_ports::{
    hook::{HookKind, check},
    text::clean_text,
};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long the runtime may take to answer. The hook's own limit in the program must be longer: what
/// runs into that limit is let through.
pub const ANSWER_TIME: Duration = Duration::from_secs(120);
/// The exit code that refuses.
const REFUSED: u8 = 2;
/// The largest event and the largest answer that are read, in bytes.
const MAX: u64 = crate::server::MAX_HOOK as u64;
/// The longest reason that is passed on, in characters.
const MAX_REASON: usize = 2_000;
/// What the runtime needs of an event that only reports: no contents of files, no output of tools.
const REPORTED: [&str; 14] = [
    "hook_event_name",
    "session_id",
    "permission_mode",
    "tool_name",
    "tool_use_id",
    "duration_ms",
    "error",
    "error_details",
    "is_interrupt",
    "notification_type",
    "source",
    "trigger",
    "reason",
    "stop_hook_active",
];

/// Runs `agents-hook` with the arguments after the program's name: `[--socket PATH] EVENT`.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = args.into_iter().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let kind = args.last().and_then(|event| HookKind::of(event));
    // The message of a panic would be taken for the reason.
    std::panic::set_hook(Box::new(|_| {}));
    let code = ask_in_time(args, io::stdin(), ANSWER_TIME).and_then(|answer| {
        let mut out = io::stdout();
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(|e| format!("writing the answer: {e}"))
    });
    ExitCode::from(ended(kind, code, &mut io::stderr()))
}

/// The exit code; the reason of a refusal goes to `err`.
fn ended(kind: Option<HookKind>, done: Result<(), String>, err: &mut dyn Write) -> u8 {
    match (kind, done) {
        (_, Ok(())) | (Some(HookKind::Reporting), Err(_)) => 0,
        (_, Err(why)) => {
            // Without a stderr the exit code has to do.
            let _ = writeln!(err, "agents-hook: refused: {}", clean_text(&why, MAX_REASON));
            REFUSED
        }
    }
}

/// Asks on a thread of its own, so that nothing can hold the answer back for longer than `limit`.
fn ask_in_time(
    args: Vec<String>,
    input: impl Read + Send + 'static,
    limit: Duration,
) -> Result<Value, String> {
    let (done, answered) = mpsc::channel();
    thread::Builder::new()
        .name("ask".to_owned())
        .spawn(move || {
            let asked = catch_unwind(AssertUnwindSafe(|| ask(&args, input, limit)));
            // Nobody waits any more when the time is over.
            let _ = done.send(asked.unwrap_or_else(|_| Err("the hook itself failed".to_owned())));
        })
        .map_err(|e| format!("starting the hook: {e}"))?;
    match answered.recv_timeout(limit) {
        Ok(answer) => answer,
        Err(_) => Err(format!("the runtime did not answer within {limit:?}; try again")),
    }
}

fn ask(args: &[String], input: impl Read, limit: Duration) -> Result<Value, String> {
    let (socket, event) = parse(args)?;
    let kind = HookKind::of(event).ok_or_else(|| format!("{event:?} is no event that is known"))?;
    let told = event_of(input, kind)?;
    let answer = exchange(&socket, event, &told, limit)?;
    check(event, &answer).map_err(|why| format!("the runtime's answer cannot be used: {why}"))?;
    Ok(answer)
}

fn parse(args: &[String]) -> Result<(PathBuf, &str), String> {
    match args {
        [event] => Ok((SANDBOX_SOCKET.into(), event)),
        [option, path, event] if option == "--socket" => Ok((path.into(), event)),
        _ => Err("usage: agents-hook [--socket PATH] EVENT".to_owned()),
    }
}

/// What the program tells on stdin, cut down to what a report needs.
fn event_of(input: impl Read, kind: HookKind) -> Result<String, String> {
    let mut told = Vec::new();
    input.take(MAX + 1).read_to_end(&mut told).map_err(|e| format!("reading the event: {e}"))?;
    if told.len() as u64 > MAX {
        return Err(format!("the event has more than {MAX} bytes; do it in smaller steps"));
    }
    let told: Value = serde_json::from_slice(&told).map_err(|e| format!("the event is no JSON: {e}"))?;
    let Value::Object(fields) = told else { return Err("the event is no JSON object".to_owned()) };
    Ok(match kind {
        HookKind::Deciding => json!(fields),
        HookKind::Reporting => {
            json!(
                fields
                    .into_iter()
                    .filter(|(name, _)| REPORTED.contains(&name.as_str()))
                    .collect::<serde_json::Map<_, _>>()
            )
        }
    }
    .to_string())
}

fn exchange(socket: &Path, event: &str, told: &str, limit: Duration) -> Result<Value, String> {
    let lost = |e: io::Error| format!("the runtime cannot be reached at {}: {e}", socket.display());
    let mut stream = UnixStream::connect(socket).map_err(lost)?;
    stream
        .set_read_timeout(Some(limit))
        .and_then(|()| stream.set_write_timeout(Some(limit)))
        .map_err(lost)?;
    let asked = stream
        .write_all(format!("HOOK1 {event}\n{told}").as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let heard = stream.take(MAX).read_to_end(&mut answer);
    // A refusal in words may come before all was sent: it says more than the broken pipe.
    if answer.is_empty() {
        asked.map_err(lost)?;
        heard.map_err(lost)?;
        return Err("the runtime closed the connection without an answer".to_owned());
    }
    let text = String::from_utf8_lossy(&answer);
    serde_json::from_str(&text).map_err(|_| text.trim().to_owned())
}

#[cfg(test)]
mod tests;

//! `agents-mcp`, the stdio side inside the sandbox: an agent that speaks MCP over stdin and stdout
//! reaches the gateway through it, and shell scripts call single tools with it. Standard library
//! only, so that it starts in no time; it holds no rights, since the socket decides who speaks.

use crate::client::{Client, MCP_HELLO, SANDBOX_SOCKET, ToolError};
use serde_json::Value;
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

const USAGE: &str = "\
usage: agents-mcp [--socket PATH]                         speak MCP over stdin and stdout
       agents-mcp [--socket PATH] call TOOL [ARGUMENTS]   call a tool; ARGUMENTS is a JSON object
       agents-mcp [--socket PATH] tools                   list the tools of this role
exit code: 0 done, 1 refused or unreachable (the reason is on stderr), 2 wrong usage";

/// What was asked for on the command line.
#[derive(Debug, PartialEq)]
enum Mode {
    Pump,
    Call(String, Value),
    Tools,
    Help,
}

/// Runs `agents-mcp` with the arguments after the program's name.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    let (socket, mode) = match parse(args) {
        Ok(parsed) => parsed,
        Err(problem) => {
            eprintln!("agents-mcp: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    ExitCode::from(run(&socket, mode, &mut io::stdout(), &mut io::stderr()))
}

fn parse(args: impl IntoIterator<Item = String>) -> Result<(PathBuf, Mode), String> {
    let mut args = args.into_iter().peekable();
    let mut socket = PathBuf::from(SANDBOX_SOCKET);
    if args.next_if(|a| a == "--socket").is_some() {
        socket = args.next().ok_or("--socket needs a path")?.into();
    }
    let mode = match args.next().as_deref() {
        None => Mode::Pump,
        Some("call") => {
            let tool = args.next().ok_or("call needs the name of a tool")?;
            Mode::Call(tool, arguments(args.next().as_deref().unwrap_or("{}"))?)
        }
        Some("tools") => Mode::Tools,
        Some("help" | "--help" | "-h") => Mode::Help,
        Some(other) => return Err(format!("{other:?} is no command")),
    };
    match args.next() {
        None => Ok((socket, mode)),
        Some(extra) => Err(format!("{extra:?} is one argument too many: quote the JSON object")),
    }
}

fn arguments(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err("the arguments must be a JSON object".to_owned()),
        Err(e) => Err(format!("the arguments are no JSON: {e}")),
    }
}

/// Does it; the answer goes to `out`, a refusal to `err`. Returns the exit code.
fn run(socket: &Path, mode: Mode, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let written = |e| ToolError::unreachable("writing the answer", e);
    let done = answer(socket, mode).and_then(|text| match text {
        Some(text) => writeln!(out, "{text}").map_err(written),
        None => Ok(()),
    });
    match done {
        Ok(()) => 0,
        Err(refusal) => {
            // Without a stderr the exit code has to do.
            let _ = writeln!(err, "{refusal}");
            1
        }
    }
}

/// What there is to print; nothing when the session was carried and is over.
fn answer(socket: &Path, mode: Mode) -> Result<Option<String>, ToolError> {
    let lost = |e| ToolError::unreachable(&format!("the runtime's socket {}", socket.display()), e);
    match mode {
        Mode::Help => Ok(Some(USAGE.to_owned())),
        Mode::Call(tool, arguments) => Ok(Some(Client::connect(socket)?.call(&tool, arguments)?.to_string())),
        Mode::Tools => Ok(Some(Client::connect(socket)?.tools()?.join("\n"))),
        Mode::Pump => {
            let stream = UnixStream::connect(socket).map_err(lost)?;
            pump(io::stdin(), io::stdout(), stream).map_err(lost)?;
            Ok(None)
        }
    }
}

/// Copies an MCP session between a pair of pipes and a connection to the gateway, until the gateway
/// closes it (which it does when `input` ends and everything is answered).
///
/// # Errors
/// When a side breaks.
pub fn pump(
    mut input: impl Read + Send + 'static,
    mut output: impl Write,
    mut stream: UnixStream,
) -> io::Result<()> {
    stream.write_all(MCP_HELLO)?;
    let mut up = stream.try_clone()?;
    // Not joined: it may sit in a read of stdin that never ends. The process ends with the session.
    thread::spawn(move || {
        // A broken side shows as the end of the session below.
        let _ = io::copy(&mut input, &mut up);
        let _ = up.shutdown(Shutdown::Write);
    });
    let mut block = [0; 16 << 10];
    loop {
        match stream.read(&mut block)? {
            0 => return output.flush(),
            // A session is a dialogue: each answer is passed on at once.
            n => output.write_all(&block[..n]).and_then(|()| output.flush())?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(line: &[&str]) -> Result<(PathBuf, Mode), String> {
        parse(line.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn command_lines() {
        assert_eq!(parsed(&[]), Ok((SANDBOX_SOCKET.into(), Mode::Pump)));
        let call = Mode::Call("send".to_owned(), json!({"to": "qa-a"}));
        assert_eq!(parsed(&["--socket", "/s", "call", "send", r#"{"to":"qa-a"}"#]), Ok(("/s".into(), call)));
        assert_eq!(parsed(&["tools"]).map(|p| p.1), Ok(Mode::Tools));
        let wrong: [&[&str]; 6] = [
            &["--socket"],
            &["call"],
            &["call", "x", "[]"],
            &["call", "x", "{"],
            &["dance"],
            &["tools", "x"],
        ];
        for line in wrong {
            assert!(parsed(line).is_err(), "{line:?}");
        }
    }

    fn ran(socket: &Path, line: &[&str]) -> (u8, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (_, mode) = parsed(line).unwrap();
        let code = run(socket, mode, &mut out, &mut err);
        (code, String::from_utf8([out, err].concat()).unwrap())
    }

    #[test]
    fn single_tools_are_called() {
        let rig = crate::testing::Rig::new("dev-a");
        let (code, text) = ran(&rig.socket, &["call", "send", r#"{"to":"qa-a","text":"t"}"#]);
        assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()["record"].clone()), (0, json!(1)));
        let (code, text) = ran(&rig.socket, &["call", "send", r#"{"to":"dev-a","text":"t"}"#]);
        assert_eq!(code, 1);
        assert!(text.starts_with("M-RECEIVER (message registry): a message to oneself — next: "), "{text}");
        let (code, text) = ran(&rig.socket, &["tools"]);
        assert_eq!((code, text.lines().next()), (0, Some("inbox")));
    }

    #[test]
    fn a_socket_that_is_not_there_is_named() {
        let (code, text) = ran(Path::new("/no/such.sock"), &["call", "team"]);
        assert_eq!(code, 1);
        assert!(text.starts_with("UNREACHABLE: connecting to /no/such.sock: "), "{text}");
    }
}

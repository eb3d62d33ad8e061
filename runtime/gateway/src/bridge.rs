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
    match run(&socket, mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
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

fn run(socket: &Path, mode: Mode) -> Result<(), ToolError> {
    let lost = |e| ToolError::unreachable(&format!("the runtime's socket {}", socket.display()), e);
    match mode {
        Mode::Help => println!("{USAGE}"),
        Mode::Pump => {
            let stream = UnixStream::connect(socket).map_err(lost)?;
            pump(io::stdin(), io::stdout(), stream).map_err(lost)?;
        }
        Mode::Call(tool, arguments) => println!("{}", Client::connect(socket)?.call(&tool, arguments)?),
        Mode::Tools => Client::connect(socket)?.tools()?.iter().for_each(|name| println!("{name}")),
    }
    Ok(())
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
}

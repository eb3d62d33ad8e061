//! A person at a terminal, who types.

use nix::pty::openpty;
use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, ExitStatus, Stdio},
    thread,
};

/// Runs a program in a terminal of its own where `typed` is typed, and says how it ended and what was
/// to be read there.
///
/// # Panics
/// When there is no terminal, or the program does not start.
pub fn type_to(mut command: Command, typed: &str) -> (ExitStatus, String) {
    let pty = openpty(None, None).expect("a terminal");
    let slave = || Stdio::from(pty.slave.try_clone().expect("the terminal's other end"));
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().expect("the program starts");
    drop((command, pty.slave));
    let mut master = File::from(pty.master);
    master.write_all(typed.as_bytes()).expect("a terminal that takes keys");
    let screen = thread::spawn(move || {
        let mut text = Vec::new();
        // A terminal whose program has gone ends with an error instead of nothing.
        let _ = master.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = child.wait().expect("the program's end");
    (status, screen.join().expect("what was shown"))
}

//! Pid 1 of a sandbox: starts the one program, forwards a loopback port to the runtime's socket,
//! hands signals on, collects orphans, and takes everything with it when the program ends.
//!
//! It cannot be read, traced or written to from inside: it is not dumpable and keeps none of the
//! program's three streams. The program itself must not be dumpable either where its standard
//! input is a pipe of the runtime, or its own tools could type into it. Ours is because it is
//! executed from a file that its uid cannot read (mode 0111); for another program bind
//! [`crate::sandbox::unreadable_copy`] of it. A script cannot be protected so: its interpreter can.

mod filter;
mod forward;
mod program;

use nix::{
    sys::{
        prctl,
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::{convert::Infallible, ffi::OsString, fs::OpenOptions, net::TcpListener, path::PathBuf, process};
use tokio::io::{Interest, unix::AsyncFd};

/// Exit status when pid 1 itself cannot work, as `env` and `timeout` use it.
const FAILED: i32 = 125;
/// Signals from outside that are handed to the program.
const FORWARDED: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGWINCH];

/// What pid 1 was told on its command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Orders {
    tty: bool,
    forward: Option<(u16, PathBuf)>,
    program: Vec<OsString>,
}

/// Runs `[--tty] [--forward PORT SOCKET] -- PROGRAM [ARGUMENT…]` and exits with the program's
/// status, or 128 and its signal. Exit 125 when pid 1 itself fails, 127 when there is no such
/// program, 126 when it cannot be executed.
pub fn main(args: &[OsString]) -> ! {
    let Err(why) = run(args);
    eprintln!("agents-init: {why}");
    process::exit(FAILED)
}

fn run(args: &[OsString]) -> Result<Infallible, String> {
    let orders = parse(args)?;
    prctl::set_dumpable(false).map_err(|e| format!("not dumpable: {e}"))?;
    let listener = orders.forward.as_ref().map(|(port, _)| forward::bind(*port)).transpose()?;
    let signals = watched();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&signals), None).map_err(|e| format!("signals: {e}"))?;
    let child = program::start(&orders.program, orders.tty)?;
    let_go_of_streams().map_err(|e| format!("/dev/null: {e}"))?;
    let forward = listener.zip(orders.forward.map(|(_, socket)| socket));
    let code = serve(child, &signals, forward)?;
    process::exit(code)
}

fn parse(args: &[OsString]) -> Result<Orders, String> {
    let mut orders = Orders::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--tty") => orders.tty = true,
            Some("--forward") => {
                let port =
                    args.next().and_then(|p| p.to_str()?.parse().ok()).ok_or("--forward needs a port")?;
                let socket = args.next().ok_or("--forward needs a socket")?;
                orders.forward = Some((port, socket.into()));
            }
            Some("--") => break,
            _ => return Err(format!("unknown option {arg:?}")),
        }
    }
    orders.program = args.cloned().collect();
    if orders.program.is_empty() { Err("no program is named after `--`".into()) } else { Ok(orders) }
}

fn watched() -> SigSet {
    FORWARDED.into_iter().chain([Signal::SIGCHLD]).collect()
}

/// The pipe or the terminal is the program's alone.
fn let_go_of_streams() -> nix::Result<()> {
    let null =
        OpenOptions::new().read(true).write(true).open("/dev/null").map_err(|_| nix::errno::Errno::ENOENT)?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)
}

/// Works until the program ends, and answers with the status to exit with. One thread.
fn serve(child: Pid, signals: &SigSet, forward: Option<(TcpListener, PathBuf)>) -> Result<i32, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|e| format!("event loop: {e}"))?;
    runtime.block_on(async {
        if let Some((listener, socket)) = forward {
            tokio::spawn(forward::serve(listener, socket));
        }
        watch(child, signals).await.map_err(|e| format!("signals: {e}"))
    })
}

async fn watch(child: Pid, signals: &SigSet) -> std::io::Result<i32> {
    let source = SignalFd::with_flags(signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    // SAFETY: `SignalFd` owns its descriptor and never changes it.
    let source = unsafe { AsyncFd::register_with_interest(source, Interest::READABLE)? };
    loop {
        // Looked at first: the program may have ended before anything was watched.
        if let Some(code) = collect(child) {
            return Ok(code);
        }
        let mut ready = source.readable().await?;
        match source.get_ref().read_signal()? {
            Some(info) => hand_on(child, info.ssi_signo, info.ssi_pid),
            None => ready.clear_ready(),
        }
    }
}

/// Hands a signal to the program's group, but only one from outside: those have no sender that
/// this namespace could name. What the agent's own processes send to pid 1 has no effect.
fn hand_on(child: Pid, signo: u32, sender: u32) {
    let signal = i32::try_from(signo).ok().and_then(|n| Signal::try_from(n).ok());
    if let Some(signal) = signal.filter(|s| FORWARDED.contains(s) && (sender == 0 || process::id() != 1)) {
        // Gone already: its end is about to be collected.
        let _ = kill(Pid::from_raw(-child.as_raw()), signal);
    }
}

/// Collects all that is dead; the program's own status when it is among them.
fn collect(child: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => code = Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return code,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(words: &[&str]) -> Result<Orders, String> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_end_at_two_dashes() {
        let parsed = orders(&["--tty", "--forward", "9999", "/run/rt/rt.sock", "--", "sh", "--tty"]).unwrap();
        assert!(parsed.tty);
        assert_eq!(parsed.forward, Some((9999, "/run/rt/rt.sock".into())));
        assert_eq!(parsed.program, ["sh", "--tty"]);
    }

    #[test]
    fn wrong_orders_are_named() {
        assert!(orders(&[]).unwrap_err().contains("no program"));
        assert!(orders(&["--"]).unwrap_err().contains("no program"));
        assert!(orders(&["--forward", "x"]).unwrap_err().contains("port"));
        assert!(orders(&["--forward", "1"]).unwrap_err().contains("socket"));
        assert!(orders(&["sh"]).unwrap_err().contains("sh"));
    }
}

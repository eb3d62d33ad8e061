//! Starting the one program: own process group, clean signals, the terminal when there is one.

use nix::{
    errno::Errno,
    sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask},
    unistd::{ForkResult, Pid, execvp, fork, getpid, setpgid, tcsetpgrp},
};
use std::{
    ffi::{CString, OsString},
    io::stdin,
    os::unix::ffi::OsStrExt,
};

/// Forks and executes; the pid inside. Must be called while this process has one thread.
pub(super) fn start(program: &[OsString], tty: bool) -> Result<Pid, String> {
    let argv = program
        .iter()
        .map(|word| CString::new(word.as_bytes()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "a NUL byte in an argument")?;
    // SAFETY: one thread, so the child may do anything.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { child }) => {
            // Both sides do it, so that neither runs ahead; the loser's error means nothing.
            let _ = setpgid(child, child);
            Ok(child)
        }
        Ok(ForkResult::Child) => become_program(&argv, tty),
        Err(e) => Err(format!("fork: {e}")),
    }
}

fn become_program(argv: &[CString], tty: bool) -> ! {
    let why = match prepare(tty) {
        Ok(()) => execvp(&argv[0], argv).map_or_else(|e| e, |never| match never {}),
        Err(e) => e,
    };
    eprintln!("agents-init: {}: {}", argv[0].to_string_lossy(), why.desc());
    std::process::exit(if why == Errno::ENOENT { 127 } else { 126 })
}

fn prepare(tty: bool) -> nix::Result<()> {
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    if tty {
        take_terminal()?;
    }
    // SAFETY: default dispositions only; the Rust start-up ignores SIGPIPE.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl)? };
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    super::filter::install()
}

/// Becomes the foreground group. The session's leader is outside, so the session stays as it is.
fn take_terminal() -> nix::Result<()> {
    // SAFETY: ignoring a signal and taking the default again; no handler of ours runs. A process
    // in the background that moves the terminal would be stopped by SIGTTOU.
    unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn)? };
    let taken = tcsetpgrp(stdin(), getpid());
    // SAFETY: as above.
    unsafe { signal(Signal::SIGTTOU, SigHandler::SigDfl)? };
    taken
}

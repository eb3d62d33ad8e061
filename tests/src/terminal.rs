//! A person at a terminal, who types.

use nix::pty::{Winsize, openpty};
use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
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

/// A program in a terminal of its own, where somebody types again and again.
pub struct Terminal {
    keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl Terminal {
    /// Starts a program in a terminal of 100 by 30.
    ///
    /// # Panics
    /// When there is no terminal, or the program does not start.
    pub fn of(mut command: Command) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a terminal");
        let slave = || Stdio::from(pty.slave.try_clone().expect("the terminal's other end"));
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().expect("the program starts");
        drop((command, pty.slave));
        let keys = File::from(pty.master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, kept) = (keys.try_clone().expect("the terminal"), shown.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..n]);
            }
        });
        Self { keys, shown, child }
    }

    /// Types this.
    ///
    /// # Panics
    /// When the terminal takes no keys.
    pub fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).expect("a terminal that takes keys");
    }

    /// Everything that was shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until this is shown.
    ///
    /// # Panics
    /// When it is not within twenty seconds.
    pub fn shows(&self, text: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.shown().contains(text) {
            assert!(Instant::now() < until, "{text:?} is not shown: {}", self.shown());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// When it goes on for more than twenty seconds.
    pub fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of the program") {
                return status;
            }
            assert!(Instant::now() < until, "it goes on: {}", self.shown());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The user's terminal while a sink draws on all of it: switched once, always given back.

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use std::io::{self, IsTerminal, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal in raw mode with the alternate screen; given back when this is dropped, also by a
/// panic anywhere in the program.
pub(crate) struct FullScreen(());

impl FullScreen {
    pub(crate) fn enter() -> io::Result<Self> {
        HOOK.call_once(restore_before_panic_messages);
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let screen = Self(());
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back if a sink has it. Does nothing otherwise; may be called at any time, for
/// example before the process exits at a signal.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone cannot be restored and needs no restoring.
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

fn restore_before_panic_messages() {
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Supervised actors panic and restart while the view goes on: only these two threads take
        // the view down with them.
        if matches!(std::thread::current().name(), Some(crate::live::THREAD | "main")) {
            restore();
        }
        if TAKEN.load(Ordering::SeqCst) {
            tracing::error!(panic = %info, "a thread panicked while the view was shown");
        } else {
            earlier(info);
        }
    }));
}

/// Whether both what is typed and what is written is a terminal.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && stdout().is_terminal()
}

//! One drawing of the viewer: the screen, and a line below it that says whose it is.

use super::{Options, ScreenUpdate};
use crate::ink::{self, Ink};
use crate::page::Page;
use crate::text::{part, width as columns_of};

/// The bytes that draw an update on a terminal of `width` by `height`: the agent's screen from the
/// model, and the last row with role, state and work.
pub fn frame(update: &ScreenUpdate, width: u16, height: u16, options: Options) -> String {
    // Drawn between "begin" and "end of update", so that no terminal shows half of it.
    let screen = if height > 1 { update.screen.to_ansi(width, height - 1) } else { String::new() };
    format!("\x1b[?2026h{screen}\x1b[{height};1H{}\x1b[?2026l", caption(update, usize::from(width), options))
}

fn caption(update: &ScreenUpdate, width: usize, options: Options) -> String {
    let page = Page { width, colour: options.colour };
    let name = format!(" {} ", update.role);
    let state = format!(" {} {}", ink::state_mark(update.state), update.state);
    let again = if update.restarts > 0 { format!(" ↻{}", update.restarts) } else { String::new() };
    let work = if update.work.is_empty() { String::new() } else { format!(" · {}", update.work) };
    let keys = " q leaves ";
    // The last column stays free: erasing from there would take a character away.
    let mut room = width.saturating_sub(1);
    let mut out = String::from("\x1b[0m");
    let parts = [(Ink::Bold, name), (ink::state(update.state), state), (Ink::Red, again), (Ink::Plain, work)];
    for (n, (ink, text)) in parts.into_iter().enumerate() {
        let ink = if n == 0 && options.colour { ink::family(update.family) } else { ink };
        let text = part(&text, room);
        room = room.saturating_sub(columns_of(&text));
        out.push_str(&page.ink(ink, &text));
    }
    out.push_str("\x1b[K");
    if options.hint && room > keys.len() {
        out.push_str(&" ".repeat(room - keys.len()));
        out.push_str(&page.ink(Ink::Dim, keys));
    }
    out
}

//! One drawing of the viewer: the screen, and a line below it that says whose it is.

use super::{Options, ScreenUpdate};
use crate::ink::{self, Ink};
use crate::page::Page;
use crate::text::{part, width as columns_of};

/// The bytes that draw an update on a terminal of `width` by `height`: the agent's screen from the
/// model, and the last row with role, state and work.
pub fn frame(update: &ScreenUpdate, width: u16, height: u16, options: Options) -> String {
    let caption = caption(update, usize::from(width), options, " q leaves ");
    whole(&screen(update, width, height, 1), height, &caption)
}

/// The same for whoever has taken it over: `line` is what is typed where the program has no terminal,
/// and the cursor stands where the next key goes.
pub(super) fn taken_frame(
    update: &ScreenUpdate,
    (width, height): (u16, u16),
    options: Options,
    line: Option<&str>,
    keys: &str,
) -> String {
    let below = if line.is_some() { 2 } else { 1 };
    let mut screen = screen(update, width, height, below);
    let mut cursor = update.screen.cursor_in(width, height.saturating_sub(below));
    if let Some(line) = line.filter(|_| height > below) {
        let shown = end_of(line, usize::from(width).saturating_sub(3));
        screen.push_str(&format!("\x1b[{};1H\x1b[0m> {shown}\x1b[K", height - 1));
        cursor = u16::try_from(columns_of(&shown)).ok().map(|columns| (height - 2, columns + 2));
    }
    let caption = caption(update, usize::from(width), options, keys);
    let frame = whole(&screen, height, &caption);
    match cursor {
        Some((row, col)) => format!("{frame}\x1b[{};{}H\x1b[?25h", row + 1, col + 1),
        None => format!("{frame}\x1b[?25l"),
    }
}

fn screen(update: &ScreenUpdate, width: u16, height: u16, below: u16) -> String {
    if height > below { update.screen.to_ansi(width, height - below) } else { String::new() }
}

/// Drawn between "begin" and "end of update", so that no terminal shows half of it.
fn whole(screen: &str, height: u16, caption: &str) -> String {
    format!("\x1b[?2026h{screen}\x1b[{height};1H{caption}\x1b[?2026l")
}

/// The last `columns` columns of a line.
fn end_of(line: &str, columns: usize) -> String {
    let mut end = line;
    while columns_of(end) > columns {
        let mut rest = end.chars();
        rest.next();
        end = rest.as_str();
    }
    end.to_owned()
}

fn caption(update: &ScreenUpdate, width: usize, options: Options, keys: &str) -> String {
    let page = Page { width, colour: options.colour };
    let name = format!(" {} ", update.role);
    let state = format!(" {} {}", ink::state_mark(update.state), update.state);
    let again = if update.restarts > 0 { format!(" ↻{}", update.restarts) } else { String::new() };
    let work = if update.work.is_empty() { String::new() } else { format!(" · {}", update.work) };
    // The last column stays free: erasing from there would take a character away.
    let mut room = width.saturating_sub(1);
    // Whoever has taken it over must see how to give it back.
    let kept = if options.hint && update.taken { columns_of(keys) + 1 } else { 0 };
    room = room.saturating_sub(kept);
    let mut out = String::from("\x1b[0m");
    let taken = if update.taken { " taken over by the user " } else { "" }.to_owned();
    let parts = [
        (Ink::Bold, name),
        (ink::state(update.state), state),
        (Ink::Red, again),
        (Ink::Bold, taken),
        (Ink::Plain, work),
    ];
    for (n, (ink, text)) in parts.into_iter().enumerate() {
        let ink = if n == 0 && options.colour { ink::family(update.family) } else { ink };
        let text = part(&text, room);
        room = room.saturating_sub(columns_of(&text));
        out.push_str(&page.ink(ink, &text));
    }
    out.push_str("\x1b[K");
    room += kept.min(width.saturating_sub(1));
    if options.hint && room > columns_of(keys) {
        out.push_str(&" ".repeat(room - columns_of(keys)));
        out.push_str(&page.ink(Ink::Dim, keys));
    }
    out
}

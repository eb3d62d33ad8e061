//! The newest messages, which can be scrolled back.

use super::screen::{Row, boxed, title};
use super::ui::Ui;
use crate::ink::{self, Ink};
use crate::text::{clean, width, wrap};
use crate::words;
use foureyes_ports::view::MessageLine;
use foureyes_protocol::PrincipalId;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};

/// Columns of a name.
const NAME: usize = 12;
/// From this height on a message may take several lines.
const ROOMY: u16 = 10;
/// How many lines a long text may take, and how far they are moved to the right.
const LINES: usize = 3;
const INDENT: usize = 8;
/// From this width on the feature has a column.
const WITH_FEATURE: u16 = 66;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let mut heading = vec![(Ink::Bold, "Messages".to_owned())];
    if ui.scroll > 0 {
        heading.push((Ink::Yellow, format!("{} newer below · End", ui.scroll)));
    }
    let inner = boxed(frame, area, ui, title(ui, &heading));
    frame.render_widget(Text::from(lines(ui, inner)), inner);
}

/// The newest lines that there is room for, from the message down to which the user scrolled.
fn lines(ui: &Ui, area: Rect) -> Vec<Line<'static>> {
    let room = usize::from(area.height);
    let mut lines = Vec::new();
    for message in ui.view.messages.iter().rev().skip(ui.scroll) {
        let mut next = draw_message(ui, message, area);
        if lines.len() + next.len() > room {
            break;
        }
        next.reverse();
        lines.extend(next);
    }
    lines.reverse();
    lines
}

/// A message on one line. Where there is room to read on, one that is too long has its text on
/// lines of its own.
fn draw_message(ui: &Ui, m: &MessageLine, area: Rect) -> Vec<Line<'static>> {
    let tone = ink::tone(m.tone);
    let head = head(ui, m, area.width);
    let text = clean(&format!("{}: {}", m.kind, m.text));
    if area.height < ROOMY || width(&text) <= head.room() {
        return vec![head.add(tone, &text).line()];
    }
    let mut lines = vec![head.add(Ink::Dim, &m.kind).line()];
    let room = usize::from(area.width).saturating_sub(INDENT);
    lines.extend(
        wrap(&m.text, room, LINES)
            .iter()
            .map(|text| Row::new(ui, area.width).column(Ink::Plain, "", INDENT).add(tone, text).line()),
    );
    lines
}

/// What stands before the text: when, how much it matters, from, to and about what.
fn head<'a>(ui: &'a Ui, m: &MessageLine, columns: u16) -> Row<'a> {
    let at = words::clock(m.at_ms.saturating_sub(ui.view.started_ms));
    let row = Row::new(ui, columns)
        .add(Ink::Dim, &format!("{at} "))
        .add(ink::tone(m.tone), &format!("{} ", ink::tone_mark(m.tone)))
        .column(name_ink(ui, &m.from), &m.from, NAME)
        .add(Ink::Dim, " → ")
        .column(name_ink(ui, &m.to), &m.to, NAME)
        .add(Ink::Plain, " ");
    if columns < WITH_FEATURE {
        return row;
    }
    row.column(Ink::Dim, m.feature.as_ref().map_or("", AsRef::as_ref), NAME).add(Ink::Plain, " ")
}

/// The colour of the family of a role of that name.
fn name_ink(ui: &Ui, name: &str) -> Ink {
    let role = PrincipalId::new(name).ok().and_then(|id| ui.view.roles.iter().find(|r| r.id == id));
    role.map_or(Ink::Bold, |role| ink::family(role.family))
}

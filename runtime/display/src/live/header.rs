//! The top: what runs where, the clock, the freeze, the caption.

use super::screen::Row;
use super::ui::Ui;
use crate::ink::Ink;
use crate::text::fit;
use crate::words;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Rows that the header takes.
pub(super) fn height(ui: &Ui) -> u16 {
    1 + u16::from(ui.view.frozen.is_some()) + u16::from(!ui.caption.is_empty())
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let mut lines = vec![facts(ui, area.width)];
    if !ui.caption.is_empty() {
        lines.push(bar(ui, Ink::Caption, &format!("▶ {}", ui.caption), area.width));
    }
    if let Some(why) = &ui.view.frozen {
        let text = format!("FROZEN: {why} · nothing lands until: agents unfreeze");
        lines.push(bar(ui, Ink::Alarm, &text, area.width));
    }
    frame.render_widget(ratatui::text::Text::from(lines), area);
}

fn facts(ui: &Ui, width: u16) -> Line<'static> {
    let view = &ui.view;
    let main = view.main.as_ref().map_or("-", |c| c.short());
    let clock = words::clock((view.at_ms + ui.elapsed).saturating_sub(view.started_ms));
    let row = Row::new(ui, width)
        .add(Ink::Badge, " FOUREYES ")
        .add(Ink::Bold, &format!(" {} ", view.repository))
        .add(Ink::Plain, &format!(" {}@{main} ", view.target))
        .add(Ink::Cyan, &format!(" {} ", view.tier));
    // The clock stays, whatever else there is no room for.
    let rest =
        [format!(" epoch {} ", view.epoch), format!(" ledger {} at {} ", view.records, view.head.short())];
    let reserve = clock.len() + 1;
    let row =
        rest.iter().fold(
            row,
            |row, text| {
                if row.room() >= text.len() + reserve { row.add(Ink::Dim, text) } else { row }
            },
        );
    row.end(Ink::Bold, &clock).line()
}

fn bar(ui: &Ui, ink: Ink, text: &str, width: u16) -> Line<'static> {
    let inner = fit(text, usize::from(width).saturating_sub(2));
    Line::from(Span::styled(format!(" {inner} "), ui.style(ink)))
}

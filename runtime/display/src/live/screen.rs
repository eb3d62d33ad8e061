//! What all parts are drawn with: boxes, and lines that are filled from left to right.

use super::draw::WIDE;
use super::ui::Ui;
use crate::ink::Ink;
use crate::text;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Borders};

/// A box with a title, as wide terminals have it; on narrow ones a line above.
pub(super) fn boxed(frame: &mut Frame<'_>, area: Rect, ui: &Ui, title: Line<'static>) -> Rect {
    let borders = if frame.area().width >= WIDE { Borders::ALL } else { Borders::TOP };
    let block = Block::new()
        .borders(borders)
        .border_type(BorderType::Rounded)
        .border_style(ui.style(Ink::Dim))
        .title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// Rows that the frame of a box takes.
pub(super) fn frame_rows(width: u16) -> u16 {
    if width >= WIDE { 2 } else { 1 }
}

/// A line that is filled from left to right and never runs over its width.
pub(super) struct Row<'a> {
    ui: &'a Ui,
    spans: Vec<Span<'static>>,
    room: usize,
}

impl<'a> Row<'a> {
    pub(super) fn new(ui: &'a Ui, width: u16) -> Self {
        Self { ui, spans: Vec::new(), room: usize::from(width) }
    }

    /// Adds a text, cut to what room is left.
    pub(super) fn add(self, ink: Ink, text: &str) -> Self {
        let shown = text::part(text, self.room);
        self.raw(ink, shown)
    }

    /// Adds a text in exactly so many columns.
    pub(super) fn column(self, ink: Ink, text: &str, columns: usize) -> Self {
        let columns = columns.min(self.room);
        let shown = text::fit(text, columns);
        self.raw(ink, shown)
    }

    /// Adds a text at the right end, if there is room for all of it.
    pub(super) fn end(self, ink: Ink, text: &str) -> Self {
        let text = text::clean(text);
        let columns = text::width(&text);
        if columns > self.room {
            return self;
        }
        let gap = " ".repeat(self.room - columns);
        self.raw(Ink::Plain, gap).raw(ink, text)
    }

    fn raw(mut self, ink: Ink, text: String) -> Self {
        self.room -= text::width(&text).min(self.room);
        self.spans.push(Span::styled(text, self.ui.style(ink)));
        self
    }

    pub(super) fn room(&self) -> usize {
        self.room
    }

    pub(super) fn line(self) -> Line<'static> {
        Line::from(self.spans)
    }
}

/// A title in a box's frame.
pub(super) fn title(ui: &Ui, parts: &[(Ink, String)]) -> Line<'static> {
    let spans =
        parts.iter().map(|(ink, text)| Span::styled(format!(" {} ", text::clean(text)), ui.style(*ink)));
    Line::from(spans.collect::<Vec<_>>())
}

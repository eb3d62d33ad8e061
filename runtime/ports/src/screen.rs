//! What a terminal shows, as plain data: the only form in which an agent's output reaches a
//! person. Made by a screen model; drawn by display sinks.

use crate::text::is_safe;
use std::fmt::Write;

/// A colour of text or background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// The viewer's own default.
    #[default]
    Default,
    /// One of the 256 palette colours; 0 to 15 are the named ones.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// How a cell is drawn. There is no "concealed": hidden text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colour of the text.
    pub fg: Color,
    /// Colour of the background.
    pub bg: Color,
    /// Heavier strokes.
    pub bold: bool,
    /// Fainter than usual.
    pub dim: bool,
    /// Slanted.
    pub italic: bool,
    /// Underlined (every kind of underline is drawn as a single one).
    pub underline: bool,
    /// Text and background swapped.
    pub inverse: bool,
    /// Crossed out.
    pub strike: bool,
}

/// How many combining marks a cell keeps; what exceeds them is dropped.
pub const MARKS: usize = 2;

/// One column of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The character; a space when the cell is empty.
    pub ch: char,
    /// Combining marks that follow it; `'\0'` where there is none.
    pub marks: [char; MARKS],
    /// Columns that it takes: 1, 2 for a wide character, 0 for the second half of a wide one.
    pub width: u8,
    /// How it is drawn.
    pub style: Style,
}

impl Default for Cell {
    fn default() -> Self {
        Self { ch: ' ', marks: ['\0'; MARKS], width: 1, style: Style::default() }
    }
}

/// A place on the screen, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Row from the top.
    pub row: u16,
    /// Column from the left.
    pub col: u16,
    /// Whether the program wants it drawn.
    pub visible: bool,
}

/// The screen at one moment. Shared as an `Arc`; never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScreenSnapshot {
    /// Grows with every change of what is shown; equal versions of one session are equal screens.
    pub version: u64,
    /// Width in columns.
    pub cols: u16,
    /// The rows from the top; each holds exactly `cols` cells.
    pub rows: Vec<Vec<Cell>>,
    /// Where the cursor stands.
    pub cursor: Cursor,
    /// The title that the program gave itself, cleaned.
    pub title: String,
    /// Whether the program asked that pasted text be marked (mode 2004).
    pub bracketed_paste: bool,
    /// Whether a full-screen program holds the alternate screen (which has no history).
    pub alternate: bool,
}

impl ScreenSnapshot {
    /// An empty screen of `rows` by `cols`.
    pub fn blank(rows: u16, cols: u16) -> Self {
        let row = vec![Cell::default(); usize::from(cols)];
        Self { cols, rows: vec![row; usize::from(rows)], ..Self::default() }
    }

    /// A screen that shows the last lines of a text, one character a column (for fakes and for
    /// messages of the runtime itself).
    pub fn of_text(text: &str, rows: u16, cols: u16) -> Self {
        let mut screen = Self::blank(rows, cols);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(usize::from(rows));
        for (row, line) in screen.rows.iter_mut().zip(&lines[first..]) {
            for (cell, ch) in row.iter_mut().zip(line.chars().filter(|c| is_safe(*c))) {
                cell.ch = ch;
            }
        }
        screen
    }

    /// The text alone: rows without trailing blanks, joined by newlines, no empty rows at the end.
    pub fn to_text(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| row_text(row)).collect();
        let used = rows.iter().rposition(|r| !r.is_empty()).map_or(0, |last| last + 1);
        rows[..used].join("\n")
    }

    /// The bytes that redraw the screen in a terminal of `width` by `height`, in place: text, SGR,
    /// and of other sequences only *cursor home*, *erase to the end of the line* and *erase below*,
    /// all of our own making. Nothing that the agent wrote reaches the terminal as a control.
    ///
    /// A screen that is larger than the terminal is cut at the right, and at the top so that the
    /// last used row stays in view.
    pub fn to_ansi(&self, width: u16, height: u16) -> String {
        let rows = self.visible_rows(usize::from(height));
        let mut out = String::from("\x1b[H\x1b[0m");
        for (n, row) in rows.iter().enumerate() {
            if n > 0 {
                out.push_str("\r\n");
            }
            // Behind the last column the cursor still stands *on* it: erasing would take it away.
            if draw_row(&mut out, row, usize::from(width)) < usize::from(width) {
                out.push_str("\x1b[K");
            }
        }
        if rows.len() < usize::from(height) {
            out.push_str("\r\n\x1b[J");
        }
        out
    }

    /// Row and column, from 0, of the program's cursor in what [`ScreenSnapshot::to_ansi`] draws;
    /// `None` where it is out of view or hidden.
    pub fn cursor_in(&self, width: u16, height: u16) -> Option<(u16, u16)> {
        let row = usize::from(self.cursor.row).checked_sub(self.first_visible(usize::from(height)))?;
        let row = u16::try_from(row).ok().filter(|row| *row < height)?;
        (self.cursor.visible && self.cursor.col < width).then_some((row, self.cursor.col))
    }

    fn visible_rows(&self, height: usize) -> &[Vec<Cell>] {
        let first = self.first_visible(height);
        &self.rows[first..self.rows.len().min(first + height)]
    }

    fn first_visible(&self, height: usize) -> usize {
        self.used_rows().saturating_sub(height)
    }

    fn used_rows(&self) -> usize {
        let blank = |row: &Vec<Cell>| row.iter().all(|c| *c == Cell::default());
        let used = self.rows.iter().rposition(|r| !blank(r)).map_or(0, |last| last + 1);
        used.max(usize::from(self.cursor.row) + 1).min(self.rows.len())
    }
}

fn row_text(row: &[Cell]) -> String {
    let mut text = String::with_capacity(row.len());
    for cell in row {
        push_cell(&mut text, cell);
    }
    text.truncate(text.trim_end().len());
    text
}

fn push_cell(out: &mut String, cell: &Cell) {
    if cell.width == 0 {
        return;
    }
    out.push(if is_safe(cell.ch) { cell.ch } else { ' ' });
    out.extend(cell.marks.iter().filter(|m| is_safe(**m)));
}

/// Draws the first `width` columns and tells how many were drawn, blanks at the end left out; a
/// wide character that would be cut becomes a space. The style is reset at the end.
fn draw_row(out: &mut String, row: &[Cell], width: usize) -> usize {
    let shown = &row[..row.len().min(width)];
    let used = shown.iter().rposition(|c| *c != Cell::default()).map_or(0, |last| last + 1);
    let mut pen = Style::default();
    for (col, cell) in shown[..used].iter().enumerate() {
        set_style(out, &mut pen, cell.style);
        if col + usize::from(cell.width) > width {
            out.push(' ');
        } else {
            push_cell(out, cell);
        }
    }
    set_style(out, &mut pen, Style::default());
    used
}

fn set_style(out: &mut String, pen: &mut Style, wanted: Style) {
    if *pen == wanted {
        return;
    }
    *pen = wanted;
    out.push_str("\x1b[0");
    let attributes = [
        (wanted.bold, 1),
        (wanted.dim, 2),
        (wanted.italic, 3),
        (wanted.underline, 4),
        (wanted.inverse, 7),
        (wanted.strike, 9),
    ];
    for (_, code) in attributes.iter().filter(|(on, _)| *on) {
        push_code(out, format_args!(";{code}"));
    }
    push_color(out, 38, wanted.fg);
    push_color(out, 48, wanted.bg);
    out.push('m');
}

fn push_color(out: &mut String, base: u8, color: Color) {
    match color {
        Color::Default => {}
        Color::Indexed(n) => push_code(out, format_args!(";{base};5;{n}")),
        Color::Rgb(r, g, b) => push_code(out, format_args!(";{base};2;{r};{g};{b}")),
    }
}

fn push_code(out: &mut String, code: std::fmt::Arguments<'_>) {
    out.write_fmt(code).expect("a String takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_where_its_row_is_drawn() {
        let mut screen = ScreenSnapshot::blank(10, 20);
        let mut at = |row, col, width, height| {
            screen.cursor = Cursor { row, col, visible: true };
            screen.cursor_in(width, height)
        };
        assert_eq!(at(3, 5, 20, 10), Some((3, 5)));
        assert_eq!(at(9, 5, 20, 4), Some((3, 5)), "the last used row stays in view");
        assert_eq!(at(3, 5, 5, 10), None, "cut at the right");
        screen.cursor.visible = false;
        assert_eq!(screen.cursor_in(20, 10), None);
    }
}

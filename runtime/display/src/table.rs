//! Tables of text: columns aligned by what characters take on a terminal, cut to the page.

use crate::ink::Ink;
use crate::page::Page;
use crate::text::{clean, fit, fit_right, width, wrap};

/// How a column is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
    flexible: bool,
}

/// A column aligned at the left that is never cut.
pub(crate) const fn left(title: &'static str) -> Column {
    Column { title, right: false, flexible: false }
}

/// A column aligned at the right that is never cut: for numbers.
pub(crate) const fn right(title: &'static str) -> Column {
    Column { title, right: true, flexible: false }
}

/// A column that gives way when the page is narrow.
pub(crate) const fn flexible(title: &'static str) -> Column {
    Column { title, right: false, flexible: true }
}

/// A cell: clean text and its colour.
pub(crate) struct Cell(Ink, String);

/// A cell in a colour.
pub(crate) fn inked(ink: Ink, text: impl AsRef<str>) -> Cell {
    Cell(ink, clean(text.as_ref()))
}

/// A cell in the colour of the page.
pub(crate) fn cell(text: impl AsRef<str>) -> Cell {
    inked(Ink::Plain, text)
}

/// A table under construction.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
    lines: usize,
}

const GAP: usize = 2;
/// A flexible column is not made narrower than this.
const NARROWEST: usize = 8;

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), indent: 0, lines: 1 }
    }

    /// The same, moved to the right.
    pub(crate) fn indented(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// The same, with flexible columns on at most so many lines a row instead of one.
    pub(crate) fn wrapped(mut self, lines: usize) -> Self {
        self.lines = lines;
        self
    }

    /// Adds a row; it has as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The lines, each with its newline, titles first.
    pub(crate) fn render(&self, page: Page) -> String {
        let widths = self.widths(page);
        let titles: Vec<Cell> = self.columns.iter().map(|c| inked(Ink::Dim, c.title)).collect();
        let mut out = if self.columns.iter().all(|c| c.title.is_empty()) {
            String::new()
        } else {
            self.line(&titles, &widths, page)
        };
        out.extend(
            self.rows
                .iter()
                .flat_map(|row| self.broken(row, &widths))
                .map(|row| self.line(&row, &widths, page)),
        );
        out
    }

    fn widths(&self, page: Page) -> Vec<usize> {
        let natural = |(n, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|r| r.get(n)).map(|c| width(&c.1));
            cells.max().unwrap_or(0).max(width(column.title))
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(natural).collect();
        let gaps = self.indent + GAP * self.columns.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(page.columns());
        while let Some(widest) = self.widest_flexible(&widths).filter(|_| excess > 0) {
            widths[widest] -= 1;
            excess -= 1;
        }
        widths
    }

    fn widest_flexible(&self, widths: &[usize]) -> Option<usize> {
        let shrinkable = |n: &usize| self.columns[*n].flexible && widths[*n] > NARROWEST;
        (0..widths.len()).filter(shrinkable).max_by_key(|n| widths[*n])
    }

    /// A row as one or more rows whose cells fit.
    fn broken(&self, row: &[Cell], widths: &[usize]) -> Vec<Vec<Cell>> {
        let cells = self.columns.iter().zip(row).zip(widths);
        let cells: Vec<(Ink, Vec<String>)> = cells
            .map(|((column, Cell(ink, text)), columns)| match column.flexible {
                true => (*ink, wrap(text, *columns, self.lines)),
                false => (*ink, vec![text.clone()]),
            })
            .collect();
        let high = cells.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
        let line = |n: usize| {
            cells.iter().map(|(ink, l)| Cell(*ink, l.get(n).cloned().unwrap_or_default())).collect()
        };
        (0..high).map(line).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], page: Page) -> String {
        let mut line = String::new();
        let mut blanks = self.indent;
        for ((column, Cell(ink, text)), columns) in self.columns.iter().zip(row).zip(widths) {
            let padded = if column.right { fit_right(text, *columns) } else { fit(text, *columns) };
            let shown = padded.trim_end();
            if !shown.is_empty() {
                line.push_str(&" ".repeat(blanks));
                line.push_str(&page.ink(*ink, shown));
                blanks = 0;
            }
            blanks += columns - width(shown) + GAP;
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&[left("NAME"), right("N"), flexible("TEXT")]).indented(2);
        table.row(vec![
            cell("日本"),
            cell("7"),
            inked(Ink::Red, "a text that is longer than the page has room for"),
        ]);
        table.row(vec![cell("x"), cell("1234"), cell("")]);
        table
    }

    #[test]
    fn aligns_by_columns_and_cuts_the_flexible_one() {
        insta::assert_snapshot!(sample().render(Page::plain(40)), @r"
          NAME     N  TEXT
          日本     7  a text that is longer tha…
          x     1234
        ");
    }

    #[test]
    fn colours_do_not_change_the_alignment() {
        let coloured = sample().render(Page { width: 40, colour: true });
        assert_eq!(clean(&coloured), clean(&sample().render(Page::plain(40))));
        assert!(coloured.contains("\x1b[31ma text"));
    }
}

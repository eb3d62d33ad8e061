//! What the lines of a text are made for: a width and whether colours are understood.

use crate::ink::Ink;
use crate::text;

/// What the lines of a text are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns; longer table cells are cut. At least 40 are used.
    pub width: usize,
    /// Whether SGR colours are written.
    pub colour: bool,
}

impl Page {
    /// A page of `width` columns without colours: for pipes and files.
    pub fn plain(width: usize) -> Self {
        Self { width, colour: false }
    }

    pub(crate) fn columns(self) -> usize {
        self.width.max(40)
    }

    /// The text in a colour. The text must be clean.
    pub(crate) fn ink(self, ink: Ink, clean: &str) -> String {
        if !self.colour || ink == Ink::Plain || clean.is_empty() {
            return clean.to_owned();
        }
        format!("\x1b[{}m{clean}\x1b[0m", ink.sgr())
    }

    /// A line of words with a text at the right end; without enough room the right one goes, and
    /// then the end of the left one.
    pub(crate) fn sides(self, left: &[(Ink, String)], right: &[(Ink, String)]) -> String {
        let (left, used) = self.fill(left, self.columns());
        let (right, needed) = self.fill(right, usize::MAX);
        let gap = self.columns().saturating_sub(used + needed);
        if gap < 2 { left } else { format!("{left}{}{right}", " ".repeat(gap)) }
    }

    /// The parts up to so many columns, and how many they take.
    fn fill(self, parts: &[(Ink, String)], columns: usize) -> (String, usize) {
        let mut line = String::new();
        let mut used = 0;
        for (ink, part) in parts {
            let shown = text::cut(part, columns - used);
            used += text::width(&shown);
            line.push_str(&self.ink(*ink, &shown));
        }
        (line, used)
    }
}

/// Whether colours are wanted: on a terminal that is not `dumb`, unless `NO_COLOR` is set to
/// anything (<https://no-color.org>).
pub fn colour_wanted(is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_wanted() {
        for (terminal, no_color, term, wanted) in [
            (true, None, Some("xterm"), true),
            (true, Some(""), Some("xterm"), true),
            (true, Some("1"), Some("xterm"), false),
            (true, None, Some("dumb"), false),
            (true, None, None, true),
            (false, None, Some("xterm"), false),
        ] {
            assert_eq!(colour_wanted(terminal, no_color, term), wanted, "{terminal} {no_color:?} {term:?}");
        }
    }
}

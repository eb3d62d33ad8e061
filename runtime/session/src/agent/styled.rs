//! Text for people with a few tones. The tones are ours: text of a program is cleaned first, so that
//! whatever it holds can neither colour nor move anything.

use foureyes_ports::text::clean_lines;

/// Characters of one piece that are shown at most.
const WIDEST: usize = 2000;
/// Spaces at the end of a piece that are kept.
const PADDING: usize = 8;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As the terminal shows text.
    Plain,
    /// Less important.
    Dim,
    /// Important.
    Strong,
    /// The runtime's own marks: turns and tools.
    Accent,
    /// Something to look at.
    Warn,
    /// A failure or a refusal.
    Bad,
}

impl Tone {
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Strong => "\x1b[1m",
            Self::Accent => "\x1b[36m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// A line for people: pieces of text, each with its tone. A piece is one line; what comes after a
/// line end in it is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StyledLine(pub Vec<(Tone, String)>);

impl StyledLine {
    /// A line of one tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self(vec![(tone, text.into())])
    }

    /// The same line with one more piece.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }

    /// The line for a terminal, without its end: clean text between sequences of our own.
    pub(super) fn paint(&self) -> String {
        let mut painted = String::new();
        for (tone, text) in &self.0 {
            let text = clean(text);
            match tone.sgr() {
                "" => painted.push_str(&text),
                sgr => painted.extend([sgr, &text, "\x1b[0m"]),
            }
        }
        painted
    }

    /// The line as clean text.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| clean(text)).collect()
    }
}

/// One clean line; spaces at its end are kept, since a piece is often followed by another.
fn clean(text: &str) -> String {
    let kept = clean_lines(text, 1, WIDEST);
    let mut kept = kept.lines().next().unwrap_or_default().to_owned();
    let spaces = text.len() - text.trim_end_matches(' ').len();
    kept.extend(std::iter::repeat_n(' ', spaces.min(PADDING)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_sequences_remain() {
        let line = StyledLine::new(Tone::Accent, "● ")
            .and(Tone::Bad, "a\x1b[5mb\x1b]52;c;eA==\x07c\u{202e}d\x1b[2J\u{9b}1me\nsecond");
        assert_eq!(line.paint(), "\x1b[36m● \x1b[0m\x1b[31mabcde\x1b[0m");
        assert_eq!(line.text(), "● abcde");
        assert_eq!(StyledLine::new(Tone::Plain, "  x").paint(), "  x");
    }
}

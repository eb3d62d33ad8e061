//! What a person sees in the pane of a scripted agent.

use std::io::{self, IsTerminal, Write};

/// The longest line, in characters: the default terminal is 100 columns wide.
const WIDTH: usize = 96;

/// Colours, as the parameters of SGR.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Ink {
    fn sgr(self) -> &'static str {
        match self {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Cyan => "36",
        }
    }
}

/// The screen. What cannot be written is lost: nobody is there to see it.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    colours: bool,
}

impl Screen {
    /// The process's standard output, coloured on a terminal.
    pub(super) fn stdout() -> Self {
        Self { out: Box::new(io::stdout()), colours: io::stdout().is_terminal() }
    }

    /// Any writer, without colours.
    pub(crate) fn plain(out: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), colours: false }
    }

    /// Who this is.
    pub(super) fn banner(&mut self, role: &str, family: &str) {
        self.line("", Ink::Bold, &format!("● {role}, a scripted {family}"));
    }

    /// An envelope that is dealt with.
    pub(super) fn envelope(&mut self, kind: &str, from: &str, feature: &str, gist: &str) {
        self.line("", Ink::Cyan, &format!("▸ {kind} from {from} {feature} {gist}"));
    }

    /// A command before it is run.
    pub(crate) fn command(&mut self, text: &str) {
        self.line("  ", Ink::Dim, &format!("$ {text}"));
    }

    /// Something that succeeded.
    pub(crate) fn good(&mut self, text: &str) {
        self.line("  ", Ink::Green, &format!("✓ {text}"));
    }

    /// Something that failed.
    pub(crate) fn bad(&mut self, text: &str) {
        self.line("  ", Ink::Red, &format!("✗ {text}"));
    }

    /// A refusal that the play expected.
    pub(super) fn refused(&mut self, text: &str) {
        self.line("  ", Ink::Yellow, &format!("⛔ refused: {text}"));
    }

    /// A remark.
    pub(super) fn say(&mut self, text: &str) {
        self.line("  ", Ink::Yellow, &format!("“{text}”"));
    }

    /// Something of no weight.
    pub(crate) fn quiet(&mut self, text: &str) {
        self.line("  ", Ink::Dim, text);
    }

    /// The first lines of a diff, coloured as usual.
    pub(super) fn diff(&mut self, text: &str, lines: usize) {
        for line in text.lines().filter(|l| !l.is_empty()).take(lines) {
            let ink = match line.as_bytes()[0] {
                b'+' => Ink::Green,
                b'-' => Ink::Red,
                b'@' => Ink::Cyan,
                _ => Ink::Dim,
            };
            self.line("    ", ink, line);
        }
    }

    fn line(&mut self, indent: &str, ink: Ink, text: &str) {
        let text = clean(text);
        let _ = match self.colours {
            true => writeln!(self.out, "{indent}\x1b[{}m{text}\x1b[0m", ink.sgr()),
            false => writeln!(self.out, "{indent}{text}"),
        };
        let _ = self.out.flush();
    }
}

/// One line without control characters, cut to the width: texts of others steer no terminal.
fn clean(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().replace('\t', "    ");
    let rest = lines.map(str::trim).filter(|l| !l.is_empty());
    let one_line = std::iter::once(first.as_str()).chain(rest).collect::<Vec<_>>().join(" ");
    let mut shown: String = one_line.chars().filter(|c| !c.is_control()).collect();
    if let Some((at, _)) = shown.char_indices().nth(WIDTH - 1) {
        shown.truncate(at);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_steer_no_terminal() {
        assert_eq!(clean("a\x1b[2Jb\r\n  c\u{9b}1m"), "a[2Jb c1m");
        assert_eq!(clean("    indented"), "    indented");
        assert_eq!(clean(&"x".repeat(200)).chars().count(), WIDTH);
    }
}

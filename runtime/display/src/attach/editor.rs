//! The line that is typed to a program without a terminal of its own, and the keys that end it.

use super::take::LEAVE;
use foureyes_ports::text::is_safe;

/// The longest line, in bytes.
const MAX: usize = 64 << 10;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// What a piece of input comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// A whole line was typed.
    Line(String),
    /// The user wants to leave.
    Leave,
}

/// Collects bytes of a terminal into lines. Knows Return, Backspace, Ctrl-U and pastes; other keys
/// that are no text are left out.
#[derive(Debug, Default)]
pub(super) struct Editor {
    line: Vec<u8>,
    pasting: bool,
    /// An escape sequence that has begun.
    sequence: Vec<u8>,
}

impl Editor {
    /// The line so far.
    pub(super) fn line(&self) -> String {
        String::from_utf8_lossy(&self.line).chars().filter(|c| is_safe(*c)).collect()
    }

    /// Takes what was typed.
    pub(super) fn typed(&mut self, bytes: &[u8]) -> Vec<Edit> {
        let edits = bytes.iter().filter_map(|byte| self.key(*byte)).collect();
        // A lone Escape is a key, and begins nothing.
        if self.sequence == b"\x1b" {
            self.sequence.clear();
        }
        edits
    }

    fn key(&mut self, byte: u8) -> Option<Edit> {
        if !self.sequence.is_empty() || byte == 0x1b {
            self.in_sequence(byte);
            return None;
        }
        match byte {
            LEAVE => return Some(Edit::Leave),
            b'\r' | b'\n' if self.pasting => self.line.push(b' '),
            b'\r' | b'\n' => {
                let line = self.line();
                self.line.clear();
                return (!line.trim().is_empty()).then_some(Edit::Line(line));
            }
            0x7f | 0x08 => self.rub_out(),
            0x15 => self.line.clear(),
            b'\t' => self.line.push(b' '),
            byte if byte >= b' ' && self.line.len() < MAX => self.line.push(byte),
            _ => {}
        }
        None
    }

    fn in_sequence(&mut self, byte: u8) {
        self.sequence.push(byte);
        match self.sequence.as_slice() {
            PASTE_BEGINS => self.pasting = true,
            PASTE_ENDS => self.pasting = false,
            _ => {}
        }
        let introduced = matches!(self.sequence.as_slice(), [0x1b] | [0x1b, b'[' | b'O']);
        let ends = (0x40..=0x7e).contains(&byte) || self.sequence.len() > 16;
        if ends && !introduced {
            self.sequence.clear();
        }
    }

    /// Takes off the last character.
    fn rub_out(&mut self) {
        while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Edit {
        Edit::Line(text.to_owned())
    }

    #[test]
    fn keys_become_lines() {
        type Case<'a> = (&'a [&'a [u8]], Vec<Edit>, &'a str);
        let cases: [Case<'_>; 9] = [
            (&[b"hello\r"], vec![line("hello")], ""),
            (&[b"hel", b"lo"], vec![], "hello"),
            (&["Gr\u{fc}\u{df}x\u{7f}e\r".as_bytes()], vec![line("Gr\u{fc}\u{df}e")], ""),
            (&["\u{fc}\u{7f}\u{7f}a".as_bytes()], vec![], "a"),
            (&[b"\r", b"  \r"], vec![], ""),
            (&[b"wrong\x15right\r"], vec![line("right")], ""),
            (&[b"\x1b[200~two\rlines\x1b[201~\r"], vec![line("two lines")], ""),
            (&[b"a\x1b[A\x1bOB\x1b[1;5Cb", b"\x1b", b"c"], vec![], "abc"),
            (&[b"a\x1d"], vec![Edit::Leave], "a"),
        ];
        for (typed, edits, left) in cases {
            let mut editor = Editor::default();
            let got: Vec<Edit> = typed.iter().flat_map(|bytes| editor.typed(bytes)).collect();
            assert_eq!((got, editor.line().as_str()), (edits, left), "{typed:?}");
        }
    }

    #[test]
    fn a_line_has_a_bound_and_no_control() {
        let mut editor = Editor::default();
        editor.typed(&vec![b'x'; 2 * MAX]);
        assert_eq!(editor.line().len(), MAX);
        editor.typed(b"\x15\x07\x9b\x1b[31m");
        assert!(editor.line().chars().all(is_safe));
    }
}

//! Lines out of chunks, none of them without measure.

/// The longest line of a program that is taken, in bytes; longer ones are dropped whole. A report of
/// an edit holds the file three times.
pub const MAX_LINE: usize = 4 << 20;

/// A line, or the news that one was too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    TooLong,
}

/// Cuts a stream into lines. Holds at most [`MAX_LINE`] bytes.
#[derive(Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Takes a chunk and gives each line that it ends, without line end and as UTF-8 (what is not
    /// is replaced), to `take`.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut pieces = chunk.split(|b| *b == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            self.add(piece, &mut lines);
            if pieces.peek().is_some() {
                self.end(&mut lines);
            }
        }
        lines
    }

    fn add(&mut self, piece: &[u8], lines: &mut Vec<Line>) {
        if self.skipping {
            return;
        }
        if self.partial.len() + piece.len() > MAX_LINE {
            self.partial = Vec::new();
            self.skipping = true;
            lines.push(Line::TooLong);
            return;
        }
        self.partial.extend_from_slice(piece);
    }

    fn end(&mut self, lines: &mut Vec<Line>) {
        let line = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.skipping) {
            return;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !line.is_empty() {
            lines.push(Line::Text(String::from_utf8_lossy(line).into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Line {
        Line::Text(line.into())
    }

    #[test]
    fn chunks_may_be_cut_anywhere() {
        let whole = "one\r\n\nzwei ü\nthree".as_bytes();
        for size in 1..whole.len() {
            let mut lines = Lines::default();
            let got: Vec<Line> = whole.chunks(size).flat_map(|c| lines.push(c)).collect();
            assert_eq!(got, [text("one"), text("zwei ü")], "chunks of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_dropped_and_told_once() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for _ in 0..100 {
            got.extend(lines.push(&[b'x'; 64 * 1024]));
            assert!(lines.partial.len() <= MAX_LINE);
        }
        got.extend(lines.push(b"\nnext\n"));
        assert_eq!(got, [Line::TooLong, text("next")]);
    }

    #[test]
    fn the_longest_line_is_taken() {
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'x'; MAX_LINE]).is_empty());
        assert!(matches!(&lines.push(b"\n")[..], [Line::Text(line)] if line.len() == MAX_LINE));
    }
}

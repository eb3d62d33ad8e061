//! Text of agents made fit for a log line, a table cell, a commit subject or a terminal. Everything
//! an agent wrote goes through here before a person sees it.

/// Whether a character may reach a person's terminal: no control (C0, DEL, C1), none that changes
/// the direction or the order of text, and none that takes no place and cannot be seen.
///
/// Combining marks are safe by themselves; [`clean_text`] limits how many follow one another.
pub fn is_safe(c: char) -> bool {
    !(c.is_control() || is_invisible(c))
}

/// Formats, fillers, tags and non-characters that draw nothing by themselves.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
        | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xfffe..=0xffff
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff | 0x10fffe..=0x10ffff)
}

/// Blocks of marks that are drawn on top of the character before them.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c),
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f
        | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f)
}

/// More marks than this on one character are dropped.
const MARKS: usize = 2;

/// One clean line of at most `max` characters (a cut is shown by `…`): escape sequences go with
/// their content, line breaks and tabs become spaces, runs of spaces become one, and what is not
/// [`is_safe`] is dropped.
pub fn clean_text(text: &str, max: usize) -> String {
    let mut line = Line::new(max);
    for c in Visible::new(text) {
        line.push(if c == '\n' || c == '\t' { ' ' } else { c });
    }
    line.finish()
}

/// At most `max_lines` clean lines of at most `max` characters each; indentation is kept, a tab is
/// four spaces. What was cut is shown by `…`.
pub fn clean_lines(text: &str, max_lines: usize, max: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let visible: String = Visible::new(text).collect();
    let mut source = visible.trim_end().split('\n');
    for raw in source.by_ref().take(max_lines) {
        lines.push(clip(&raw.replace('\t', "    "), max));
    }
    if source.next().is_some() {
        lines.push("…".to_owned());
    }
    lines.join("\n")
}

/// At most `max` characters; the last one is `…` when some were cut.
fn clip(text: &str, max: usize) -> String {
    let text = text.trim_end();
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(max.saturating_sub(1)).collect();
    if max > 0 {
        kept.push('…');
    }
    kept
}

/// A line under construction: no space at its ends, none doubled.
struct Line {
    text: String,
    max: usize,
    space: bool,
    length: usize,
}

impl Line {
    fn new(max: usize) -> Self {
        Self { text: String::new(), max, space: false, length: 0 }
    }

    fn push(&mut self, c: char) {
        if self.length > self.max {
            return;
        }
        if c.is_whitespace() {
            self.space = !self.text.is_empty();
            return;
        }
        if std::mem::take(&mut self.space) {
            self.text.push(' ');
            self.length += 1;
        }
        self.text.push(c);
        self.length += 1;
    }

    fn finish(self) -> String {
        clip(&self.text, self.max)
    }
}

/// The characters that remain: safe ones, newline and tab; `\r\n` and the Unicode line separators
/// are newlines.
struct Visible<'a> {
    rest: &'a str,
    marks: usize,
}

impl<'a> Visible<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, marks: 0 }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn mark_allowed(&mut self, c: char) -> bool {
        self.marks = if is_mark(c) { self.marks + 1 } else { 0 };
        self.marks <= MARKS
    }
}

impl Iterator for Visible<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            match self.take()? {
                '\x1b' => self.rest = after_escape(self.rest),
                '\u{9b}' => self.rest = after_csi(self.rest),
                '\u{9d}' | '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => {
                    self.rest = after_string(self.rest);
                }
                '\r' if self.rest.starts_with('\n') => {}
                '\r' | '\n' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                    return Some('\n');
                }
                '\t' => return Some('\t'),
                c if is_safe(c) && self.mark_allowed(c) => return Some(c),
                _ => {}
            }
        }
    }
}

/// What follows the escape sequence whose ESC was just taken.
fn after_escape(rest: &str) -> &str {
    match rest.chars().next() {
        Some('[') => after_csi(&rest[1..]),
        Some(']' | 'P' | 'X' | '^' | '_') => after_string(&rest[1..]),
        Some(' '..='/') => {
            let rest = rest.trim_start_matches(|c| (' '..='/').contains(&c));
            rest.strip_prefix(|c| ('0'..='~').contains(&c)).unwrap_or(rest)
        }
        Some('0'..='~') => &rest[1..],
        _ => rest,
    }
}

/// What follows a control sequence: parameters, then one final character.
fn after_csi(rest: &str) -> &str {
    let rest = rest.trim_start_matches(|c| (' '..='?').contains(&c));
    rest.strip_prefix(|c| ('@'..='~').contains(&c)).unwrap_or(rest)
}

/// What follows a string (OSC, DCS, SOS, PM, APC) up to BEL or ST. A string without end is not
/// skipped: its text is shown, so that it cannot hide what comes after it.
fn after_string(rest: &str) -> &str {
    let end = rest.find(['\x07', '\x1b', '\u{9c}', '\n']);
    match end.map(|at| rest.split_at(at).1) {
        Some(tail) if tail.starts_with("\x1b\\") => &tail[2..],
        Some(tail) if tail.starts_with('\x07') => &tail[1..],
        Some(tail) if tail.starts_with('\u{9c}') => &tail['\u{9c}'.len_utf8()..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests;

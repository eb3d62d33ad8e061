//! Text of untrusted programs, made fit for people and records.

/// Bytes as text without escape sequences, control characters (but line feed and tab) and
/// characters that turn the direction of writing.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || turns_direction(c) => {}
            c => out.push(c),
        }
    }
    out
}

fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Skips what belongs to an escape sequence whose first character was already read.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next_if(|c| !c.is_control()) {
        Some('[') => {
            while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
        Some(']') => while chars.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {},
        _ => {}
    }
}

/// The first `bytes` bytes at most, cut at a character.
pub(crate) fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last `bytes` bytes at most, cut at a character.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Cleaned and bounded to what a test's message may hold (2 KiB); `None` when nothing is left.
pub(crate) fn message(text: &str) -> Option<String> {
    let cleaned = clean(text.as_bytes());
    let short = head(cleaned.trim(), 2048);
    (!short.is_empty()).then(|| short.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_and_controls_go() {
        let cases = [
            (&b"a\x1b[31mred\x1b[0m b"[..], "ared b"),
            (b"\x1b]0;title\x07x", "x"),
            (b"a\rb\x00c\td\n", "abc\td\n"),
            (b"caf\xc3\xa9 \xff", "café \u{fffd}"),
            ("ab\u{202e}cd".as_bytes(), "abcd"),
            (b"\x1b", ""),
        ];
        for (raw, want) in cases {
            assert_eq!(clean(raw), want, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = clean(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }

        #[test]
        fn cuts_hold_at_any_length(text in ".{0,60}", bytes in 0usize..80) {
            prop_assert!(text.starts_with(head(&text, bytes)) && head(&text, bytes).len() <= bytes);
            prop_assert!(text.ends_with(tail(&text, bytes)) && tail(&text, bytes).len() <= bytes);
        }
    }
}

//! Text in columns: what it takes on a terminal, cut and padded to a width, wrapped.

use foureyes_ports::text::clean_text;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// More of one text than this is never shown on one line.
const LONGEST: usize = 2_000;

/// The text on one line, without anything that a terminal would obey.
pub(crate) fn clean(text: &str) -> String {
    clean_text(text, LONGEST)
}

/// Columns that a clean text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text, clean and cut to at most `columns`; a cut is shown by `…`.
pub(crate) fn clip(text: &str, columns: usize) -> String {
    cut(&clean(text), columns)
}

/// A clean text, its spaces kept, cut to at most `columns`; a cut is shown by `…`.
pub(crate) fn cut(clean: &str, columns: usize) -> String {
    if width(clean) <= columns {
        return clean.to_owned();
    }
    let mut kept = head(clean, columns.saturating_sub(1)).trim_end().to_owned();
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The text, clean and cut like [`clip`], with the spaces at its ends that part it from others.
pub(crate) fn part(text: &str, columns: usize) -> String {
    let body = text.trim_matches(' ');
    let (lead, trail) = text.split_once(body).unwrap_or((text, ""));
    cut(&format!("{lead}{}{trail}", clean(body)), columns)
}

/// As much of the text's beginning as takes at most `columns`.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Exactly `columns` wide: cut or filled with spaces at the right.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let mut cut = clip(text, columns);
    let missing = columns.saturating_sub(width(&cut));
    cut.extend(std::iter::repeat_n(' ', missing));
    cut
}

/// Exactly `columns` wide: cut, or filled with spaces at the left.
pub(crate) fn fit_right(text: &str, columns: usize) -> String {
    let cut = clip(text, columns);
    format!("{}{cut}", " ".repeat(columns.saturating_sub(width(&cut))))
}

/// The text in lines of at most `columns`, at most `lines` of them, broken between words where
/// there are any; what did not fit is shown by `…`.
pub(crate) fn wrap(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let text = clean(text);
    let mut rest = text.as_str();
    let mut wrapped = Vec::new();
    while !rest.is_empty() && wrapped.len() < lines {
        if wrapped.len() + 1 == lines {
            wrapped.push(clip(rest, columns));
            break;
        }
        let (line, tail) = break_line(rest, columns);
        wrapped.push(line.to_owned());
        rest = tail;
    }
    wrapped
}

fn break_line(text: &str, columns: usize) -> (&str, &str) {
    if width(text) <= columns {
        return (text, "");
    }
    let fits = head(text, columns);
    let cut_in_word = !text[fits.len()..].starts_with(' ');
    let end =
        if cut_in_word { fits.rfind(' ').filter(|at| *at > 0).unwrap_or(fits.len()) } else { fits.len() };
    // A column too narrow for one wide character would never advance.
    let end = if end == 0 { text.chars().next().map_or(0, char::len_utf8) } else { end };
    (text[..end].trim_end(), text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_columns_and_not_by_characters() {
        for (text, columns, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("a\x1b[31mb\u{202e}c", 9, "abc"),
        ] {
            assert_eq!(clip(text, columns), expected, "{text:?} in {columns}");
        }
    }

    #[test]
    fn padded_text_has_exactly_the_asked_width() {
        for columns in 0..9 {
            assert_eq!(width(&fit("日本語x", columns)), columns);
            assert_eq!(width(&fit_right("日本語x", columns)), columns);
        }
    }

    #[test]
    fn wraps_between_words() {
        assert_eq!(wrap("an empty list has no mean", 9, 9), ["an empty", "list has", "no mean"]);
        assert_eq!(wrap("an empty list has no mean", 9, 2), ["an empty", "list has…"]);
        assert_eq!(wrap("abcdefgh", 3, 9), ["abc", "def", "gh"]);
        assert_eq!(
            wrap("日本", 1, 9),
            ["日", "本"][..1].to_vec().into_iter().chain(["本"]).collect::<Vec<_>>()
        );
    }
}

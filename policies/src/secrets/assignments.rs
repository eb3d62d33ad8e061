//! Values assigned to names that hold secrets.

use super::{Hit, SecretKind, entropy};

/// The last word or words of such names, without `_` and `-`, and the shortest value that counts.
const NAMES: &[(&str, usize)] = &[
    ("password", 6),
    ("passwd", 6),
    ("passphrase", 6),
    ("pwd", 6),
    ("secret", 12),
    ("secretkey", 12),
    ("token", 12),
    ("apikey", 12),
    ("accesskey", 12),
    ("authkey", 12),
    ("privatekey", 12),
    ("signingkey", 12),
    ("encryptionkey", 12),
];

/// What stands in the place of a secret in examples.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your",
    "dummy",
    "redacted",
    "xxxx",
    "****",
    "todo",
    "process.env",
    "environ",
    "getenv",
];

/// The longest name that is looked at, in bytes. This and the next ones bound the work for one place,
/// whatever the text.
const MAX_NAME: usize = 64;
/// The most bytes between a name, the assignment and the value.
const MAX_GAP: usize = 16;
/// The longest value that counts, in bytes.
const MAX_VALUE: usize = 256;

/// Assigned values that look secret.
pub fn scan(text: &str) -> Vec<Hit> {
    let assigns = text.bytes().enumerate().filter(|(_, b)| matches!(b, b'=' | b':'));
    assigns.filter_map(|(at, _)| hit_at(text, at)).collect()
}

fn hit_at(text: &str, at: usize) -> Option<Hit> {
    let min = min_length(name_before(text, at))?;
    let (from, value, quoted) = value_after(text, at)?;
    let good = looks_secret(value, min) && (quoted || plain(value));
    good.then(|| Hit { kind: SecretKind::Assignment, range: from..from + value.len() })
}

/// The name before an assignment, without quotes and blanks around it.
fn name_before(text: &str, at: usize) -> &str {
    let is_gap = |b: &u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'`' | b':');
    let gap = text[..at].bytes().rev().take(MAX_GAP).take_while(is_gap).count();
    let before = &text[..at - gap];
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let length = before.bytes().rev().take(MAX_NAME).take_while(is_name).count();
    &before[before.len() - length..]
}

fn min_length(name: &str) -> Option<usize> {
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).collect();
    let lower = plain.to_ascii_lowercase();
    NAMES.iter().filter(|(last, _)| lower.ends_with(last)).map(|(_, min)| *min).max()
}

/// The value behind an assignment, where it starts, and whether it is quoted.
fn value_after(text: &str, at: usize) -> Option<(usize, &str, bool)> {
    let is_gap = |b: &u8| matches!(b, b'=' | b'>' | b' ' | b'\t');
    let gap = text[at + 1..].bytes().take(MAX_GAP).take_while(is_gap).count();
    let after = &text[at + 1 + gap..];
    let (inner, end): (&str, fn(char) -> bool) = match after.chars().next()? {
        '"' => (&after[1..], |c| c == '"' || c == '\n'),
        '\'' => (&after[1..], |c| c == '\'' || c == '\n'),
        '`' => (&after[1..], |c| c == '`' || c == '\n'),
        _ => (after, |c| c.is_whitespace() || ",;\"'`)".contains(c)),
    };
    let ends = inner.char_indices().take(MAX_VALUE + 1).find(|(_, c)| end(*c)).map(|(at, _)| at);
    let value = match ends {
        Some(at) => &inner[..at],
        None if inner.len() <= MAX_VALUE => inner,
        None => return None,
    };
    Some((text.len() - inner.len(), value, inner.len() != after.len()))
}

/// Whether an unquoted value is one word, and not code that computes one.
fn plain(value: &str) -> bool {
    !value.contains(['(', '[', '.', '&', '<']) && !value.contains("::")
}

/// Whether a value looks chosen to be secret: long, of several kinds of characters, spread evenly, and
/// no placeholder or variable.
pub fn looks_secret(value: &str, min: usize) -> bool {
    let lower = value.to_ascii_lowercase();
    let stands_for = value.contains(['$', '{', '<', ' ', '\t', '%'])
        || PLACEHOLDERS.iter().any(|placeholder| lower.contains(placeholder));
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let letter = value.bytes().any(|b| b.is_ascii_alphabetic());
    let spread = if min >= 12 { 3.2 } else { 2.5 };
    (min..=MAX_VALUE).contains(&value.len()) && digit && letter && !stands_for && entropy(value) >= spread
}

//! How a prompt is put into a program's terminal.

use foureyes_ports::{
    backend::{DeliverError, Prompt},
    text::clean_lines,
};

/// The longest line that a terminal in canonical mode hands to its program; it cuts longer ones.
pub(super) const CANONICAL_LINE: usize = 4095;

/// The form in which a program takes its prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptStyle {
    /// One line of JSON: `{"prompt":"<id>","text":"…","urgent":false}`.
    JsonLine,
    /// Text as a person would paste it, then Return as a write of its own.
    Paste,
}

/// What the terminal is like at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct TerminalMode {
    /// Whether the program asked that pasted text be marked.
    pub(super) bracketed_paste: bool,
    /// Whether the kernel collects lines for the program.
    pub(super) canonical: bool,
}

/// The writes that deliver a prompt, in order; a raw terminal needs a pause between them.
pub(super) fn writes(
    style: PromptStyle,
    prompt: &Prompt,
    mode: TerminalMode,
) -> Result<Vec<Vec<u8>>, DeliverError> {
    let text = clean_lines(&prompt.text, usize::MAX, usize::MAX);
    let writes = match style {
        PromptStyle::JsonLine => vec![json_line(prompt, &text)],
        PromptStyle::Paste if mode.bracketed_paste => {
            vec![format!("\x1b[200~{}\x1b[201~", harmless(&text)).into_bytes(), b"\r".to_vec()]
        }
        PromptStyle::Paste => {
            vec![harmless(&text).replace('\n', " ").into_bytes(), b"\r".to_vec()]
        }
    };
    let bytes = writes.iter().map(Vec::len).sum();
    if mode.canonical && bytes > CANONICAL_LINE {
        return Err(DeliverError::TooLong { bytes, max: CANONICAL_LINE });
    }
    Ok(writes)
}

/// The record that a program with structured input reads for a prompt.
pub(super) fn json_line(prompt: &Prompt, text: &str) -> Vec<u8> {
    let record = serde_json::json!({
        "prompt": prompt.id.to_string(),
        "text": text,
        "urgent": prompt.urgent,
    });
    let mut line = record.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// A leading character that many programs take for a command of their own loses its meaning behind
/// a space.
fn harmless(text: &str) -> String {
    let space = if text.starts_with(['/', '!', '#', '@']) { " " } else { "" };
    format!("{space}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::backend::PromptId;
    use uuid::Uuid;

    fn prompt(text: &str) -> Prompt {
        Prompt { id: PromptId(Uuid::nil()), text: text.into(), urgent: false }
    }

    fn paste(text: &str, bracketed_paste: bool) -> Vec<String> {
        let mode = TerminalMode { bracketed_paste, canonical: false };
        let writes = writes(PromptStyle::Paste, &prompt(text), mode).unwrap();
        writes.into_iter().map(|w| String::from_utf8(w).unwrap()).collect()
    }

    #[test]
    fn pasted_text_cannot_leave_its_brackets() {
        let cases = [
            ("a\nb", "\x1b[200~a\nb\x1b[201~"),
            ("x\x1b[201~\rrm", "\x1b[200~x\nrm\x1b[201~"),
            ("x\u{9b}201~y", "\x1b[200~xy\x1b[201~"),
            ("x\x03\x04\x7fy", "\x1b[200~xy\x1b[201~"),
            ("/help", "\x1b[200~ /help\x1b[201~"),
            ("!ls", "\x1b[200~ !ls\x1b[201~"),
            ("Grüße", "\x1b[200~Grüße\x1b[201~"),
        ];
        for (text, first) in cases {
            assert_eq!(paste(text, true), [first, "\r"], "from {text:?}");
        }
    }

    #[test]
    fn without_brackets_it_is_one_line() {
        assert_eq!(paste("a\nb\r\nc", false), ["a b c", "\r"]);
    }

    #[test]
    fn a_json_line_is_one_line_without_controls() {
        let mode = TerminalMode { bracketed_paste: false, canonical: true };
        let writes = writes(PromptStyle::JsonLine, &prompt("a\n\x1b[31m\"b\"\x7f"), mode).unwrap();
        let line = String::from_utf8(writes.concat()).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.trim_end().bytes().all(|b| (0x20..0x7f).contains(&b)));
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["text"], "a\n\"b\"");
        assert_eq!(record["prompt"], Uuid::nil().to_string());
    }

    #[test]
    fn what_a_canonical_terminal_would_cut_is_refused() {
        let long = prompt(&"x".repeat(5000));
        let canonical = TerminalMode { bracketed_paste: false, canonical: true };
        for style in [PromptStyle::JsonLine, PromptStyle::Paste] {
            let refused = writes(style, &long, canonical);
            assert!(matches!(refused, Err(DeliverError::TooLong { max: CANONICAL_LINE, .. })));
        }
        let raw = TerminalMode { canonical: false, ..canonical };
        assert!(writes(PromptStyle::JsonLine, &long, raw).is_ok());
    }
}

//! A prompt as the program takes it for typed text.

use super::marker;
use foureyes_ports::{backend::Prompt, text::clean_lines};

/// The program shows the model a longer paste as foreign content, and not as what its user says. So
/// a prompt goes in as several short ones.
const CHARS: usize = 600;
const NEWLINES: usize = 2;

/// The bytes of a prompt behind its marker, without the Return. Controls in it are dropped, so that
/// nothing of it can end a paste.
pub(super) fn pastes(prompt: &Prompt) -> Vec<u8> {
    let text = format!("{}\n{}", marker::line(prompt.id), prompt.text);
    let text = clean_lines(&text, usize::MAX, usize::MAX);
    let pieces = pieces(text.trim_end());
    pieces.iter().map(|piece| format!("\x1b[200~{piece}\x1b[201~")).collect::<String>().into_bytes()
}

fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut begin, mut chars, mut newlines) = (0, 0, 0);
    for (at, c) in text.char_indices() {
        let newline = usize::from(c == '\n');
        if chars + 1 > CHARS || newlines + newline > NEWLINES {
            pieces.push(&text[begin..at]);
            (begin, chars, newlines) = (at, 0, 0);
        }
        chars += 1;
        newlines += newline;
    }
    pieces.push(&text[begin..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::backend::PromptId;
    use proptest::prelude::*;

    #[test]
    fn a_prompt_stays_in_its_brackets() {
        let id = PromptId(uuid::Uuid::nil());
        let text = "/x\u{1b}[201~\r!rm\u{9b}201~\u{3}\u{4}";
        let written = String::from_utf8(pastes(&Prompt { id, text: text.into(), urgent: false })).unwrap();
        assert_eq!(written, format!("\x1b[200~[envelope-wake {id}]\n/x\n!rm\x1b[201~"));
    }

    proptest! {
        #[test]
        fn pieces_are_short_and_together_the_whole(text in "([a-zü]{0,300}\n?){0,12}") {
            let pieces = pieces(&text);
            prop_assert_eq!(pieces.concat(), text.as_str());
            for piece in pieces {
                prop_assert!(piece.chars().count() <= CHARS && piece.matches('\n').count() <= NEWLINES);
            }
        }
    }
}

//! What a person has typed: whether a line of it still waits for its Return.

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Follows the keys of a person. Errs on the side of "half typed": keys that edit or move are taken
/// for text, since some bring an older line back.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    half_typed: bool,
    touched: bool,
    pasting: bool,
    /// The last bytes, for what comes in pieces.
    recent: Vec<u8>,
}

impl Keyboard {
    /// Takes what was typed.
    pub(super) fn typed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.key(*byte);
        }
    }

    fn key(&mut self, byte: u8) {
        // Behind Escape or a backslash, Return begins another line of the same text.
        let goes_on = self.recent.last().is_some_and(|last| matches!(last, b'\x1b' | b'\\'));
        self.recent.push(byte);
        if self.recent.len() > PASTE_BEGINS.len() {
            self.recent.remove(0);
        }
        self.touched = true;
        self.half_typed = self.pasting || byte != b'\r' || goes_on;
        match self.recent.as_slice() {
            PASTE_BEGINS => self.pasting = true,
            PASTE_ENDS => self.pasting = false,
            _ => {}
        }
    }

    /// Whether a line waits for its Return.
    pub(super) fn half_typed(&self) -> bool {
        self.half_typed
    }

    /// The person is gone: forgets what was typed and tells whether there was anything.
    pub(super) fn let_go(&mut self) -> bool {
        std::mem::take(self).touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_waits_until_its_return() {
        let cases: [(&[&str], bool); 12] = [
            (&[], false),
            (&["h"], true),
            (&["half typed"], true),
            (&["whole", "\r"], false),
            (&["\r"], false),
            (&["one\rtwo"], true),
            (&["more \\", "\r"], true),
            (&["more \x1b\r"], true),
            (&["more \\\rend\r"], false),
            (&["\x1b[200~pasted\rlines\r"], true),
            (&["\x1b[20", "0~pasted\r\x1b[2", "01~"], true),
            (&["\x1b[200~pasted\r\x1b[201~\r"], false),
        ];
        for (typed, half) in cases {
            let mut keyboard = Keyboard::default();
            typed.iter().for_each(|keys| keyboard.typed(keys.as_bytes()));
            assert_eq!(keyboard.half_typed(), half, "{typed:?}");
            assert_eq!(keyboard.let_go(), !typed.is_empty());
            assert!(!keyboard.half_typed() && !keyboard.let_go());
        }
    }
}

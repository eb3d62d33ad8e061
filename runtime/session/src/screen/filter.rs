//! What of a program's output the terminal model gets to see. The model keeps strings (OSC) and
//! combining marks without a limit, so they are limited here; and what no person may ever be shown
//! (controls of direction, invisible characters) is dropped before it can be stored.

use foureyes_ports::{screen::MARKS, text::is_safe};
use unicode_width::UnicodeWidthChar;

/// The longest operating system command that is let through, in bytes. Titles and colour queries,
/// the only ones that the model is to see, are shorter.
const MAX_OSC: usize = 512;

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const BEL: u8 = 0x07;

/// A filter over a stream of bytes. It follows the states of the model's own parser closely enough
/// to know at each byte whether it will be printed.
#[derive(Default)]
pub(super) struct Filter {
    state: State,
    /// Combining marks that may still follow; zero unless a character of one column was the very
    /// last thing printed, because the model hangs marks on whatever is left of the cursor.
    marks_left: usize,
    /// The operating system command that is being read, up to [`MAX_OSC`] bytes.
    osc: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC, which is held back until the next byte decides.
    Escape,
    /// After ESC and intermediates, up to the final byte.
    EscapeIntermediate,
    /// In a control sequence, up to the final byte.
    Csi,
    /// In an operating system command.
    Osc,
    /// In a string that the model has no use for (DCS, SOS, PM, APC).
    Skipped,
    /// In a character of several bytes.
    Utf8 { bytes: [u8; 4], have: u8, need: u8 },
}

impl Filter {
    /// Appends to `out` what the model shall see of `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if matches!(self.state, State::Ground) && is_ascii_text(byte) {
                let run = rest.iter().take_while(|b| is_ascii_text(**b)).count();
                out.extend_from_slice(&rest[..run]);
                self.marks_left = MARKS;
                rest = &rest[run..];
            } else {
                self.step(byte, out);
                rest = tail;
            }
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match self.state {
            State::Ground => self.ground(byte, out),
            State::Utf8 { bytes, have, need } => self.continued(byte, bytes, have, need, out),
            State::Escape => self.escape(byte, out),
            State::EscapeIntermediate => until_final(byte, 0x30, State::EscapeIntermediate, out),
            State::Csi => until_final(byte, 0x40, State::Csi, out),
            State::Osc => self.osc(byte, out),
            State::Skipped => match byte {
                ESC => State::Escape,
                CAN | SUB => State::Ground,
                _ => State::Skipped,
            },
        };
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        let need = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => {
                self.marks_left = 0;
                return control(byte, out);
            }
        };
        State::Utf8 { bytes: [byte, 0, 0, 0], have: 1, need }
    }

    fn continued(&mut self, byte: u8, mut bytes: [u8; 4], have: u8, need: u8, out: &mut Vec<u8>) -> State {
        if !(0x80..=0xbf).contains(&byte) {
            self.print(char::REPLACEMENT_CHARACTER, out);
            return self.after_broken(byte, out);
        }
        bytes[usize::from(have)] = byte;
        if have + 1 < need {
            return State::Utf8 { bytes, have: have + 1, need };
        }
        let decoded = std::str::from_utf8(&bytes[..usize::from(need)]).ok().and_then(|s| s.chars().next());
        self.print(decoded.unwrap_or(char::REPLACEMENT_CHARACTER), out);
        State::Ground
    }

    /// A byte that broke a character off begins something new.
    fn after_broken(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        if is_ascii_text(byte) {
            out.push(byte);
            self.marks_left = MARKS;
            return State::Ground;
        }
        self.ground(byte, out)
    }

    fn print(&mut self, c: char, out: &mut Vec<u8>) {
        let c = if is_safe(c) || c == char::REPLACEMENT_CHARACTER { c } else { return };
        match c.width() {
            Some(0) if self.marks_left == 0 => return,
            Some(0) => self.marks_left -= 1,
            Some(1) => self.marks_left = MARKS,
            _ => self.marks_left = 0,
        }
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        match byte {
            b'[' => {
                out.extend_from_slice(b"\x1b[");
                State::Csi
            }
            b']' => {
                self.osc.clear();
                State::Osc
            }
            b'P' | b'X' | b'^' | b'_' => State::Skipped,
            // The end of a string that has been dealt with.
            b'\\' | CAN | SUB => State::Ground,
            0x20..=0x2f => {
                out.extend_from_slice(&[ESC, byte]);
                State::EscapeIntermediate
            }
            0x30..=0x7e => {
                out.extend_from_slice(&[ESC, byte]);
                State::Ground
            }
            _ => State::Escape,
        }
    }

    fn osc(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        match byte {
            BEL | ESC => {
                if is_wanted(&self.osc) {
                    out.extend_from_slice(b"\x1b]");
                    out.extend_from_slice(&self.osc);
                    out.push(BEL);
                }
                if byte == ESC { State::Escape } else { State::Ground }
            }
            CAN | SUB => State::Ground,
            _ => {
                // One byte more than allowed tells that it is too long.
                if self.osc.len() <= MAX_OSC {
                    self.osc.push(byte);
                }
                State::Osc
            }
        }
    }
}

fn is_ascii_text(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

/// A byte outside of any sequence that is neither text nor the start of a character.
fn control(byte: u8, out: &mut Vec<u8>) -> State {
    match byte {
        ESC => return State::Escape,
        0x80.. => out.extend_from_slice("\u{fffd}".as_bytes()),
        0x7f => {}
        _ => out.push(byte),
    }
    State::Ground
}

/// Within a sequence that ends with a byte from `first_final` to `~`. The model ignores bytes
/// beyond ASCII here; they are dropped. An ESC breaks it off, which the model must be told at once:
/// what follows may be held back, and it would take the next text for the rest of this sequence.
fn until_final(byte: u8, first_final: u8, stay: State, out: &mut Vec<u8>) -> State {
    match byte {
        ESC => {
            out.push(CAN);
            State::Escape
        }
        0x7f.. => stay,
        _ => {
            out.push(byte);
            let ends = matches!(byte, CAN | SUB) || byte >= first_final;
            if ends { State::Ground } else { stay }
        }
    }
}

/// Titles, and questions for the colours of text, background and cursor.
fn is_wanted(body: &[u8]) -> bool {
    if body.len() > MAX_OSC {
        return false;
    }
    let queries: [&[u8]; 3] = [b"10;?", b"11;?", b"12;?"];
    body.starts_with(b"0;") || body.starts_with(b"2;") || queries.contains(&body)
}

//! Screen models: bytes of a program in, a [`ScreenSnapshot`] out. The snapshot is what people see;
//! no byte of a program reaches a person's terminal by another way.

mod alacritty;
mod convert;
mod filter;

pub use alacritty::AlacrittyScreen;

use foureyes_ports::{backend::Size, screen::ScreenSnapshot};
use std::sync::Arc;

/// Lines of history that are kept unless configured otherwise.
pub const DEFAULT_SCROLLBACK: usize = 2000;

/// An emulated terminal. Its memory is bounded whatever it is fed: by the cells of screen and
/// history, and by small buffers.
pub trait ScreenModel: Send {
    /// Takes what the program wrote. Sequences and characters may be cut anywhere.
    fn feed(&mut self, bytes: &[u8]);

    /// What the terminal answers to the program's queries since the last call; to be written to
    /// the program's input. At most 4 KiB wait; what exceeds them is dropped.
    fn take_answers(&mut self) -> Vec<u8>;

    /// Changes the size; the text is wrapped anew.
    fn resize(&mut self, size: Size);

    /// Whether the program asked that pasted text be marked (mode 2004).
    fn bracketed_paste(&self) -> bool;

    /// Grows with every feed and every change of size.
    fn version(&self) -> u64;

    /// The screen now. Made once for each version.
    fn snapshot(&mut self) -> Arc<ScreenSnapshot>;

    /// The last `lines` lines of history and screen as text, without empty lines at the end.
    fn transcript(&self, lines: usize) -> String;
}

#[cfg(test)]
mod tests;

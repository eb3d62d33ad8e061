//! What people see: plain log lines, the full-screen live view, a grid of terminals in tmux, one
//! agent's terminal, the tables of the command line, the banner and the closing table.
//!
//! Every sink watches, none owns: the runtime goes on when a sink is slow, dies or is closed. A
//! sink reads the newest picture ([`foureyes_ports::view::View`]) or the newest screen
//! ([`foureyes_ports::screen::ScreenSnapshot`]) and skips what it had no time for. Whatever an agent
//! wrote passes [`foureyes_ports::text::clean_text`] on its way out, here again, whoever cleaned it
//! before.
//!
//! Nothing here reads the environment or decides anything: what a user types is handed to
//! [`live::UserActions`].

pub mod attach;
pub mod banner;
pub mod closing;
pub mod costs;
mod error;
mod ink;
pub mod live;
pub mod log;
mod page;
pub mod status;
mod table;
mod text;
pub mod tmux;
mod tty;
mod words;

#[cfg(test)]
#[path = "../examples/preview/scenes.rs"]
mod scenes;

pub use error::SinkError;
pub use page::{Page, colour_wanted};
pub use tty::{is_interactive, restore as restore_terminal};

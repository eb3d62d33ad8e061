//! The full-screen view of a run: what needs the user, the features by gate, the roles, the message
//! flow; questions are answered in place.

mod answer;
mod board;
mod draw;
mod flow;
mod footer;
mod header;
mod overlay;
mod questions;
mod roles;
mod run;
mod screen;
mod ui;
mod vitals;

pub use run::{Feed, LiveEnd, Options, run};

/// The name of the thread that draws.
pub(crate) const THREAD: &str = "live-view";

/// What the user does in the view. Called on the thread that draws: hand it on, do not work here.
pub trait UserActions: Send + Sync {
    /// Answers question `number` with a text.
    fn answer(&self, number: u64, text: String);
    /// Approves or rejects decision `number`; `digest` is the part that the user typed of the
    /// decision's digest and `code` the one-time code (both empty where none was asked for).
    fn decide(&self, number: u64, approve: bool, digest: String, code: String);
    /// Asks the whole run to end in good order.
    fn quit(&self);
}

#[cfg(test)]
mod terminal_tests;
#[cfg(test)]
mod tests;

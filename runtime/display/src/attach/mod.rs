//! One role's terminal in the user's, redrawn from the screen model and from nothing else. Watched,
//! it is read only; taken over ([`take`]), it gets the user's keys, or lines.

mod editor;
mod frame;
mod keys;
mod take;

pub use frame::frame;
pub use take::{Hands, LEAVE, Taken, take};

use crate::SinkError;
use crate::tty::{self, FullScreen};
use foureyes_ports::screen::ScreenSnapshot;
use foureyes_ports::view::RoleState;
use foureyes_protocol::{Family, PrincipalId};
use keys::{Key, Keys};
use std::io::{Write, stdout};
use std::sync::Arc;

/// What the viewer is told: the newest screen and where its role stands.
#[derive(Clone, Debug)]
pub struct ScreenUpdate {
    /// The role.
    pub role: PrincipalId,
    /// Its family.
    pub family: Family,
    /// Where it stands.
    pub state: RoleState,
    /// What it works on, one line.
    pub work: String,
    /// How often it was restarted.
    pub restarts: u32,
    /// Whether the user has taken it over.
    pub taken: bool,
    /// What its terminal shows.
    pub screen: Arc<ScreenSnapshot>,
}

/// Where screens come from. Latest wins: a viewer that is slow skips screens.
#[async_trait::async_trait]
pub trait ScreenFeed: Send {
    /// Waits for the next screen; `None` when there will be none any more. Must be cancel-safe:
    /// the future is dropped whenever a key arrives first.
    async fn next(&mut self) -> Option<ScreenUpdate>;
}

/// Why the viewer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachEnd {
    /// The user left with `q` or Ctrl-C.
    Detached,
    /// The feed ended: the runtime is gone.
    FeedEnded,
    /// Output is no terminal: the screen was printed once.
    Printed,
}

/// How the viewer looks.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether colours are used in the viewer's own line ([`crate::colour_wanted`]). The agent's
    /// screen has the colours that the agent gave it.
    pub colour: bool,
    /// Whether the key that leaves is told; a pane of the grid has no keys.
    pub hint: bool,
}

const SINK: &str = "attach";

/// Shows a role's terminal until the user leaves or the feed ends. When input or output is no
/// terminal, prints the first screen as text and ends.
///
/// # Errors
/// [`SinkError`] when the terminal cannot be used or written any more.
pub async fn run(feed: &mut dyn ScreenFeed, options: Options) -> Result<AttachEnd, SinkError> {
    if !tty::is_interactive() {
        return print_once(feed, &mut stdout()).await;
    }
    let _screen = FullScreen::enter().map_err(SinkError::terminal(SINK))?;
    let mut keys = Keys::listen().map_err(SinkError::terminal(SINK))?;
    let mut newest: Option<ScreenUpdate> = None;
    loop {
        tokio::select! {
            update = feed.next() => match update {
                Some(update) => newest = Some(update),
                None => return Ok(AttachEnd::FeedEnded),
            },
            key = keys.next() => match key {
                Some(Key::Leave) | None => return Ok(AttachEnd::Detached),
                Some(Key::Resized) => {}
            },
        }
        if let Some(update) = &newest {
            show(update, options)?;
        }
    }
}

fn show(update: &ScreenUpdate, options: Options) -> Result<(), SinkError> {
    let (width, height) = crossterm::terminal::size().map_err(SinkError::terminal(SINK))?;
    write(&mut stdout(), &frame(update, width, height, options))
}

/// Prints the first screen as text.
async fn print_once(feed: &mut dyn ScreenFeed, out: &mut (dyn Write + Send)) -> Result<AttachEnd, SinkError> {
    let Some(update) = feed.next().await else { return Ok(AttachEnd::FeedEnded) };
    write(out, &(update.screen.to_text() + "\n"))?;
    Ok(AttachEnd::Printed)
}

fn write(out: &mut (dyn Write + Send), text: &str) -> Result<(), SinkError> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| SinkError::Write { sink: SINK, target: "the terminal", source })
}

#[cfg(test)]
mod tests;

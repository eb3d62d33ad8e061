//! The log: one line for each thing that happened, for files, pipes and `grep`.

mod changes;
mod entry;

pub use changes::changes;
pub use entry::{Entry, What};

use crate::SinkError;
use foureyes_ports::view::View;
use std::io::Write;
use std::sync::Arc;
use tokio::sync::watch;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns for people: time, what, feature, gate, outcome, who, text. `-` where there is none.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes what changed to `out` until the view ends.
///
/// The first picture is told whole (its messages, verdicts, questions), so that a log that is
/// attached late misses nothing that the picture still holds. A picture that came and went while a
/// line was written is skipped; its messages, verdicts and alerts are in the next one.
///
/// # Errors
/// [`SinkError::Write`] at the first line that cannot be written: the sink is dead then.
pub async fn run(
    mut views: watch::Receiver<Arc<View>>,
    out: &mut (dyn Write + Send),
    format: Format,
) -> Result<(), SinkError> {
    let mut shown = Arc::new(View::default());
    loop {
        let newest = views.borrow_and_update().clone();
        write_entries(out, &changes(&shown, &newest), format)?;
        shown = newest;
        if views.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn write_entries(out: &mut (dyn Write + Send), entries: &[Entry], format: Format) -> Result<(), SinkError> {
    let lines: String = entries.iter().map(|entry| entry.line(format) + "\n").collect();
    out.write_all(lines.as_bytes()).and_then(|()| out.flush()).map_err(|source| SinkError::Write {
        sink: "log",
        target: "its file or pipe",
        source,
    })
}

#[cfg(test)]
mod tests;

//! What the commands that look print: `status`, `ps`, `inbox`, `feature list`, `feature show`,
//! `gate`, `logs`. Pure functions of the picture; `--json` is the same part of the picture.

mod features;
mod inbox;
mod line;
mod ps;
mod summary;

pub(crate) use features::mark_ink;
pub use features::{feature_list, feature_show, gate};
pub use inbox::inbox;
pub use line::{status_line, tmux_status_line};
pub use ps::ps;
pub use summary::summary;

use crate::log::{Entry, Format, changes};
use foureyes_ports::view::View;
use serde::Serialize;

/// A part of the picture as JSON over several lines, for `--json`: the view itself for `status`,
/// `view.roles` for `ps`, `view.questions` for `inbox`, `view.features` for `feature list` and one
/// of these for `feature show`.
pub fn json<T: Serialize>(part: &T) -> String {
    // The parts of a view have string keys and finite numbers only: nothing that JSON lacks.
    serde_json::to_string_pretty(part).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}")) + "\n"
}

/// A part as JSON on one line, without a newline.
pub(crate) fn json_line<T: Serialize>(part: &T) -> String {
    serde_json::to_string(part).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))
}

/// The lines of `agents logs`: everything that the picture holds, oldest first.
pub fn logs(view: &View, format: Format) -> String {
    let entries = changes(&View::default(), view);
    entries.iter().map(|entry: &Entry| entry.line(format) + "\n").collect()
}

#[cfg(test)]
mod tests;

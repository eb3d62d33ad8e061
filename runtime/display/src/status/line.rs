//! The whole in one line.

use crate::text::clean;
use crate::words::{self, Stage};
use foureyes_ports::view::{RoleState, View};

/// The whole in one line, most urgent first.
pub fn status_line(view: &View) -> String {
    let staged = |stage| view.features.iter().filter(|f| words::stage(view, f) == stage).count();
    let mut parts: Vec<String> = view.frozen.iter().map(|why| format!("FROZEN: {}", clean(why))).collect();
    if !view.questions.is_empty() {
        parts.push(format!("NEEDS YOU {}", view.questions.len()));
    }
    parts.extend(view.features.iter().filter(|f| words::stage(view, f) != Stage::Done).map(|f| {
        let progress = f.progress.as_ref().map(|p| format!(" ({})", clean(p))).unwrap_or_default();
        format!("{} at {}{progress}", f.id, f.gate)
    }));
    parts.push(format!("{} done", staged(Stage::Done)));
    let busy = words::roles_in(view, &[RoleState::Busy]);
    let ill = words::roles_in(view, &[RoleState::Restarting, RoleState::Degraded]);
    parts.push(format!("{busy} of {} busy", words::count(view.roles.len() as u64, "role")));
    if ill > 0 {
        parts.push(format!("{ill} ill"));
    }
    parts.push(format!("{} refused", view.refusals));
    parts.join(" · ")
}

/// The same for tmux's status line, in which `#` starts a format: doubled here, so that a text
/// cannot become one.
pub fn tmux_status_line(view: &View) -> String {
    let line = status_line(view).replace('#', "##");
    let style = if view.frozen.is_some() {
        "#[bg=red,fg=brightwhite,bold]"
    } else if view.questions.is_empty() {
        ""
    } else {
        "#[fg=brightyellow,bold]"
    };
    format!("{style} {line} ")
}

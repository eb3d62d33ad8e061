//! The team: every role with its state, its restarts and what it works on.

use super::draw::WIDE;
use super::screen::{Row, boxed, frame_rows, title};
use super::ui::Ui;
use crate::ink::{self, Ink};
use crate::words;
use foureyes_ports::view::{RoleState, RoleView};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Text};

/// Columns that a role needs for its name.
const NARROWEST: u16 = 16;

/// Columns that the team takes beside the message flow.
pub(super) fn wide(width: u16) -> u16 {
    (width * 2 / 5).clamp(44, 84)
}

/// Rows that the team takes beside the message flow, a role a row.
pub(super) fn wide_height(ui: &Ui) -> u16 {
    u16::try_from(ui.view.roles.len()).unwrap_or(u16::MAX).clamp(1, 200) + frame_rows(WIDE)
}

/// Rows that the team takes above the message flow.
pub(super) fn height(ui: &Ui, width: u16) -> u16 {
    let roles = u16::try_from(ui.view.roles.len()).unwrap_or(u16::MAX).min(60);
    roles.div_ceil(2).max(1) + frame_rows(width)
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let inner = boxed(frame, area, ui, heading(ui));
    let roles = &ui.view.roles;
    if frame.area().width >= WIDE && roles.len() <= usize::from(inner.height) {
        let lines: Vec<Line<'_>> = roles.iter().map(|role| line(ui, role, inner.width)).collect();
        return frame.render_widget(Text::from(lines), inner);
    }
    // Two roles side by side, more where there would be no room for all of them otherwise.
    let high = usize::from(inner.height).max(1);
    let columns = roles.len().div_ceil(high).clamp(2, usize::from(inner.width / NARROWEST).max(2));
    let areas = Layout::horizontal(vec![Constraint::Fill(1); columns]).spacing(1).split(inner);
    let per_column = roles.len().div_ceil(columns).max(1);
    for (part, area) in roles.chunks(per_column).zip(areas.iter()) {
        let lines: Vec<Line<'_>> = part.iter().map(|role| line(ui, role, area.width)).collect();
        frame.render_widget(Text::from(lines), *area);
    }
}

fn heading(ui: &Ui) -> Line<'static> {
    let busy = words::roles_in(&ui.view, &[RoleState::Busy]);
    let ill = words::roles_in(&ui.view, &[RoleState::Restarting, RoleState::Degraded]);
    let mut parts = vec![
        (Ink::Bold, format!("Roles ({})", ui.view.roles.len())),
        (if busy > 0 { Ink::Green } else { Ink::Dim }, format!("{busy} busy")),
    ];
    if ill > 0 {
        parts.push((Ink::Red, format!("{ill} ill")));
    }
    title(ui, &parts)
}

fn line(ui: &Ui, role: &RoleView, width: u16) -> Line<'static> {
    let aside = ui.view.quarantined.iter().any(|(id, _)| *id == role.id);
    let (mark, word, colour) = if aside {
        ("⊘", "set aside".to_owned(), Ink::Red)
    } else {
        (ink::state_mark(role.state), role.state.to_string(), ink::state(role.state))
    };
    let row = Row::new(ui, width)
        .add(colour, &format!("{mark} "))
        .column(ink::family(role.family), role.id.as_str(), 13)
        .column(colour, &word, 11);
    let row = if role.restarts > 0 { row.add(Ink::Red, &format!("↻{} ", role.restarts)) } else { row };
    let row = if role.unread > 0 { row.add(Ink::Yellow, &format!("✉{} ", role.unread)) } else { row };
    row.add(Ink::Plain, &role.work).line()
}

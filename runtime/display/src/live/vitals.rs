//! The runtime itself: its services, the write locks, what was refused, the newest alerts.

use super::screen::{Row, boxed, title};
use super::ui::Ui;
use crate::ink::Ink;
use crate::text;
use crate::words;
use foureyes_ports::view::LockView;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};

/// Rows below which it is not shown.
pub(super) const SMALLEST: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let mute = ui.view.services.iter().filter(|s| !s.responsive).count();
    let mut heading = vec![(Ink::Bold, "Runtime".to_owned())];
    if mute > 0 {
        heading.push((Ink::Red, words::count(mute as u64, "service") + " not responsive"));
    }
    let inner = boxed(frame, area, ui, title(ui, &heading));
    let mut lines = services(ui, inner.width);
    lines.extend(ui.view.locks.iter().map(|lock| lock_line(ui, lock, inner.width)));
    lines.truncate(usize::from(inner.height));
    let room = usize::from(inner.height) - lines.len();
    let alerts = &ui.view.alerts[ui.view.alerts.len().saturating_sub(room)..];
    lines.extend(
        alerts.iter().map(|alert| Row::new(ui, inner.width).add(Ink::Red, "✗ ").add(Ink::Red, alert).line()),
    );
    frame.render_widget(Text::from(lines), inner);
}

/// The services one after the other, on as many lines as they take.
fn services(ui: &Ui, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut row = Row::new(ui, width);
    for service in &ui.view.services {
        let (mark, ink) = if service.responsive { ("●", Ink::Green) } else { ("✗", Ink::Red) };
        let again = if service.restarts > 0 { format!("↻{}", service.restarts) } else { String::new() };
        let name = text::clip(&format!("{}{again}", service.name), usize::from(width).saturating_sub(4));
        if row.room() < text::width(&name) + 4 {
            lines.push(std::mem::replace(&mut row, Row::new(ui, width)).line());
        }
        row = row.add(ink, &format!("{mark} ")).add(Ink::Plain, &format!("{name}  "));
    }
    lines.push(row.line());
    lines
}

fn lock_line(ui: &Ui, lock: &LockView, width: u16) -> Line<'static> {
    let left = words::duration(lock.until_ms.saturating_sub(ui.view.at_ms + ui.elapsed));
    Row::new(ui, width)
        .add(Ink::Yellow, "⚿ ")
        .add(Ink::Plain, &format!("{} ", lock.scope))
        .add(Ink::Bold, &format!("{} ", lock.holder))
        .add(Ink::Dim, &format!("token {} · {left} left", lock.token))
        .line()
}

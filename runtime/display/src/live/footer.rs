//! The bottom: the keys, and what the runtime counted.

use super::screen::Row;
use super::ui::Ui;
use crate::ink::Ink;
use crate::words;
use ratatui::Frame;
use ratatui::layout::Rect;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let mut row = Row::new(ui, area.width);
    if ui.finished {
        row = row.add(Ink::Caption, " the run is over: press any key ");
    } else {
        for (key, does) in keys(ui) {
            row = row.add(Ink::Bold, &format!(" {key}")).add(Ink::Dim, &format!(" {does} "));
        }
    }
    if !ui.notice.is_empty() {
        row = row.add(Ink::Yellow, &format!("  {}", ui.notice));
    }
    // The most telling facts first; on a narrow terminal the last ones go.
    let facts = facts(ui);
    let fits =
        (1..=facts.len()).rev().map(|n| facts[..n].join(" · ")).find(|t| t.chars().count() < row.room());
    let row = if let Some(text) = fits { row.end(Ink::Dim, &text) } else { row };
    frame.render_widget(row.line(), area);
}

fn keys(ui: &Ui) -> Vec<(&'static str, String)> {
    let mut keys = vec![("q", "quit".to_owned()), ("↑↓", "scroll".to_owned()), ("?", "help".to_owned())];
    if !ui.view.questions.is_empty() {
        keys.insert(1, ("a", format!("answer ({})", ui.view.questions.len())));
    }
    keys
}

fn facts(ui: &Ui) -> Vec<String> {
    let view = &ui.view;
    let mute = view.services.iter().filter(|s| !s.responsive).count();
    let services = match mute {
        0 => words::count(view.services.len() as u64, "service"),
        n => format!("{n} of {} not responsive", words::count(view.services.len() as u64, "service")),
    };
    vec![
        format!("{} refused", view.refusals),
        words::count(view.alerts.len() as u64, "alert"),
        words::count(view.locks.len() as u64, "lock"),
        services,
        format!("{} idle turns", view.idle_turns),
    ]
}

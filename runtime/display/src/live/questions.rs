//! What needs the user, with the command that answers it from any other terminal.

use super::screen::{Row, boxed, frame_rows, title};
use super::ui::Ui;
use crate::ink::Ink;
use crate::words;
use foureyes_ports::view::QuestionView;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};

/// Lines of one question.
const LINES: u16 = 2;

/// Rows that the questions take: none without any, at most a third.
pub(super) fn height(ui: &Ui, area: Rect) -> u16 {
    let all = u16::try_from(ui.view.questions.len()).unwrap_or(u16::MAX);
    let most = (area.height / 3).saturating_sub(frame_rows(area.width)) / LINES;
    match all.min(most.max(1)) {
        0 => 0,
        shown => shown * LINES + frame_rows(area.width),
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let all = ui.view.questions.len();
    let shown = usize::from(area.height.saturating_sub(frame_rows(frame.area().width)) / LINES);
    let mut heading =
        vec![(Ink::Yellow, format!("◆ Needs you ({all})")), (Ink::Bold, "a answers".to_owned())];
    if all > shown {
        heading.push((Ink::Dim, format!("{} more", all - shown)));
    }
    let inner = boxed(frame, area, ui, title(ui, &heading));
    let lines = ui.view.questions.iter().take(shown).flat_map(|q| question(ui, q, inner.width));
    frame.render_widget(Text::from(lines.collect::<Vec<_>>()), inner);
}

fn question(ui: &Ui, q: &QuestionView, width: u16) -> [Line<'static>; 2] {
    let about = q.feature.as_ref().map(|f| format!(" {f}")).unwrap_or_default();
    let first = Row::new(ui, width)
        .add(Ink::Yellow, &format!("{:>3} ", q.number))
        .add(Ink::Bold, &format!("{}{about} ", q.from))
        .add(Ink::Dim, &format!("{}: ", q.what))
        .add(Ink::Plain, &q.text);
    let second = Row::new(ui, width)
        .add(Ink::Green, &format!("    → {}", words::remedy(q)))
        .add(Ink::Cyan, &format!("   {}", words::options(q)));
    let second = match &q.decision {
        Some(digest) => {
            second.add(Ink::Magenta, &format!("decision {} · one-time code needed", digest.short()))
        }
        None => second,
    };
    [first.line(), second.line()]
}

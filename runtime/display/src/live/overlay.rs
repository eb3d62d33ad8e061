//! What lies over the view: help, the question what `q` means, the form for an answer.

use super::answer::{Form, Step};
use super::screen::{Row, title};
use super::ui::Ui;
use crate::ink::Ink;
use crate::text::wrap;
use crate::words;
use foureyes_ports::view::QuestionView;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, BorderType, Clear, Padding};

/// A window in the middle; `lines` get the width that is left inside.
fn window(
    frame: &mut Frame<'_>,
    area: Rect,
    ui: &Ui,
    name: &str,
    lines: impl FnOnce(u16) -> Vec<Line<'static>>,
) {
    let width = area.width.saturating_sub(4).min(76);
    let lines = lines(width.saturating_sub(4));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4).min(area.height);
    let spot = area.centered(Constraint::Length(width), Constraint::Length(height));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(ui.style(Ink::Cyan))
        .padding(Padding::new(1, 1, 1, 1))
        .title(title(ui, &[(Ink::Bold, name.to_owned())]));
    let inner = block.inner(spot);
    frame.render_widget(Clear, spot);
    frame.render_widget(block, spot);
    frame.render_widget(Text::from(lines), inner);
}

pub(super) fn help(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let keys = [
        ("a", "answer what needs you"),
        ("↑ ↓ PgUp PgDn", "scroll the messages; End: newest"),
        ("q", "leave the view, or stop the run"),
        ("?", "this help"),
    ];
    let shapes = [
        ("● ◐ ○ ↻ ✗", "busy, waits, idle, restarts, degraded"),
        ("✓ ▸ ↺ ✗ –", "gate passed, under way, returned, broken, n/a"),
    ];
    let elsewhere = [
        ("agents attach", "every agent's terminal, in tmux"),
        ("agents status", "the same at one glance, once"),
        ("agents feature show NAME", "verdicts, evidence, who signed"),
    ];
    window(frame, area, ui, "Help", |width| {
        let line = |(key, does): &(&str, &str)| {
            Row::new(ui, width).column(Ink::Cyan, key, 26).add(Ink::Plain, does).line()
        };
        let parts =
            [keys.as_slice(), &shapes, &elsewhere].map(|part| part.iter().map(line).collect::<Vec<_>>());
        parts.join(&Line::default())
    });
}

pub(super) fn quit(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let choices = [
        ("s", "stop the run in good order; it continues with: agents run"),
        ("l", "leave the view; the run goes on and writes lines"),
        ("Esc", "back"),
    ];
    window(frame, area, ui, "Quit?", |width| {
        let line = |(key, does): &(&str, &str)| {
            Row::new(ui, width).column(Ink::Cyan, key, 5).add(Ink::Plain, does).line()
        };
        choices.iter().map(line).collect()
    });
}

pub(super) fn answer(frame: &mut Frame<'_>, area: Rect, ui: &Ui, form: &Form) {
    let Some(question) = ui.view.questions.iter().find(|q| q.number == form.number) else { return };
    let name = format!("{} from {}", question.what, question.from);
    window(frame, area, ui, &name, |width| {
        let mut lines = asked(ui, question, width);
        lines.push(Line::default());
        lines.push(input(ui, form, width));
        let hint = if form.hint.is_empty() { "" } else { form.hint };
        lines.push(Row::new(ui, width).add(Ink::Red, hint).line());
        lines.push(Row::new(ui, width).add(Ink::Dim, &keys(ui, form)).line());
        lines
    });
}

fn asked(ui: &Ui, q: &QuestionView, width: u16) -> Vec<Line<'static>> {
    let row = || Row::new(ui, width);
    let about = q.feature.as_ref().map_or_else(String::new, |f| format!(" about {f}"));
    let mut lines = vec![row().add(Ink::Dim, &format!("number {}{about}", q.number)).line()];
    lines.extend(wrap(&q.text, usize::from(width), 6).iter().map(|text| row().add(Ink::Bold, text).line()));
    let options = q.options.iter().enumerate();
    lines.extend(
        options.map(|(n, text)| row().add(Ink::Cyan, &format!("  {}) ", n + 1)).add(Ink::Plain, text).line()),
    );
    if let Some(decision) = &q.decision {
        lines.push(row().add(Ink::Magenta, &format!("decision {}", decision.short())).line());
    }
    let feature = q.feature.as_ref().and_then(|id| ui.view.features.iter().find(|f| f.id == *id));
    lines.extend(feature.map(|f| {
        let (changed, files) = (words::count(f.size.0, "line"), words::count(f.size.1, "file"));
        row().add(Ink::Dim, &format!("{} · {changed} in {files} · {}", f.risk, words::route(f))).line()
    }));
    lines
}

fn input(ui: &Ui, form: &Form, width: u16) -> Line<'static> {
    let row = Row::new(ui, width);
    let label = match form.step {
        Step::Choice => return row.add(Ink::Bold, "approve? y / n").line(),
        Step::Text => "answer › ",
        Step::Digest => "digest (first 6 digits or more) › ",
        Step::Code => "one-time code › ",
    };
    let room = usize::from(width).saturating_sub(label.chars().count() + 1);
    let skipped = form.input.chars().count().saturating_sub(room);
    let shown: String = form.input.chars().skip(skipped).collect();
    row.add(Ink::Cyan, label).add(Ink::Bold, &shown).add(Ink::Cyan, "▏").line()
}

fn keys(ui: &Ui, form: &Form) -> String {
    let next = if ui.view.questions.len() > 1 { " · Tab next question" } else { "" };
    let send = if form.step == Step::Choice { "" } else { "Enter sends · " };
    format!("{send}Esc back{next}")
}

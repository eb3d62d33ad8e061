//! The features: in columns by gate where there is room, else one below the other with their way.

use super::draw::WIDE;
use super::screen::{Row, boxed, frame_rows, title};
use super::ui::Ui;
use crate::ink::{self, Ink};
use crate::status::mark_ink;
use crate::text::wrap;
use crate::words::{self, Stage};
use foureyes_ports::view::FeatureView;
use foureyes_protocol::Gate;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Text};

/// Lines of a card: name, two of the title, facts, what happens.
const CARD: u16 = 5;
/// Lines of a feature on a narrow terminal.
const TRACK: u16 = 2;
/// The spinner of a run under way.
const SPINNER: [&str; 8] = ["⣷", "⣯", "⣟", "⡿", "⢿", "⣻", "⣽", "⣾"];

/// Rows that the board takes of `room`.
pub(super) fn height(ui: &Ui, width: u16, room: u16) -> u16 {
    let frame = frame_rows(width);
    let wanted =
        if width >= WIDE { frame + 1 + cards_high(ui) * (CARD + 1) } else { frame + tracks(ui) * TRACK };
    let most = (room * 2 / 5).max(frame + 1);
    wanted.clamp(frame + 1, if width >= WIDE { (room / 2).max(most) } else { most })
}

fn tracks(ui: &Ui) -> u16 {
    u16::try_from(ui.view.features.len()).unwrap_or(u16::MAX).clamp(1, 50)
}

/// Cards in the highest column.
fn cards_high(ui: &Ui) -> u16 {
    let column = |n| ui.view.features.iter().filter(|f| column_of(f) == n).count();
    u16::try_from((0..=Gate::ALL.len()).map(column).max().unwrap_or(0)).unwrap_or(u16::MAX).clamp(1, 20)
}

/// The column of a feature: the gate it stands before; behind the gates when it ended.
fn column_of(f: &FeatureView) -> usize {
    if words::is_done(f) || f.status == "cancelled" {
        return Gate::ALL.len();
    }
    Gate::ALL.iter().position(|g| *g == f.gate).unwrap_or(0)
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let inner = boxed(frame, area, ui, heading(ui));
    if ui.view.features.is_empty() {
        let hint = Row::new(ui, inner.width).add(Ink::Dim, " no features yet · agents feature new TITLE");
        if frame.area().width < WIDE {
            return frame.render_widget(hint.line(), inner);
        }
        let below = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        frame.render_widget(hint.line(), below);
    }
    if frame.area().width >= WIDE { columns(frame, inner, ui) } else { rows(frame, inner, ui) }
}

fn heading(ui: &Ui) -> Line<'static> {
    let staged = |stage| ui.view.features.iter().filter(|f| words::stage(&ui.view, f) == stage).count();
    let mut parts = vec![(Ink::Bold, "Features".to_owned())];
    for (stage, ink, word) in [
        (Stage::NeedsYou, Ink::Yellow, "needs you"),
        (Stage::Working, Ink::Cyan, "working"),
        (Stage::Done, Ink::Green, "done"),
    ] {
        let n = staged(stage);
        parts.push((if n == 0 { Ink::Dim } else { ink }, format!("{n} {word}")));
    }
    title(ui, &parts)
}

fn columns(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let names = Gate::ALL.map(|g| g.to_string()).into_iter().chain(["DONE".to_owned()]);
    let areas = Layout::horizontal([Constraint::Fill(1); 7]).spacing(1).split(area);
    for (n, (name, area)) in names.zip(areas.iter()).enumerate() {
        let here: Vec<&FeatureView> = ui.view.features.iter().filter(|f| column_of(f) == n).collect();
        frame.render_widget(Text::from(column(ui, &name, &here, *area)), *area);
    }
}

fn column(ui: &Ui, name: &str, here: &[&FeatureView], area: Rect) -> Vec<Line<'static>> {
    let fit = usize::from(area.height.saturating_sub(1) / (CARD + 1)).max(1);
    let ink = if here.is_empty() { Ink::Dim } else { Ink::Bold };
    let count = if here.is_empty() { String::new() } else { format!("{} ", here.len()) };
    let head = Row::new(ui, area.width).add(ink, &format!(" {name}")).end(Ink::Dim, &count);
    let mut lines = vec![head.line()];
    for feature in here.iter().take(fit) {
        lines.extend(card(ui, feature, area.width));
        lines.push(Line::default());
    }
    if here.len() > fit {
        // The blank line behind the last card tells what is hidden.
        lines.pop();
        lines.push(Row::new(ui, area.width).add(Ink::Dim, &format!(" + {} more", here.len() - fit)).line());
    }
    lines
}

/// A card: a bar in the colour of the risk at its left, and at most [`CARD`] lines.
fn card(ui: &Ui, f: &FeatureView, width: u16) -> Vec<Line<'static>> {
    let edge = || Row::new(ui, width).add(ink::risk(f.risk), "▌");
    let mut lines = vec![edge().add(Ink::Bold, f.id.as_str()).line()];
    let title = wrap(&f.title, usize::from(width.saturating_sub(1)), 2);
    lines.extend(title.iter().map(|text| edge().add(Ink::Plain, text).line()));
    let facts = [f.risk.to_string(), words::route(f).to_owned()];
    let facts: Vec<String> = facts.into_iter().filter(|text| !text.is_empty()).collect();
    lines.push(edge().add(ink::risk(f.risk), &facts.join(" · ")).line());
    let (ink, text) = happening(ui, f, usize::from(width.saturating_sub(2)));
    lines.push(edge().add(ink, &text).line());
    lines
}

/// What happens with a feature now, in so many columns.
fn happening(ui: &Ui, f: &FeatureView, columns: usize) -> (Ink, String) {
    if let Some(progress) = &f.progress {
        let spinner = SPINNER[ui.step()];
        return (Ink::Cyan, running(progress, spinner, columns));
    }
    if let (Some(commit), Some(end)) = (&f.merged, f.ended_ms) {
        let took = words::duration(end.saturating_sub(f.requested_ms));
        return (Ink::Green, format!("✓ {took} {}", &commit.short()[..7]));
    }
    match words::waits(f) {
        waits if !waits.is_empty() => (Ink::Yellow, format!("… {waits}")),
        _ => (Ink::Dim, f.author.as_ref().map_or_else(String::new, |a| format!("with {a}"))),
    }
}

/// A run under way: a bar and its numbers; the words of the run where it has no numbers.
fn running(progress: &str, spinner: &str, columns: usize) -> String {
    let Some((done, all)) = words::progress(progress) else {
        return format!("{spinner} {progress}");
    };
    let numbers = format!("{done}/{all}");
    let bar = columns.saturating_sub(numbers.len() + 3).min(24);
    format!("{spinner} {} {numbers}", words::bar(done, all, bar))
}

fn rows(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let fit = usize::from(area.height / TRACK).max(1);
    // What is under way comes first: it must not be hidden by what is done.
    let mut features: Vec<&FeatureView> = ui.view.features.iter().collect();
    features.sort_by_key(|f| words::stage(&ui.view, f) == Stage::Done);
    let lines = features.iter().take(fit).flat_map(|f| track(ui, f, area.width));
    frame.render_widget(Text::from(lines.collect::<Vec<_>>()), area);
}

fn track(ui: &Ui, f: &FeatureView, width: u16) -> [Line<'static>; 2] {
    let mut way = Row::new(ui, width).add(ink::risk(f.risk), "▌").column(Ink::Bold, f.id.as_str(), 18);
    for gate in Gate::ALL {
        way = way.add(mark_ink(f, gate), &format!(" {gate}{}", words::gate_mark(f, gate)));
    }
    let way = way.add(Ink::Dim, &format!("  {} {}", f.risk, words::route(f)));
    let (colour, text) = happening(ui, f, 26);
    let title = usize::from(width).saturating_sub(30);
    let what = Row::new(ui, width)
        .add(ink::risk(f.risk), "▌")
        .column(Ink::Plain, &f.title, title)
        .add(colour, &format!(" {text}"));
    [way.line(), what.line()]
}

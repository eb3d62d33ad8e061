//! The features: in columns by gate where there is room, else one below the other with their way.

use super::draw::WIDE;
use super::screen::{Row, boxed, frame_rows, title};
use super::ui::Ui;
use crate::ink::{self, Ink};
use crate::status::mark_ink;
use crate::text::{self, wrap};
use crate::words::{self, Stage};
use foureyes_ports::view::FeatureView;
use foureyes_protocol::{Gate, Risk};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Text};

/// Lines of a card: name, two of the title, facts, what happens.
const CARD: u16 = 5;
/// Lines of the card of a feature that ended: name and result.
const ENDED: u16 = 2;
/// Lines of a feature on a narrow terminal.
const TRACK: u16 = 2;
/// Columns from which on the merge is named beside how long it took.
const WITH_COMMIT: usize = 24;
/// The spinner of a run under way.
const SPINNER: [&str; 8] = ["⣷", "⣯", "⣟", "⡿", "⢿", "⣻", "⣽", "⣾"];

/// Rows that the board takes of `room`.
pub(super) fn height(ui: &Ui, width: u16, room: u16) -> u16 {
    let frame = frame_rows(width);
    let wanted = if width >= WIDE { frame + 1 + column_rows(ui) } else { frame + tracks(ui) * TRACK };
    let most = (room * 2 / 5).max(frame + 1);
    wanted.clamp(frame + 1, if width >= WIDE { (room / 2).max(most) } else { most })
}

fn tracks(ui: &Ui) -> u16 {
    u16::try_from(ui.view.features.len()).unwrap_or(u16::MAX).clamp(1, 50)
}

/// Rows of the highest column.
fn column_rows(ui: &Ui) -> u16 {
    let rows = |n| ui.view.features.iter().filter(|f| column_of(f) == n).map(card_rows).sum();
    let rows: usize = (0..=Gate::ALL.len()).map(rows).max().unwrap_or(0).clamp(usize::from(CARD) + 1, 200);
    u16::try_from(rows).unwrap_or(u16::MAX)
}

/// Rows of a card and the blank one behind it; what has ended needs fewer words.
fn card_rows(f: &FeatureView) -> usize {
    usize::from(if has_ended(f) { ENDED } else { CARD }) + 1
}

fn has_ended(f: &FeatureView) -> bool {
    words::is_done(f) || f.status == "cancelled"
}

/// The column of a feature: the gate it stands before; behind the gates when it ended.
fn column_of(f: &FeatureView) -> usize {
    if has_ended(f) {
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
    let ink = if here.is_empty() { Ink::Dim } else { Ink::Bold };
    let count = if here.is_empty() { String::new() } else { format!("{} ", here.len()) };
    let head = Row::new(ui, area.width).add(ink, &format!(" {name}")).end(Ink::Dim, &count);
    let mut lines = vec![head.line()];
    let mut hidden = here.len();
    for feature in here {
        // The last row is kept for telling what is hidden, unless nothing is.
        let room = usize::from(area.height) - lines.len();
        if hidden < here.len() && card_rows(feature) > room + usize::from(hidden == 1) {
            break;
        }
        lines.extend(card(ui, feature, area.width));
        lines.push(Line::default());
        hidden -= 1;
    }
    if hidden > 0 {
        lines.truncate(usize::from(area.height).saturating_sub(1));
        lines.push(Row::new(ui, area.width).add(Ink::Dim, &format!(" + {hidden} more")).line());
    }
    lines
}

/// A card: a bar in the colour of the risk at its left, and at most [`CARD`] lines.
fn card(ui: &Ui, f: &FeatureView, width: u16) -> Vec<Line<'static>> {
    let edge = || Row::new(ui, width).add(ink::risk(f.risk), "▌");
    let mut lines = vec![edge().add(Ink::Bold, f.id.as_str()).line()];
    if !has_ended(f) {
        let title = wrap(&f.title, usize::from(width.saturating_sub(1)), 2);
        lines.extend(title.iter().map(|text| edge().add(Ink::Plain, text).line()));
        lines.push(edge().add(ink::risk(f.risk), &facts(f, usize::from(width.saturating_sub(1)))).line());
    }
    let (ink, text) = happening(ui, f, usize::from(width.saturating_sub(2)));
    lines.push(edge().add(ink, &text).line());
    lines
}

/// Risk and route, or the more telling of the two where there is no room for both.
fn facts(f: &FeatureView, columns: usize) -> String {
    let route = words::route(f);
    let both = format!("{} · {route}", f.risk);
    match text::width(&both) <= columns {
        true if !route.is_empty() => both,
        false if !route.is_empty() && f.risk < Risk::High => route.to_owned(),
        _ => f.risk.to_string(),
    }
}

/// What happens with a feature now, in so many columns.
fn happening(ui: &Ui, f: &FeatureView, columns: usize) -> (Ink, String) {
    if let Some(progress) = &f.progress {
        let spinner = SPINNER[ui.step()];
        return (Ink::Cyan, running(progress, spinner, columns));
    }
    if let (Some(commit), Some(end)) = (&f.merged, f.ended_ms) {
        let took = words::duration(end.saturating_sub(f.requested_ms));
        let short = if columns >= WITH_COMMIT { commit.short() } else { "" };
        return (Ink::Green, format!("✓ {took} {short}"));
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

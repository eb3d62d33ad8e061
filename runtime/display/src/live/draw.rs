//! The whole picture: which parts are shown where, for every size of the terminal.

use super::ui::{Mode, Ui};
use super::{board, flow, footer, header, overlay, questions, roles, vitals};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// The smallest terminal in which there is something to see.
const SMALLEST: (u16, u16) = (40, 10);
/// From this width on, features stand in columns by gate and boxes have borders.
pub(super) const WIDE: u16 = 100;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, ui: &Ui) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        frame.render_widget("the terminal is too small", area);
        return;
    }
    draw_parts(frame, area, ui);
    match &ui.mode {
        Mode::Watch => {}
        Mode::Help => overlay::help(frame, area, ui),
        Mode::Quit => overlay::quit(frame, area, ui),
        Mode::Answer(form) => overlay::answer(frame, area, ui, form),
    }
}

fn draw_parts(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let head = header::height(ui);
    let [top, body, bottom] =
        Layout::vertical([Constraint::Length(head), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    header::draw(frame, top, ui);
    footer::draw(frame, bottom, ui);
    let asked = questions::height(ui, body);
    let left = body.height - asked;
    let [top, features, rest] = Layout::vertical([
        Constraint::Length(asked),
        Constraint::Length(board::height(ui, body.width, left)),
        Constraint::Fill(1),
    ])
    .areas(body);
    if asked > 0 {
        questions::draw(frame, top, ui);
    }
    board::draw(frame, features, ui);
    draw_team(frame, rest, ui);
}

/// The roles and the message flow: side by side where there is room, else one above the other.
fn draw_team(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    if area.width >= WIDE {
        let width = roles::wide(area.width);
        let [left, right] = Layout::horizontal([Constraint::Length(width), Constraint::Fill(1)]).areas(area);
        let high = roles::wide_height(ui).min(left.height);
        // What the team leaves free tells how the runtime itself is.
        let high = if left.height - high >= vitals::SMALLEST { high } else { left.height };
        let [team, below] = Layout::vertical([Constraint::Length(high), Constraint::Fill(1)]).areas(left);
        roles::draw(frame, team, ui);
        flow::draw(frame, right, ui);
        if below.height > 0 {
            vitals::draw(frame, below, ui);
        }
        return;
    }
    let height = roles::height(ui, area.width).min(area.height.saturating_sub(3));
    let [top, bottom] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    roles::draw(frame, top, ui);
    flow::draw(frame, bottom, ui);
}

//! A terminal's screen on the wire: what differs from an empty one, row by row.

use foureyes_display::attach::ScreenUpdate;
use foureyes_ports::{
    screen::{Cell, Color, Cursor, MARKS, ScreenSnapshot, Style},
    view::RoleState,
};
use foureyes_protocol::{Family, PrincipalId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most rows and columns that are taken.
const MAX_SIDE: usize = 1000;

/// One [`ScreenUpdate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireUpdate {
    role: PrincipalId,
    family: Family,
    state: RoleState,
    work: String,
    restarts: u32,
    #[serde(default)]
    taken: bool,
    screen: WireScreen,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WireScreen {
    version: u64,
    cols: u16,
    rows: Vec<Vec<Run>>,
    cursor: (u16, u16, bool),
    title: String,
}

/// Cells of one style: characters, marks by their place in the run, widths that are not 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Run {
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<(u16, [char; MARKS])>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    widths: Vec<(u16, u8)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    style: Option<WireStyle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct WireStyle {
    fg: WireColor,
    bg: WireColor,
    /// Bold, dim, italic, underline, inverse, strike; the first is the lowest bit.
    flags: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireColor {
    Default,
    Indexed(u8),
    Rgb(u8, u8, u8),
}

impl From<&ScreenUpdate> for WireUpdate {
    fn from(update: &ScreenUpdate) -> Self {
        let screen = &update.screen;
        Self {
            role: update.role.clone(),
            family: update.family,
            state: update.state,
            work: update.work.clone(),
            restarts: update.restarts,
            taken: update.taken,
            screen: WireScreen {
                version: screen.version,
                cols: screen.cols,
                rows: screen.rows.iter().map(|row| runs(row)).collect(),
                cursor: (screen.cursor.row, screen.cursor.col, screen.cursor.visible),
                title: screen.title.clone(),
            },
        }
    }
}

impl From<WireUpdate> for ScreenUpdate {
    fn from(wire: WireUpdate) -> Self {
        let WireScreen { version, cols, rows, cursor: (row, col, visible), title } = wire.screen;
        let rows = rows.into_iter().take(MAX_SIDE).map(|runs| cells(&runs, usize::from(cols))).collect();
        let cursor = Cursor { row, col, visible };
        let screen = ScreenSnapshot { version, cols, rows, cursor, title, ..ScreenSnapshot::default() };
        Self {
            role: wire.role,
            family: wire.family,
            state: wire.state,
            work: wire.work,
            restarts: wire.restarts,
            taken: wire.taken,
            screen: Arc::new(screen),
        }
    }
}

/// The used part of a row.
fn runs(row: &[Cell]) -> Vec<Run> {
    let used = row.iter().rposition(|c| *c != Cell::default()).map_or(0, |last| last + 1);
    row[..used].chunk_by(|a, b| a.style == b.style).map(run).collect()
}

fn run(cells: &[Cell]) -> Run {
    let mut run = Run { style: cells.first().and_then(|c| style(&c.style)), ..Run::default() };
    for (n, cell) in (0_u16..).zip(cells) {
        run.text.push(cell.ch);
        if cell.marks != ['\0'; MARKS] {
            run.marks.push((n, cell.marks));
        }
        if cell.width != 1 {
            run.widths.push((n, cell.width));
        }
    }
    run
}

/// A row of exactly `cols` cells.
fn cells(runs: &[Run], cols: usize) -> Vec<Cell> {
    let cols = cols.min(MAX_SIDE);
    let mut row: Vec<Cell> = runs.iter().flat_map(run_cells).take(cols).collect();
    row.resize(cols, Cell::default());
    row
}

fn run_cells(run: &Run) -> Vec<Cell> {
    let style = run.style.map(plain_style).unwrap_or_default();
    let mut cells: Vec<Cell> = run.text.chars().map(|ch| Cell { ch, style, ..Cell::default() }).collect();
    for (n, marks) in &run.marks {
        if let Some(cell) = cells.get_mut(usize::from(*n)) {
            cell.marks = *marks;
        }
    }
    for (n, width) in &run.widths {
        if let Some(cell) = cells.get_mut(usize::from(*n)) {
            cell.width = (*width).min(2);
        }
    }
    cells
}

fn style(style: &Style) -> Option<WireStyle> {
    let flags = [style.bold, style.dim, style.italic, style.underline, style.inverse, style.strike];
    let flags = (0_u8..).zip(flags).map(|(bit, on)| u8::from(on) << bit).sum();
    let wire = WireStyle { fg: color(style.fg), bg: color(style.bg), flags };
    (*style != Style::default()).then_some(wire)
}

fn plain_style(wire: WireStyle) -> Style {
    let on = |bit: u8| wire.flags >> bit & 1 == 1;
    Style {
        fg: plain_color(wire.fg),
        bg: plain_color(wire.bg),
        bold: on(0),
        dim: on(1),
        italic: on(2),
        underline: on(3),
        inverse: on(4),
        strike: on(5),
    }
}

fn color(color: Color) -> WireColor {
    match color {
        Color::Default => WireColor::Default,
        Color::Indexed(n) => WireColor::Indexed(n),
        Color::Rgb(r, g, b) => WireColor::Rgb(r, g, b),
    }
}

fn plain_color(color: WireColor) -> Color {
    match color {
        WireColor::Default => Color::Default,
        WireColor::Indexed(n) => Color::Indexed(n),
        WireColor::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_comes_back_as_it_was() {
        let mut screen = ScreenSnapshot::of_text("$ cargo test\nok", 4, 20);
        let loud = Style {
            bold: true,
            strike: true,
            fg: Color::Indexed(2),
            bg: Color::Rgb(1, 2, 3),
            ..Style::default()
        };
        screen.rows[0][2].style = loud;
        screen.rows[1][3] = Cell { ch: '漢', width: 2, ..Cell::default() };
        screen.rows[1][4] = Cell { ch: ' ', width: 0, ..Cell::default() };
        screen.rows[2][0] = Cell { ch: 'e', marks: ['\u{301}', '\0'], ..Cell::default() };
        screen.cursor = Cursor { row: 1, col: 5, visible: true };
        let update = ScreenUpdate {
            role: PrincipalId::new("dev-a").unwrap(),
            family: Family::Dev,
            state: RoleState::Busy,
            work: "x".to_owned(),
            restarts: 1,
            taken: true,
            screen: Arc::new(screen),
        };
        let line = serde_json::to_string(&WireUpdate::from(&update)).unwrap();
        let back = ScreenUpdate::from(serde_json::from_str::<WireUpdate>(&line).unwrap());
        assert_eq!(back.screen, update.screen);
        assert_eq!((back.role, back.restarts), (update.role, 1));
    }
}

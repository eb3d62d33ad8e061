//! From the model's cells to those of a snapshot.

use alacritty_terminal::{
    term::cell::{Cell as TermCell, Flags},
    vte::ansi::{Color as TermColor, NamedColor},
};
use foureyes_ports::{
    screen::{Cell, Color, MARKS, Style},
    text::is_safe,
};

pub(super) fn cell(source: &TermCell) -> Cell {
    let spacer = source.flags.contains(Flags::WIDE_CHAR_SPACER);
    Cell {
        ch: if spacer || !is_safe(source.c) { ' ' } else { source.c },
        marks: marks(source),
        width: match () {
            () if spacer => 0,
            () if source.flags.contains(Flags::WIDE_CHAR) => 2,
            () => 1,
        },
        style: style(source),
    }
}

fn marks(source: &TermCell) -> [char; MARKS] {
    let mut marks = ['\0'; MARKS];
    for (slot, mark) in marks.iter_mut().zip(source.zerowidth().into_iter().flatten()) {
        *slot = *mark;
    }
    marks
}

fn style(source: &TermCell) -> Style {
    let has = |flag| source.flags.intersects(flag);
    let (fg, faint) = color(source.fg);
    Style {
        fg,
        bg: color(source.bg).0,
        bold: has(Flags::BOLD),
        dim: has(Flags::DIM) || faint,
        italic: has(Flags::ITALIC),
        underline: has(Flags::ALL_UNDERLINES),
        inverse: has(Flags::INVERSE),
        strike: has(Flags::STRIKEOUT),
    }
}

/// The colour, and whether it is a faint variant of a named one.
fn color(source: TermColor) -> (Color, bool) {
    match source {
        TermColor::Spec(rgb) => (Color::Rgb(rgb.r, rgb.g, rgb.b), false),
        TermColor::Indexed(index) => (Color::Indexed(index), false),
        TermColor::Named(name) => named(name),
    }
}

fn named(name: NamedColor) -> (Color, bool) {
    let number = name as usize;
    let (black, dim_black) = (NamedColor::Black as usize, NamedColor::DimBlack as usize);
    match u8::try_from(number) {
        Ok(index) if index < 16 => (Color::Indexed(index), false),
        _ if (dim_black..dim_black + 8).contains(&number) => {
            (Color::Indexed((number - dim_black + black) as u8), true)
        }
        _ => (Color::Default, name == NamedColor::DimForeground),
    }
}

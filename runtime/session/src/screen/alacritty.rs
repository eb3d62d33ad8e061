//! The screen model on top of `alacritty_terminal`: the one pure-Rust model that answers queries
//! and tells whether bracketed paste is on.

use super::{ScreenModel, convert, filter::Filter};
use alacritty_terminal::{
    event::{Event, EventListener},
    grid::Dimensions,
    index::{Column, Line},
    term::{Config, Osc52, Term, TermMode, cell::Flags},
    vte::ansi::{Processor, Rgb, Timeout},
};
use foureyes_ports::{
    backend::Size,
    screen::{Cursor, ScreenSnapshot},
    text::clean_text,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Bytes of answers that may wait for a program that does not read them.
const MAX_ANSWERS: usize = 4096;
/// Cells of history; very wide screens keep fewer lines, so that memory does not grow with width.
const MAX_HISTORY_CELLS: usize = 320_000;
const MAX_TITLE: usize = 80;

/// A screen of `alacritty_terminal`.
pub struct AlacrittyScreen {
    term: Term<Listener>,
    parser: Processor<NoSync>,
    filter: Filter,
    passed: Vec<u8>,
    listener: Listener,
    scrollback: usize,
    version: u64,
    latest: Option<Arc<ScreenSnapshot>>,
}

impl AlacrittyScreen {
    /// An empty screen that keeps at most `scrollback` lines of history.
    pub fn new(size: Size, scrollback: usize) -> Self {
        Self::starting_at(size, scrollback, 0)
    }

    /// As [`AlacrittyScreen::new`], with a version to go on from, for a model that replaces one.
    pub(crate) fn starting_at(size: Size, scrollback: usize, version: u64) -> Self {
        let listener = Listener::new(size);
        let config = config(scrollback, size);
        Self {
            term: Term::new(config, &Dims(size), listener.clone()),
            parser: Processor::new(),
            filter: Filter::default(),
            passed: Vec::new(),
            listener,
            scrollback,
            version,
            latest: None,
        }
    }

    /// How many combining marks the model keeps for a cell.
    #[cfg(test)]
    pub(super) fn stored_marks(&self, line: Line, column: Column) -> usize {
        self.term.grid()[line][column].zerowidth().map_or(0, <[char]>::len)
    }

    fn changed(&mut self) {
        self.version += 1;
        self.latest = None;
    }

    fn draw(&self) -> ScreenSnapshot {
        let grid = self.term.grid();
        let point = grid.cursor.point;
        let mode = self.term.mode();
        let row = |line| {
            let cells = &grid[Line(line)];
            (0..grid.columns()).map(|col| convert::cell(&cells[Column(col)])).collect()
        };
        ScreenSnapshot {
            version: self.version,
            cols: grid.columns() as u16,
            rows: (0..grid.screen_lines() as i32).map(row).collect(),
            cursor: Cursor {
                row: point.line.0 as u16,
                col: point.column.0 as u16,
                visible: mode.contains(TermMode::SHOW_CURSOR),
            },
            title: self.listener.lock().title.clone(),
            bracketed_paste: mode.contains(TermMode::BRACKETED_PASTE),
            alternate: mode.contains(TermMode::ALT_SCREEN),
        }
    }
}

impl ScreenModel for AlacrittyScreen {
    fn feed(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.passed.clear();
        self.filter.pass(bytes, &mut self.passed);
        self.parser.advance(&mut self.term, &self.passed);
        self.changed();
    }

    fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.listener.lock().answers)
    }

    fn resize(&mut self, size: Size) {
        self.listener.lock().size = size;
        self.term.set_options(config(self.scrollback, size));
        self.term.resize(Dims(size));
        self.changed();
    }

    fn bracketed_paste(&self) -> bool {
        self.term.mode().contains(TermMode::BRACKETED_PASTE)
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn snapshot(&mut self) -> Arc<ScreenSnapshot> {
        if let Some(latest) = &self.latest {
            return Arc::clone(latest);
        }
        let snapshot = Arc::new(self.draw());
        self.latest = Some(Arc::clone(&snapshot));
        snapshot
    }

    fn transcript(&self, lines: usize) -> String {
        let grid = self.term.grid();
        let bottom = grid.screen_lines() as i32;
        let mut kept: Vec<String> = Vec::new();
        for line in (-(grid.history_size() as i32)..bottom).rev() {
            let text = line_text(&self.term, line);
            if kept.len() == lines {
                break;
            }
            if !(kept.is_empty() && text.is_empty()) {
                kept.push(text);
            }
        }
        kept.reverse();
        kept.join("\n")
    }
}

fn line_text(term: &Term<Listener>, line: i32) -> String {
    let cells = &term.grid()[Line(line)];
    let mut text = String::new();
    for col in 0..term.grid().columns() {
        let cell = &cells[Column(col)];
        if !cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
            text.push(convert::cell(cell).ch);
            text.extend(cell.zerowidth().into_iter().flatten());
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn config(scrollback: usize, size: Size) -> Config {
    let fitting = MAX_HISTORY_CELLS / usize::from(size.cols());
    Config { scrolling_history: scrollback.min(fitting), osc52: Osc52::Disabled, ..Config::default() }
}

struct Dims(Size);

impl Dimensions for Dims {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }
    fn screen_lines(&self) -> usize {
        usize::from(self.0.rows())
    }
    fn columns(&self) -> usize {
        usize::from(self.0.cols())
    }
}

/// Synchronised updates are never held back: a program that begins one and hangs would freeze its
/// screen, and a viewer that draws half a frame draws the rest a moment later.
#[derive(Default)]
struct NoSync;

impl Timeout for NoSync {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}

/// Takes what the model has to say to the outside.
#[derive(Clone)]
struct Listener(Arc<Mutex<Said>>);

struct Said {
    answers: Vec<u8>,
    title: String,
    size: Size,
}

impl Listener {
    fn new(size: Size) -> Self {
        Self(Arc::new(Mutex::new(Said { answers: Vec::new(), title: String::new(), size })))
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, text: &str) {
        let mut said = self.lock();
        if said.answers.len() + text.len() <= MAX_ANSWERS {
            said.answers.extend_from_slice(text.as_bytes());
        }
    }
}

impl EventListener for Listener {
    fn send_event(&self, event: Event) {
        match event {
            Event::PtyWrite(text) => self.answer(&text),
            Event::ColorRequest(index, format) => self.answer(&format(color_of(index))),
            Event::TextAreaSizeRequest(format) => {
                let size = self.lock().size;
                self.answer(&format(window(size)));
            }
            Event::Title(title) => self.lock().title = clean_text(&title, MAX_TITLE),
            Event::ResetTitle => self.lock().title.clear(),
            _ => {}
        }
    }
}

/// A dark terminal: programs choose readable colours by it.
fn color_of(index: usize) -> Rgb {
    const BACKGROUND: usize = 257;
    if index == BACKGROUND { Rgb { r: 0, g: 0, b: 0 } } else { Rgb { r: 216, g: 216, b: 216 } }
}

fn window(size: Size) -> alacritty_terminal::event::WindowSize {
    alacritty_terminal::event::WindowSize {
        num_lines: size.rows(),
        num_cols: size.cols(),
        cell_width: 8,
        cell_height: 16,
    }
}

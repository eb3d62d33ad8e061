//! What the view remembers between two drawings, and what keys do to it.

use super::answer::{Form, Reply};
use crate::ink::Ink;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use foureyes_ports::view::View;
use ratatui::style::Style;
use std::sync::Arc;

/// What lies over the view.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mode {
    Watch,
    Help,
    /// Asks what `q` means.
    Quit,
    Answer(Form),
}

/// What a key asks the world for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    Answer { number: u64, text: String },
    Decide { number: u64, approve: bool, digest: String, code: String },
    Leave,
    Stop,
}

/// What the view remembers between two drawings.
pub(super) struct Ui {
    pub(super) view: Arc<View>,
    pub(super) mode: Mode,
    /// Lines that the message flow is scrolled back.
    pub(super) scroll: usize,
    pub(super) caption: String,
    pub(super) notice: String,
    pub(super) finished: bool,
    /// Milliseconds since the picture was made.
    pub(super) elapsed: u64,
    colour: bool,
}

/// Lines of a page key.
const PAGE: usize = 10;
/// Milliseconds of one step of the spinner.
const STEP: u64 = 200;

impl Ui {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            view: Arc::new(View::default()),
            mode: Mode::Watch,
            scroll: 0,
            caption: String::new(),
            notice: String::new(),
            finished: false,
            elapsed: 0,
            colour,
        }
    }

    pub(super) fn style(&self, ink: Ink) -> Style {
        ink.style(self.colour)
    }

    /// Takes over a new picture; a form whose question is settled closes.
    pub(super) fn show(&mut self, view: Arc<View>) {
        if self.scroll > 0 {
            // What the user reads stays where it is while new lines arrive below.
            let last = self.view.messages.last().map_or(0, |m| m.record);
            let fresh = view.messages.iter().filter(|m| m.record > last).count();
            self.scroll = (self.scroll + fresh).min(view.messages.len().saturating_sub(1));
        }
        self.view = view;
        if let Mode::Answer(form) = &self.mode
            && !self.view.questions.iter().any(|q| q.number == form.number)
        {
            self.notice = format!("question {} is settled", form.number);
            self.mode = Mode::Watch;
        }
    }

    /// Sets the time since the picture was made; whether that is to be seen.
    pub(super) fn set_elapsed(&mut self, ms: u64) -> bool {
        let step = if self.is_moving() { STEP } else { 1000 };
        let seen = |ms: u64| (self.view.at_ms + ms) / step;
        let changed = seen(self.elapsed) != seen(ms);
        self.elapsed = ms;
        changed
    }

    /// Whether a gate run is under way, whose spinner turns.
    fn is_moving(&self) -> bool {
        self.view.features.iter().any(|f| f.progress.is_some())
    }

    /// The step of the spinner.
    pub(super) fn step(&self) -> usize {
        usize::try_from((self.view.at_ms + self.elapsed) / STEP % 8).unwrap_or(0)
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if self.finished {
            return Some(Effect::Leave);
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return self.interrupt();
        }
        match &mut self.mode {
            Mode::Watch => self.watch_key(key.code),
            Mode::Help => self.back(),
            Mode::Quit => self.quit_key(key.code),
            Mode::Answer(form) => {
                let reply = form.key(key.code, &self.view.questions);
                self.reply(reply)
            }
        }
    }

    /// Text that was pasted goes into an open form and nowhere else: no key may be hidden in it.
    pub(super) fn paste(&mut self, text: &str) {
        if let Mode::Answer(form) = &mut self.mode {
            form.paste(text);
        }
    }

    /// Ctrl-C asks first; the second one stops.
    fn interrupt(&mut self) -> Option<Effect> {
        if self.mode == Mode::Quit {
            return Some(Effect::Stop);
        }
        self.mode = Mode::Quit;
        None
    }

    fn back(&mut self) -> Option<Effect> {
        self.mode = Mode::Watch;
        None
    }

    fn watch_key(&mut self, code: KeyCode) -> Option<Effect> {
        let last = self.view.messages.len().saturating_sub(1);
        match code {
            KeyCode::Char('q') | KeyCode::Esc => self.mode = Mode::Quit,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('a') | KeyCode::Enter => self.open_form(),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = (self.scroll + 1).min(last),
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageUp => self.scroll = (self.scroll + PAGE).min(last),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::Home => self.scroll = last,
            KeyCode::End => self.scroll = 0,
            _ => {}
        }
        None
    }

    fn open_form(&mut self) {
        match self.view.questions.first() {
            Some(question) => self.mode = Mode::Answer(Form::new(question)),
            None => self.notice = "nothing waits for you".to_owned(),
        }
    }

    fn quit_key(&mut self, code: KeyCode) -> Option<Effect> {
        match code {
            KeyCode::Char('s' | 'y') => Some(Effect::Stop),
            KeyCode::Char('l' | 'q') => Some(Effect::Leave),
            _ => self.back(),
        }
    }

    fn reply(&mut self, reply: Reply) -> Option<Effect> {
        match reply {
            Reply::Stay => None,
            Reply::Close => self.back(),
            Reply::Send(effect) => {
                self.notice = "sent".to_owned();
                self.mode = Mode::Watch;
                Some(effect)
            }
        }
    }
}

//! The user's terminal: what it shows, and questions that only a person at it can answer.

use crate::{error::CliError, exit::Exit};
use crossterm::{
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    terminal,
};
use foureyes_display::{Page, colour_wanted};
use std::{
    env,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};
use zeroize::Zeroizing;

/// Whoever answers questions.
pub trait Prompt {
    /// Whether a person is there: input and error output are a terminal.
    fn is_terminal(&self) -> bool;

    /// Shows text.
    fn show(&mut self, text: &str);

    /// Asks for a line; blanks at its ends are taken off.
    ///
    /// # Errors
    /// [`Exit::NoTerminal`] where no person is there, or input ends.
    fn ask(&mut self, question: &str) -> Result<String, CliError>;

    /// As [`Prompt::ask`], without showing what is typed.
    ///
    /// # Errors
    /// As [`Prompt::ask`].
    fn ask_hidden(&mut self, question: &str) -> Result<Zeroizing<String>, CliError>;
}

/// The terminal of this process. Questions go to standard error, so that standard output stays
/// what the command prints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

impl Prompt for Terminal {
    fn is_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn show(&mut self, text: &str) {
        eprintln!("{text}");
    }

    fn ask(&mut self, question: &str) -> Result<String, CliError> {
        self.begin(question)?;
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) => Err(left(question)),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(e) => Err(left(question).because(&e)),
        }
    }

    fn ask_hidden(&mut self, question: &str) -> Result<Zeroizing<String>, CliError> {
        self.begin(question)?;
        let raw = Raw::enter().map_err(|e| left(question).because(&e))?;
        let typed = read_hidden();
        drop(raw);
        eprintln!();
        typed.map_err(|e| left(question).because(&e))?.ok_or_else(|| left(question))
    }
}

impl Terminal {
    fn begin(self, question: &str) -> Result<(), CliError> {
        if !self.is_terminal() {
            return Err(CliError::new(Exit::NoTerminal, format!("cannot ask: {question}"))
                .why("input or error output is no terminal")
                .hint("run the command in a terminal; no flag stands in for a person"));
        }
        eprint!("{question} ");
        io::stderr().flush().map_err(|e| left(question).because(&e))
    }
}

fn left(question: &str) -> CliError {
    CliError::new(Exit::No, format!("not answered: {question}"))
}

/// The terminal without echo, for as long as this lives.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode().map(|()| Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = terminal::disable_raw_mode();
    }
}

/// A line read key by key; `None` when the user left.
fn read_hidden() -> io::Result<Option<Zeroizing<String>>> {
    let mut typed = Zeroizing::new(String::with_capacity(64));
    loop {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event::read()? else { continue };
        if kind == KeyEventKind::Release {
            continue;
        }
        match code {
            KeyCode::Enter => return Ok(Some(typed)),
            KeyCode::Esc => return Ok(None),
            KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => return Ok(None),
            KeyCode::Char(c) => typed.push(c),
            KeyCode::Backspace => drop(typed.pop()),
            _ => {}
        }
    }
}

/// How standard output is written: its width, and whether in colours.
pub fn page() -> Page {
    Page { width: width(), colour: colours(io::stdout().is_terminal()) }
}

/// Columns of the terminal; 100 where there is none.
pub fn width() -> usize {
    terminal::size().map_or(100, |(columns, _)| usize::from(columns))
}

/// Whether colours are wanted on an output that is, or is no, terminal.
pub fn colours(is_terminal: bool) -> bool {
    let (no_color, term) = (env::var("NO_COLOR").ok(), env::var("TERM").ok());
    colour_wanted(is_terminal, no_color.as_deref(), term.as_deref())
}

/// Answers from a list, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Scripted {
    /// Whether a person is there.
    pub present: bool,
    /// The answers, first to last.
    pub answers: std::collections::VecDeque<String>,
    /// What was shown and asked.
    pub shown: String,
}

#[cfg(test)]
impl Scripted {
    /// A person who will type these lines.
    pub fn typing<const N: usize>(answers: [&str; N]) -> Self {
        Self { present: true, answers: answers.map(str::to_owned).into(), shown: String::new() }
    }
}

#[cfg(test)]
impl Prompt for Scripted {
    fn is_terminal(&self) -> bool {
        self.present
    }

    fn show(&mut self, text: &str) {
        self.shown.push_str(text);
        self.shown.push('\n');
    }

    fn ask(&mut self, question: &str) -> Result<String, CliError> {
        self.show(question);
        self.answers.pop_front().ok_or_else(|| left(question))
    }

    fn ask_hidden(&mut self, question: &str) -> Result<Zeroizing<String>, CliError> {
        self.ask(question).map(Zeroizing::new)
    }
}

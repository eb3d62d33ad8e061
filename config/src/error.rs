//! What is wrong with a configuration: everything at once, each with its place and a hint.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::{error::Error, fmt, ops::Range};

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mistake {
    /// The text is not YAML, or uses YAML that a configuration does not need.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key that occurs twice.
    DuplicateKey,
    /// A key that must be there.
    MissingKey,
    /// A value of another type or form.
    WrongType,
    /// A value that is out of range.
    OutOfRange,
    /// A name of something that does not exist, or a combination that cannot work.
    Reference,
}

impl Mistake {
    /// The stable code, for scripts and documentation.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "config::syntax",
            Self::UnknownKey => "config::unknown_key",
            Self::DuplicateKey => "config::duplicate_key",
            Self::MissingKey => "config::missing_key",
            Self::WrongType => "config::wrong_type",
            Self::OutOfRange => "config::out_of_range",
            Self::Reference => "config::reference",
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What kind of mistake it is.
    pub mistake: Mistake,
    /// Bytes of the text that are wrong.
    pub span: Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.mistake.code()))
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some("here".to_owned()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Everything that is wrong with one file, in the order of the file. Never empty.
///
/// Displayed it is plain text, one mistake a line as `file:line:column: message`, each with its
/// hint below it; [`ConfigErrors::render`] shows the lines of the file as well.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    source: NamedSource<String>,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// `errors` about `text`, sorted by place.
    pub(crate) fn new(source_name: &str, text: &str, mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by_key(|e| (e.span.start, e.mistake));
        for error in &mut errors {
            error.message = printable(&error.message);
            error.hint = error.hint.as_deref().map(printable);
        }
        Self { source: NamedSource::new(printable(source_name), printable(text)), errors }
    }

    /// The mistakes.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// The mistakes with the lines of the file that they are in. `width` is that of the terminal,
    /// in columns.
    pub fn render(&self, colours: bool, width: usize) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
        let mut out = String::new();
        match handler.render_report(&mut out, &Report(self)) {
            Ok(()) => out,
            Err(fmt::Error) => self.to_string(),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            let (file, line, column) = (self.source.name(), error.line, error.column);
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{file}:{line}:{column}: {error}")?;
            if let Some(hint) = &error.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

/// A rendered report: a heading, and the mistakes as related diagnostics.
#[derive(Debug)]
struct Report<'e>(&'e ConfigErrors);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.errors.len() {
            1 => write!(f, "{} has a mistake", self.0.source.name()),
            n => write!(f, "{} has {n} mistakes", self.0.source.name()),
        }
    }
}

impl Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.errors.iter().map(|e| e as &dyn Diagnostic)))
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source)
    }
}

/// Whether a character may be shown on a terminal as it is: no control character but newline and
/// tab, and nothing that turns the direction of the text.
pub(crate) fn is_harmless(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    matches!(c, '\n' | '\t') || !(c.is_control() || turns)
}

/// The text with harmless characters only and every place kept: what is not harmless becomes as
/// many question marks as it has bytes.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_harmless(c) {
            true => out.push(c),
            false => out.extend(std::iter::repeat_n('?', c.len_utf8())),
        }
    }
    out
}

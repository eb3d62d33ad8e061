//! What a person reads when a command fails: what, where, why, and the command that mends it.

use crate::exit::Exit;
use foureyes_config::ConfigErrors;
use foureyes_ports::text::{clean_lines, clean_text};
use std::{error::Error, fmt, io, path::Path};

/// Characters of one line that are shown.
const LONGEST: usize = 1000;

/// A command that failed.
///
/// Displayed it is `error: what (where)`, a line for each cause, and a line with a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// What failed, a lower-case fragment.
    pub what: String,
    /// The file, address or name concerned.
    pub place: Option<Box<str>>,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What mends it, a command where there is one.
    pub hint: Option<Box<str>>,
    /// Text that is shown instead of all that: a report that is rendered already.
    report: Option<Box<str>>,
}

impl CliError {
    /// An error with its exit code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), place: None, causes: Vec::new(), hint: None, report: None }
    }

    /// The same, with where it happened.
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self { place: Some(place.to_string().into()), ..self }
    }

    /// The same, with its cause and the causes of that.
    pub fn because(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self.causes.dedup();
        self
    }

    /// The same, with a cause in words.
    pub fn why(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same, with what mends it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into().into()), ..self }
    }

    /// A file that could not be used.
    pub fn file(what: &str, path: &Path, cause: &io::Error) -> Self {
        let error = Self::new(Exit::Internal, what).at(path.display()).because(cause);
        match cause.kind() {
            io::ErrorKind::PermissionDenied => error.hint("look at the owner and mode with `ls -ld`"),
            io::ErrorKind::StorageFull => error.hint("free some space: `df -h`"),
            _ => error,
        }
    }

    /// A configuration with mistakes; `colours` and `width` are those of the terminal.
    pub fn config(errors: &ConfigErrors, colours: bool, width: usize) -> Self {
        let mut error = Self::new(Exit::Config, "the configuration has mistakes");
        error.causes = errors.to_string().lines().map(str::to_owned).collect();
        error.report = Some(errors.render(colours, width).trim_end().into());
        error
    }

    /// The error on one line as JSON, for `--json`.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "error": self.what, "where": self.place, "causes": self.causes, "hint": self.hint,
            "exit": self.exit.code(),
        })
        .to_string()
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(report) = &self.report {
            return f.write_str(report);
        }
        write!(f, "error: {}", clean_text(&self.what, LONGEST))?;
        if let Some(place) = &self.place {
            write!(f, " ({})", clean_text(place, LONGEST))?;
        }
        for cause in &self.causes {
            write!(f, "\n  because: {}", clean_lines(cause, 40, LONGEST).replace('\n', "\n           "))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {}", clean_text(hint, LONGEST)),
            None => Ok(()),
        }
    }
}

impl Error for CliError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_why_and_what_mends_it() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = CliError::file("cannot write the state", Path::new("/var/lib/agents"), &denied);
        insta::assert_snapshot!(error, @r"
        error: cannot write the state (/var/lib/agents)
          because: permission denied
          hint: look at the owner and mode with `ls -ld`
        ");
        insta::assert_snapshot!(error.to_json(), @r#"{"causes":["permission denied"],"error":"cannot write the state","exit":70,"hint":"look at the owner and mode with `ls -ld`","where":"/var/lib/agents"}"#);
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        let error = CliError::new(Exit::No, "no role \x1b[2Jx").at("a\u{202e}b");
        assert!(!error.to_string().contains(['\x1b', '\u{202e}']));
    }

    #[test]
    fn mistakes_of_a_configuration_are_shown_with_their_lines() {
        let errors = foureyes_config::load("delivr: main\n", "x.yaml").unwrap_err();
        let error = CliError::config(&errors, false, 80);
        assert_eq!(error.exit, Exit::Config);
        assert!(error.to_string().contains("delivr"), "{error}");
    }
}

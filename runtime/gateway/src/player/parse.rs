//! Reading a play: strict, with the place of a mistake, and with the plays that it extends.

use super::play::{Play, Step};
use foureyes_config::builtin;
use std::fmt;

/// The deepest chain of plays that extend one another.
const MAX_EXTENDS: usize = 8;

/// What is wrong with a play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayError {
    /// The file, or the name of a built-in play.
    pub source: String,
    /// Line from 1, where it is known.
    pub line: Option<u64>,
    /// Column from 1, where it is known.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PlayError {}

impl Play {
    /// Reads a play and the plays that it extends.
    ///
    /// # Errors
    /// The first mistake, with its line and column: no YAML, an unknown key or step, a value of the
    /// wrong type, the name of something that does not exist.
    pub fn parse(text: &str, source: &str) -> Result<Self, PlayError> {
        let mut play = Self::parse_alone(text, source)?;
        for _ in 0..MAX_EXTENDS {
            let Some(base) = play.extends.take() else { return play.checked(source) };
            let wrong = |message| PlayError { source: source.to_owned(), line: None, column: None, message };
            let text = builtin::play(&base)
                .ok_or_else(|| wrong(format!("`extends` names no built-in play: {base:?}")))?;
            play = play.over(Self::parse_alone(text, &base)?);
        }
        let message = format!("`extends` goes on for more than {MAX_EXTENDS} plays");
        Err(PlayError { source: source.to_owned(), line: None, column: None, message })
    }

    fn parse_alone(text: &str, source: &str) -> Result<Self, PlayError> {
        serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location();
            PlayError {
                source: source.to_owned(),
                line: place.map(|p| p.line()),
                column: place.map(|p| p.column()),
                message: readable(&error.without_snippet().to_string()),
            }
        })
    }

    /// This play first, then what it extends.
    fn over(mut self, base: Self) -> Self {
        self.on.extend(base.on);
        let files = base.files.into_iter().filter(|(name, _)| !self.files.contains_key(name));
        let files: Vec<_> = files.collect();
        self.files.extend(files);
        let specs: Vec<_> = base.specs.into_iter().filter(|(id, _)| !self.specs.contains_key(id)).collect();
        self.specs.extend(specs);
        Self {
            role: self.role.or(base.role),
            pace: self.pace.or(base.pace),
            extends: base.extends,
            faults: if self.faults.is_empty() { base.faults } else { self.faults },
            obeys: self.obeys || base.obeys,
            loops: self.loops || base.loops,
            ..self
        }
    }

    /// What no type says: names of files and of marks.
    fn checked(self, source: &str) -> Result<Self, PlayError> {
        let mut wrong = self.on.iter().enumerate().filter_map(|(n, rule)| {
            let what = rule.steps.iter().find_map(|step| self.mistake(step))?;
            Some(format!("rule {}: {what}", n + 1))
        });
        match wrong.next() {
            None => Ok(self),
            Some(message) => Err(PlayError { source: source.to_owned(), line: None, column: None, message }),
        }
    }

    fn mistake(&self, step: &Step) -> Option<String> {
        let name_like =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match step {
            Step::Copy(files) => {
                let missing = files.values().find(|name| !self.files.contains_key(*name))?;
                Some(format!("`copy` names {missing:?}, which is not in `files`"))
            }
            Step::Once(once) if !name_like(&once.name) => Some(format!(
                "the name of `once`, {:?}, has other characters than letters, digits and '-'",
                once.name
            )),
            Step::Once(once) => once.steps.iter().find_map(|step| self.mistake(step)),
            Step::Expect(expect) => self.mistake(&expect.of),
            Step::Reject(reject) if reject.findings.is_empty() => {
                Some("`reject` needs at least one finding".to_owned())
            }
            Step::Git(args) | Step::Run(args) if args.is_empty() => {
                Some("a command without a program or arguments".to_owned())
            }
            _ => None,
        }
    }
}

/// The longest message, in characters: some lists of what was expected are very long.
const MAX_MESSAGE: usize = 280;

/// The message without the place that some of the library's messages repeat, at a readable length.
fn readable(message: &str) -> String {
    let cut = message.find(" at line ").unwrap_or(message.len());
    let message = message[..cut].trim_end();
    let message = message.strip_suffix(", expected one of").unwrap_or(message);
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message.to_owned(),
    }
}

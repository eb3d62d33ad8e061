//! What is wrong with prompts: everything at once, each with its place and what mends it.

use std::{error::Error, fmt};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptError {
    /// The file, as a person finds it: `.agents/prompts/dev.md`, or `built-in dev.md`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub hint: String,
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, hint } = self;
        write!(f, "{file}:{line}:{column}: {message}\n  hint: {hint}")
    }
}

impl Error for PromptError {}

/// Everything that is wrong with the prompt of a role, in the order of its parts. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptErrors(Vec<PromptError>);

impl PromptErrors {
    /// `Err` with these mistakes; `Ok` when there are none.
    pub(super) fn check(errors: Vec<PromptError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// The mistakes.
    pub fn errors(&self) -> &[PromptError] {
        &self.0
    }
}

impl From<PromptError> for PromptErrors {
    fn from(error: PromptError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for PromptErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl Error for PromptErrors {}

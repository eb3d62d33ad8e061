//! How a step ends that did not succeed.

use crate::client::{ToolError, UNREACHABLE};
use foureyes_protocol::Code;

/// Refusals that time mends: the envelope stays in the inbox.
const PASSING: [Code; 5] = [Code::Rate, Code::Frozen, Code::Quarantined, Code::LockHeld, Code::LockStale];

/// Why a step did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// A rule refused it.
    #[error("{text}")]
    Refused { code: String, text: String },
    /// Something else: no connection, a program that failed, a file that cannot be written.
    #[error("{0}")]
    Broken(String),
    /// Its outcome is not known yet; the player stops here and is played again.
    #[error("the outcome is not known yet")]
    Suspended,
}

impl Failure {
    /// What a program said, as the refusal of a rule where it names one.
    pub(crate) fn said(text: &str) -> Self {
        match refusal_in(text) {
            Some((code, text)) => Self::Refused { code: code.as_str().to_owned(), text },
            None => Self::Broken(text.trim().to_owned()),
        }
    }

    pub(super) fn io(what: &str, error: std::io::Error) -> Self {
        Self::Broken(format!("{what}: {error}"))
    }

    /// The code of the rule, where one refused.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Broken(_) | Self::Suspended => None,
        }
    }

    /// Whether doing the same again can end otherwise.
    pub(super) fn passes(&self) -> bool {
        self.code().is_none_or(|code| PASSING.iter().any(|c| c.as_str() == code))
    }
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        match error.code.as_str() {
            UNREACHABLE => Self::Broken(error.text),
            _ => Self::Refused { code: error.code, text: error.text },
        }
    }
}

/// The first reason code that a text names, with the text from there to the end of the line.
fn refusal_in(text: &str) -> Option<(Code, String)> {
    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '-');
    let found = Code::ALL.iter().filter_map(|code| {
        let name = code.as_str();
        let fits = |at: &usize| {
            edge(text[..*at].chars().next_back()) && edge(text[*at + name.len()..].chars().next())
        };
        let at = text.match_indices(name).map(|(at, _)| at).find(fits)?;
        Some((at, *code))
    });
    let (at, code) = found.min_by_key(|(at, _)| *at)?;
    let line = text[at..].lines().next().unwrap_or_default();
    Some((code, line.trim_end().trim_end_matches(')').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_tells_the_code_of_a_refused_push() {
        let said = "remote: checking\nTo agents::repo\n ! [remote rejected] HEAD -> main (P-MAIN (repository): \
                    refs/heads/main is written by the runtime alone)\nerror: failed to push";
        let failure = Failure::said(said);
        assert_eq!(failure.code(), Some("P-MAIN"));
        assert!(!failure.passes());
        assert!(failure.to_string().starts_with("P-MAIN (repository): refs/heads/main"), "{failure}");
    }

    #[test]
    fn only_whole_codes_count_and_the_rest_may_pass() {
        assert_eq!(Failure::said("fatal: P-MAINTENANCE, XP-MAIN").code(), None);
        assert!(Failure::said("could not read from remote").passes());
        assert!(Failure::said("L-RATE (rate limits): later").passes());
        assert_eq!(Failure::said("E-SELF then P-MAIN").code(), Some("E-SELF"));
    }
}

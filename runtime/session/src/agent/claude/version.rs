//! Versions of the CLI, and which of them are proved.

use std::{fmt, ops::RangeInclusive};

/// A version of the CLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaudeVersion(pub u32, pub u32, pub u32);

/// The versions with which the protocol was run, first and last.
pub const PROVED: RangeInclusive<ClaudeVersion> = ClaudeVersion(2, 1, 197)..=ClaudeVersion(2, 1, 330);

impl ClaudeVersion {
    /// Out of what `claude --version` prints: `2.1.330 (Claude Code)`.
    pub fn parse(output: &str) -> Option<Self> {
        let word = output.split_whitespace().next()?;
        let mut numbers = word.trim_start_matches('v').split(['.', '-', '+']);
        let mut next = || numbers.next()?.parse().ok();
        Some(Self(next()?, next()?, next()?))
    }

    /// What is to be said of a version outside of [`PROVED`], and what mends it.
    pub fn remark(self) -> Option<String> {
        let (first, last) = (PROVED.start(), PROVED.end());
        let install = format!("npm install -g @anthropic-ai/claude-code@{last}");
        if self < *first {
            Some(format!(
                "version {self} is older than {first}, the first that was proved, and may lack what is \
                 needed: install a newer one (`{install}`)"
            ))
        } else if self > *last {
            Some(format!(
                "version {self} is newer than {last}, the last that was proved: it may work, and is not \
                 started to work unless it shows the ordered model, tools and connection; else `{install}`"
            ))
        } else {
            None
        }
    }
}

impl fmt::Display for ClaudeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_and_what_is_said() {
        let cases = [
            ("2.1.330 (Claude Code)\n", Some(ClaudeVersion(2, 1, 330)), None),
            ("2.1.197 (Claude Code)", Some(ClaudeVersion(2, 1, 197)), None),
            ("v2.1.331-beta.1", Some(ClaudeVersion(2, 1, 331)), Some("newer than 2.1.330")),
            ("1.0.80 (Claude Code)", Some(ClaudeVersion(1, 0, 80)), Some("older than 2.1.197")),
            ("2.1", None, None),
            ("claude: not found", None, None),
            ("", None, None),
        ];
        for (output, version, said) in cases {
            assert_eq!(ClaudeVersion::parse(output), version, "{output:?}");
            let remark = version.and_then(ClaudeVersion::remark);
            match said {
                Some(said) => assert!(remark.is_some_and(|r| r.contains(said)), "{output:?}"),
                None => assert_eq!(remark, None, "{output:?}"),
            }
        }
    }
}

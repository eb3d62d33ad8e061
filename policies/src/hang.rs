//! When an agent in mid-turn counts as hung: two of three must speak for it (no output, no growth of
//! its own transcript, no answer to a question), and a tool that runs or an answer of the model that
//! is on its way explains the first two.

/// What is known of an agent in mid-turn. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Since its last output.
    pub quiet_ms: u64,
    /// Since its transcript last grew; `None` where it has none.
    pub transcript_quiet_ms: Option<u64>,
    /// Since it was last asked for a sign of life, when it has not answered yet.
    pub asked_ms: Option<u64>,
    /// Since it last answered; `None` when it has said something else since, or never answered.
    pub answered_ms: Option<u64>,
    /// Whether its program can be asked at all.
    pub can_answer: bool,
    /// Whether one of its tools runs, or a request to its model is under way: both may take long.
    pub explained: bool,
    /// So long it may be quiet.
    pub quiet_limit_ms: u64,
    /// So long it has to answer.
    pub answer_limit_ms: u64,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hang {
    /// It lives.
    Lives,
    /// Ask it.
    Ask,
    /// It is hung: end its program.
    Hung,
    /// It lives and does nothing: interrupt the turn.
    Idle,
}

/// Judges an agent in mid-turn.
pub fn judge(s: &Signs) -> Hang {
    let silent = s.quiet_ms >= s.quiet_limit_ms;
    if !silent {
        return Hang::Lives;
    }
    let stuck = s.transcript_quiet_ms.is_none_or(|ms| ms >= s.quiet_limit_ms);
    if !s.can_answer {
        return if stuck && !s.explained { Hang::Hung } else { Hang::Lives };
    }
    match s.asked_ms {
        // No output and no answer: two of three, whatever the transcript says.
        Some(ms) if ms >= s.answer_limit_ms => Hang::Hung,
        Some(_) => Hang::Lives,
        None => asked_or_idle(s, stuck && !s.explained),
    }
}

/// No question is open. An answer holds as long as silence does: one who answered may hang since.
fn asked_or_idle(s: &Signs, idle: bool) -> Hang {
    match s.answered_ms {
        None => Hang::Ask,
        Some(_) if idle && s.quiet_ms >= s.quiet_limit_ms.saturating_mul(2) => Hang::Idle,
        Some(ms) if ms >= s.quiet_limit_ms => Hang::Ask,
        Some(_) => Hang::Lives,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Signs = Signs {
        quiet_ms: 30_000,
        transcript_quiet_ms: Some(30_000),
        asked_ms: None,
        answered_ms: None,
        can_answer: true,
        explained: false,
        quiet_limit_ms: 30_000,
        answer_limit_ms: 10_000,
    };

    #[test]
    fn the_table() {
        let table = [
            ("it talks", Signs { quiet_ms: 29_999, ..S }, Hang::Lives),
            ("quiet: it is asked", S, Hang::Ask),
            ("asked, and has time", Signs { asked_ms: Some(9_999), ..S }, Hang::Lives),
            ("asked, and does not answer", Signs { asked_ms: Some(10_000), ..S }, Hang::Hung),
            (
                "no output and no answer, though the transcript grows",
                Signs { asked_ms: Some(10_000), transcript_quiet_ms: Some(0), ..S },
                Hang::Hung,
            ),
            (
                "a tool runs for ten minutes, and the program answers",
                Signs { quiet_ms: 600_000, answered_ms: Some(29_999), explained: true, ..S },
                Hang::Lives,
            ),
            (
                "an answer does not hold for ever",
                Signs { quiet_ms: 600_000, answered_ms: Some(30_000), explained: true, ..S },
                Hang::Ask,
            ),
            (
                "a tool runs, and the program does not answer",
                Signs { quiet_ms: 600_000, asked_ms: Some(10_000), explained: true, ..S },
                Hang::Hung,
            ),
            (
                "it answers and does nothing",
                Signs { quiet_ms: 60_000, answered_ms: Some(30_000), ..S },
                Hang::Idle,
            ),
            (
                "it answers, not long ago",
                Signs { quiet_ms: 59_999, answered_ms: Some(29_999), ..S },
                Hang::Lives,
            ),
            ("cannot be asked: two of two", Signs { can_answer: false, ..S }, Hang::Hung),
            (
                "cannot be asked, its transcript grows",
                Signs { can_answer: false, transcript_quiet_ms: Some(5), ..S },
                Hang::Lives,
            ),
            ("cannot be asked, a tool runs", Signs { can_answer: false, explained: true, ..S }, Hang::Lives),
        ];
        for (what, signs, expected) in table {
            assert_eq!(judge(&signs), expected, "{what}");
        }
    }

    #[test]
    fn a_hung_agent_is_found_within_45_seconds() {
        let limits = foureyes_config::Config::default().agents;
        // The agent is looked at once a second.
        assert!(limits.quiet.0 + limits.answer_within.0 + 2_000 <= 45_000);
    }
}

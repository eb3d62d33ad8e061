//! What follows when a model could not be had: each cause has its own pause, whom it holds back and
//! whether a person is told. The text of an error is never taken for work.

use foureyes_protocol::ModelTrouble;

/// Pauses of one role, in milliseconds: the first, and the longest.
const BACKOFF: (u64, u64) = (5_000, 300_000);
/// Bounds of the factor that is drawn for each pause, so that roles do not come back together.
const JITTER: (f64, f64) = (0.5, 1.5);
/// The pause after a rate limit that names no end.
const LIMIT: u64 = 60_000;
/// A limit that ends within so long is left to the program's own retry.
pub const SHORT_LIMIT_MS: u64 = 15_000;
/// Roles of a paused account come back so far apart.
pub const STAGGER_MS: u64 = 2_000;
/// Refused requests in a row before a person is told and nothing more is tried.
const REFUSALS: u32 = 3;

/// What is done about a model that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// This role tries again after so long (milliseconds, before jitter).
    Wait(u64),
    /// Nobody of this account asks until then (milliseconds since the Unix epoch).
    PauseAccount {
        /// When it ends.
        until_ms: u64,
    },
    /// Nobody of this account asks until a person has mended it.
    StopAccount {
        /// What is wrong, in one line.
        why: String,
    },
    /// A new conversation, told from the ledger where things stand.
    NewConversation,
    /// This role is held until a person looks.
    Hold {
        /// What is wrong, in one line.
        why: String,
    },
}

/// The remedy for the `attempt`th trouble in a row (from 1) of a role, at `now_ms`.
pub fn remedy(trouble: &ModelTrouble, attempt: u32, now_ms: u64) -> Remedy {
    let backoff = || BACKOFF.0.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(BACKOFF.1);
    match trouble {
        ModelTrouble::Auth(why) => Remedy::StopAccount { why: why.clone() },
        ModelTrouble::RateLimited { until: Some(until) } => {
            Remedy::PauseAccount { until_ms: (*until).max(now_ms.saturating_add(1_000)) }
        }
        ModelTrouble::RateLimited { until: None } => Remedy::PauseAccount {
            until_ms: now_ms.saturating_add(LIMIT.saturating_mul(u64::from(attempt.clamp(1, 30)))),
        },
        ModelTrouble::Overloaded
        | ModelTrouble::Server(_)
        | ModelTrouble::Network(_)
        | ModelTrouble::Silent(_) => Remedy::Wait(backoff()),
        ModelTrouble::TooLong => Remedy::NewConversation,
        ModelTrouble::Refused(status, why) if attempt >= REFUSALS => {
            Remedy::Hold { why: format!("its model refused {attempt} requests in a row ({status}): {why}") }
        }
        ModelTrouble::Refused(..) => Remedy::Wait(backoff()),
    }
}

/// A pause with jitter, for a draw in `[0, 1)`; never longer than the longest.
pub fn jittered(ms: u64, draw: f64) -> u64 {
    let factor = JITTER.0 + (JITTER.1 - JITTER.0) * draw.clamp(0.0, 1.0);
    ((ms as f64 * factor) as u64).min(BACKOFF.1)
}

/// What a turn failed of. What the proxy saw is believed before what the program says; and the
/// program's word alone never holds back the whole account, which is everybody's.
pub fn believed(seen: Option<ModelTrouble>, told: ModelTrouble) -> ModelTrouble {
    seen.unwrap_or(match told {
        ModelTrouble::Auth(why) => ModelTrouble::Refused(401, why),
        ModelTrouble::RateLimited { .. } => {
            ModelTrouble::Refused(429, "its program tells of a limit that the model did not name".to_owned())
        }
        other => other,
    })
}

/// The trouble in words, for people.
pub fn words(trouble: &ModelTrouble) -> String {
    match trouble {
        ModelTrouble::Auth(why) => format!("the account was refused: {why}"),
        ModelTrouble::RateLimited { .. } => "the account's limit is reached".to_owned(),
        ModelTrouble::Overloaded => "the model is overloaded".to_owned(),
        ModelTrouble::Server(status) => format!("the model's server failed ({status})"),
        ModelTrouble::Network(why) => format!("the model cannot be reached: {why}"),
        ModelTrouble::Silent(time) => format!("the model said nothing for {} s", time.as_secs()),
        ModelTrouble::TooLong => "the conversation is full".to_owned(),
        ModelTrouble::Refused(status, why) => format!("the model refused the request ({status}): {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: u64 = 1_000_000;

    #[test]
    fn each_cause_has_its_remedy() {
        let wait = |ms| Remedy::Wait(ms);
        let pause = |until_ms| Remedy::PauseAccount { until_ms };
        let refused = || ModelTrouble::Refused(400, "bad".to_owned());
        let table = [
            (ModelTrouble::Auth("no".to_owned()), 1, Remedy::StopAccount { why: "no".to_owned() }),
            (ModelTrouble::RateLimited { until: Some(NOW + 90_000) }, 1, pause(NOW + 90_000)),
            (ModelTrouble::RateLimited { until: Some(NOW - 5) }, 1, pause(NOW + 1_000)),
            (ModelTrouble::RateLimited { until: None }, 1, pause(NOW + 60_000)),
            (ModelTrouble::RateLimited { until: None }, 3, pause(NOW + 180_000)),
            (ModelTrouble::Overloaded, 1, wait(5_000)),
            (ModelTrouble::Server(500), 3, wait(20_000)),
            (ModelTrouble::Network("dns".to_owned()), 40, wait(300_000)),
            (ModelTrouble::Silent(Duration::from_secs(90)), 2, wait(10_000)),
            (ModelTrouble::TooLong, 1, Remedy::NewConversation),
            (refused(), 1, wait(5_000)),
        ];
        for (trouble, attempt, expected) in table {
            assert_eq!(remedy(&trouble, attempt, NOW), expected, "{trouble:?} {attempt}");
        }
        assert!(matches!(remedy(&refused(), 3, NOW), Remedy::Hold { why } if why.contains("3 requests")));
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        assert_eq!([0.0, 0.5, 0.999_999].map(|draw| jittered(10_000, draw)), [5_000, 10_000, 14_999]);
        assert_eq!(jittered(300_000, 0.9), 300_000);
    }

    #[test]
    fn a_program_alone_holds_back_nobody_else() {
        let limit = || ModelTrouble::RateLimited { until: Some(u64::MAX) };
        for told in [ModelTrouble::Auth("no".to_owned()), limit()] {
            for attempt in 1..5 {
                let remedy = remedy(&believed(None, told.clone()), attempt, NOW);
                assert!(matches!(remedy, Remedy::Wait(_) | Remedy::Hold { .. }), "{remedy:?}");
            }
            assert_eq!(believed(Some(ModelTrouble::TooLong), told), ModelTrouble::TooLong);
        }
        assert_eq!(believed(None, ModelTrouble::Overloaded), ModelTrouble::Overloaded);
        assert_eq!(believed(Some(limit()), ModelTrouble::Overloaded), limit());
    }
}

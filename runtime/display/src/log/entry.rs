//! One line of the log.

use super::Format;
use crate::text::{clean, fit};
use crate::words;
use foureyes_ports::view::Tone;
use foureyes_protocol::{FeatureId, Gate, Outcome};
use serde::{Serialize, Serializer};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The run itself: started, frozen, thawed.
    Runtime,
    /// An envelope.
    Message,
    /// A gate was checked.
    Verdict,
    /// A feature came, moved on or ended.
    Feature,
    /// Something waits for the user, or no longer.
    Question,
    /// An alert.
    Alert,
    /// A role or a service changed its health.
    Health,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Message => "message",
            Self::Verdict => "verdict",
            Self::Feature => "feature",
            Self::Question => "question",
            Self::Alert => "alert",
            Self::Health => "health",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// When, in milliseconds since the Unix epoch; written in UTC.
    #[serde(rename = "time", serialize_with = "utc")]
    pub at_ms: u64,
    /// What it is about.
    pub what: What,
    /// The record of the ledger that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<FeatureId>,
    /// The gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// How the gate's check ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Who did it, or `from>to`.
    pub who: String,
    /// The gist, one clean line.
    pub text: String,
    /// How much it matters.
    pub tone: Tone,
}

fn utc<S: Serializer>(at_ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words::utc(*at_ms))
}

impl Entry {
    /// An entry about nothing in particular.
    pub(super) fn new(at_ms: u64, what: What, who: &str, text: &str) -> Self {
        let (who, text) = (clean(who), clean(text));
        Self {
            at_ms,
            what,
            record: None,
            feature: None,
            gate: None,
            outcome: None,
            who,
            text,
            tone: Tone::Plain,
        }
    }

    pub(super) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    pub(super) fn about(self, feature: Option<&FeatureId>) -> Self {
        Self { feature: feature.cloned(), ..self }
    }

    pub(super) fn record(self, record: u64) -> Self {
        Self { record: Some(record), ..self }
    }

    pub(super) fn verdict(self, gate: Gate, outcome: Outcome) -> Self {
        Self { gate: Some(gate), outcome: Some(outcome), ..self }
    }

    /// The line, without a newline.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::Text => self.text_line(),
            Format::Json => crate::status::json_line(self),
        }
    }

    fn text_line(&self) -> String {
        let feature = self.feature.as_ref().map_or("-", FeatureId::as_str);
        let gate = self.gate.map_or_else(|| "-".to_owned(), |g| g.to_string());
        let outcome = self.outcome.map_or("-", words::outcome);
        let who = if self.who.is_empty() { "-" } else { &self.who };
        let columns = [(self.what.word(), 8), (feature, 12), (&gate, 6), (outcome, 8), (who, 24)];
        let mut line = words::utc(self.at_ms);
        for (text, width) in columns {
            line.push(' ');
            // A name is never cut: what is searched for must be found.
            line.push_str(&if text.len() > width { text.to_owned() } else { fit(text, width) });
        }
        line.push(' ');
        line.push_str(&self.text);
        line
    }
}

//! In which direction each key is looser.

use crate::units::{Bytes, Millis};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// When a change of a key allows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// When the amount grows, or the limit goes away.
    Growing,
    /// When the amount shrinks, or goes away.
    Shrinking,
    /// When an item is removed from the list.
    Removal,
    /// When an item is added to the list.
    Addition,
    /// When it differs at all.
    Any,
    /// When it becomes `true`.
    True,
    /// When the new word stands before the old one in this list, from loose to strict.
    Ranked(&'static [&'static str]),
    /// When it becomes anything but this word.
    Unless(&'static str),
    /// Never: it changes what is shown or asked for, not what is allowed.
    Never,
}

use Rule::{Addition, Any, Growing, Never, Ranked, Removal, Shrinking, True, Unless};

/// Keys with their rules; `*` is one part of a key, `**` at the end all that follow. The first that
/// fits holds.
const RULES: &[(&str, Rule)] = &[
    ("version", Never),
    ("roles.**", Any),
    ("agents.backend", Any),
    ("agents.memory", Growing),
    ("agents.total_memory", Growing),
    ("agents.disk", Growing),
    ("agents.processes", Growing),
    ("agents.claude_program", Any),
    ("agents.**", Never),
    ("model.provider", Unless("stand-in")),
    ("model.silence", Never),
    ("model.budgets.*", Growing),
    ("model.prices.**", Never),
    ("model.fetch_hosts", Addition),
    ("model.plays.**", Never),
    ("model.plays", Never),
    ("model.**", Any),
    ("prompts.budget", Growing),
    ("prompts.budgets.*", Growing),
    ("prompts.instructions", Growing),
    // Which parts there are and what they say is shown besides, part by part.
    ("prompts.**", Any),
    ("repository.builtin", Never),
    ("repository.*", Any),
    ("deliver", Unless("branch")),
    ("tasks", Never),
    ("run.*", Never),
    ("gates.suite.prepare.hosts", Addition),
    ("gates.suite.toolchain.directories", Addition),
    ("gates.suite.writable_checkout", True),
    ("gates.suite.**", Any),
    ("gates.limits.*", Growing),
    ("gates.flaky_repeats", Any),
    ("gates.returns.*", Growing),
    ("gates.deploy_returns.count", Growing),
    ("gates.deploy_returns.within", Shrinking),
    ("gates.mend_lines", Growing),
    ("gates.spot_checks.qa_due", Growing),
    ("gates.spot_checks.*", Shrinking),
    ("gates.merge_style", Never),
    ("four_eyes.*", Growing),
    ("paths.docs", Addition),
    ("paths.risk.low", Addition),
    ("paths.**", Removal),
    ("limits.profile", Never),
    ("limits.**", Growing),
    ("lock.alert_window", Shrinking),
    ("lock.*", Growing),
    ("freeze.bypass_window", Shrinking),
    ("freeze.quarantine_window", Shrinking),
    ("freeze.*", Growing),
    ("tertiary.rate", Shrinking),
    ("tertiary.deadline", Never),
    ("cumulative.window", Shrinking),
    ("cumulative.burst_window", Shrinking),
    ("cumulative.cooldown", Shrinking),
    ("cumulative.*", Growing),
    ("collusion.window", Any),
    ("collusion.reassigned_reviews", Shrinking),
    ("collusion.*", Growing),
    ("second_factor.interval", Shrinking),
    ("second_factor.enrolment_wait", Shrinking),
    ("second_factor.*", Growing),
    ("signing.*", Growing),
    ("messages.*", Growing),
    ("supervision.intensity.restarts", Growing),
    ("supervision.intensity.within", Shrinking),
    ("supervision.root.restarts", Growing),
    ("supervision.root.within", Shrinking),
    ("supervision.**", Never),
    ("sandbox.tier", Ranked(&["advisory", "sandboxed", "auto", "separate-uid"])),
    ("sandbox.uid_base", Any),
    ("sandbox.read_only", Addition),
    ("sandbox.*", Growing),
    ("display.*", Never),
];

/// The rule of a key; `None` for one that the table does not know.
pub(super) fn rule_of(key: &str) -> Option<Rule> {
    RULES.iter().find(|(pattern, _)| fits(pattern, key)).map(|(_, rule)| *rule)
}

fn fits(pattern: &str, key: &str) -> bool {
    let mut parts = key.split('.');
    for wanted in pattern.split('.') {
        match (wanted, parts.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

impl Rule {
    /// Whether the step from `old` to `new` allows more. `None` is no value.
    pub(super) fn loosens(self, old: Option<&Json>, new: Option<&Json>) -> bool {
        match self {
            Any => true,
            Never => false,
            True => new == Some(&Json::Bool(true)),
            Unless(word) => new.and_then(Json::as_str) != Some(word),
            Growing => ordered(old, new, |old, new| new > old),
            Shrinking => ordered(old, new, |old, new| new < old),
            Removal => !items(old).is_subset(&items(new)),
            Addition => !items(new).is_subset(&items(old)),
            Ranked(words) => rank(words, new) < rank(words, old),
        }
    }
}

/// A limit that goes away loosens, one that comes does not; what is no amount counts as loosening.
fn ordered(old: Option<&Json>, new: Option<&Json>, looser: fn(f64, f64) -> bool) -> bool {
    match (old, new) {
        (None, Some(_)) => false,
        (Some(old), Some(new)) => match (amount(old), amount(new)) {
            (Some(old), Some(new)) => looser(old, new),
            _ => true,
        },
        (_, None) => true,
    }
}

/// A number, a duration or a size. Amounts of more than 2^53 lose their last digits, which no
/// limit has.
fn amount(value: &Json) -> Option<f64> {
    if let Some(n) = value.as_f64() {
        return Some(n);
    }
    let text = value.as_str()?;
    let millis = text.parse::<Millis>().map(|m| m.0 as f64);
    millis.ok().or_else(|| text.parse::<Bytes>().ok().map(|b| b.0 as f64))
}

fn items(list: Option<&Json>) -> BTreeSet<String> {
    list.and_then(Json::as_array).into_iter().flatten().map(ToString::to_string).collect()
}

/// The place in a list from loose to strict; an unknown word is the loosest.
fn rank(words: &[&str], value: Option<&Json>) -> usize {
    let word = value.and_then(Json::as_str).unwrap_or_default();
    words.iter().position(|w| *w == word).map_or(0, |i| i + 1)
}

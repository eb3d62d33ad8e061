//! Numbers, times and states in words, the same in every sink.

use foureyes_ports::view::{FeatureView, QuestionView, RoleState, SpentView, View};
use foureyes_protocol::{Gate, Outcome};

/// A duration for people: `840 ms`, `1.2 s`, `2 min 03 s`, `1 h 05 min`.
pub(crate) fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{s}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

/// A running clock: `00:12`, `1:05:00`.
pub(crate) fn clock(ms: u64) -> String {
    let s = ms / 1000;
    match s / 3600 {
        0 => format!("{:02}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

/// The moment in UTC: `2026-01-31T12:00:00.000Z`.
pub(crate) fn utc(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| format!("{ms}ms"), |t| t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// `1 line`, `2 lines`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Memory for people: `-` when unknown, else MiB.
pub(crate) fn memory(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{} MiB", bytes.div_ceil(1 << 20)) }
}

/// An outcome in one word.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Checked => "checked",
        Outcome::Returned => "returned",
        Outcome::NotApplicable => "n/a",
        Outcome::Broken => "broken",
    }
}

/// Where a feature stands for one who asks "does it need me, is it under way, is it done?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    NeedsYou,
    Working,
    Done,
}

/// The stage of a feature. A cancelled one is done.
pub(crate) fn stage(view: &View, feature: &FeatureView) -> Stage {
    if is_done(feature) || feature.status == "cancelled" {
        return Stage::Done;
    }
    let asked = view.questions.iter().any(|q| q.feature.as_ref() == Some(&feature.id));
    if asked { Stage::NeedsYou } else { Stage::Working }
}

/// Whether it has landed.
pub(crate) fn is_done(feature: &FeatureView) -> bool {
    feature.status == "done"
}

/// `4-eyes`, `fast track`, or nothing before the first push.
pub(crate) fn route(feature: &FeatureView) -> &'static str {
    match feature.above_threshold {
        Some(true) => "4-eyes",
        Some(false) => "fast track",
        None => "",
    }
}

/// What holds a feature up, in words; empty when nothing does.
pub(crate) fn waits(feature: &FeatureView) -> String {
    if feature.waiting_for.is_empty() {
        return if feature.status == "active" || is_done(feature) {
            String::new()
        } else {
            feature.status.clone()
        };
    }
    feature.waiting_for.join(", ")
}

/// The shape of one gate in a feature's track.
pub(crate) fn gate_mark(feature: &FeatureView, gate: Gate) -> &'static str {
    let last = feature.verdicts.iter().rev().find(|v| v.gate == gate).map(|v| v.outcome);
    match last {
        Some(Outcome::NotApplicable) if gate < feature.gate || is_done(feature) => "–",
        _ if gate < feature.gate || is_done(feature) => "✓",
        _ if gate > feature.gate => "·",
        Some(Outcome::Returned) => "↺",
        Some(Outcome::Broken) => "✗",
        _ => "▸",
    }
}

/// How far a run is: done and all of `RED: 12/40 tests`.
pub(crate) fn progress(text: &str) -> Option<(u64, u64)> {
    text.split_whitespace().find_map(|word| {
        let (done, all) = word.split_once('/')?;
        let (done, all): (u64, u64) = (done.parse().ok()?, all.parse().ok()?);
        (all > 0).then_some((done.min(all), all))
    })
}

/// A bar of `columns` for that much of the whole.
pub(crate) fn bar(done: u64, all: u64, columns: usize) -> String {
    let share = u128::from(done.min(all)) * columns as u128 / u128::from(all.max(1));
    let full = usize::try_from(share).unwrap_or(columns);
    format!("{}{}", "█".repeat(full), "░".repeat(columns - full))
}

/// The command that answers a question.
pub(crate) fn remedy(question: &QuestionView) -> String {
    let number = question.number;
    if question.decision.is_some() || matches!(question.what.as_str(), "decision" | "sign-off" | "co-sign") {
        return format!("agents approve {number} | agents reject {number}");
    }
    let answer = if question.options.is_empty() { "TEXT" } else { "1" };
    format!("agents answer {number} {answer}")
}

/// `1) yes · 2) no`; empty when there is nothing to choose from.
pub(crate) fn options(question: &QuestionView) -> String {
    let numbered = question.options.iter().enumerate().map(|(n, text)| format!("{}) {text}", n + 1));
    numbered.collect::<Vec<_>>().join(" · ")
}

/// How many roles are in one of these states.
pub(crate) fn roles_in(view: &View, states: &[RoleState]) -> usize {
    view.roles.iter().filter(|r| states.contains(&r.state)).count()
}

/// A number of tokens, at three digits.
pub(crate) fn tokens(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{:.1} k", n as f64 / 1e3),
        _ => format!("{:.2} M", n as f64 / 1e6),
    }
}

/// What was spent, in US dollars; `?` stands for what has no price.
pub(crate) fn money(spent: &SpentView) -> String {
    let sum = format!("{:.4}", spent.microusd as f64 / 1e6);
    match (spent.unpriced, spent.microusd) {
        (0, _) => sum,
        (_, 0) => "?".to_owned(),
        _ => format!("{sum} + ?"),
    }
}

/// What was spent in one phrase; nothing where no model was used.
pub(crate) fn spent(spent: &SpentView) -> Option<String> {
    (spent.requests > 0).then(|| {
        let requests = count(spent.requests, "model request");
        format!("{requests} · {} tokens · {} USD", tokens(spent.tokens), money(spent))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown: Vec<_> = [0, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000].map(duration).into();
        assert_eq!(shown, ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 00 s", "59 min 59 s", "1 h 00 min"]);
        assert_eq!([0, 61_000, 3_600_000].map(clock), ["00:00", "01:01", "1:00:00"]);
    }

    #[test]
    fn moments_are_utc_and_never_fail() {
        assert_eq!(utc(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(utc(u64::MAX), "18446744073709551615ms");
    }

    #[test]
    fn progress_is_read_from_words() {
        assert_eq!(progress("RED: 12/40 tests"), Some((12, 40)));
        assert_eq!(progress("RED: 50/40"), Some((40, 40)));
        for none in ["building", "0/0", "a/b", ""] {
            assert_eq!(progress(none), None, "{none}");
        }
        assert_eq!(bar(12, 40, 10), "███░░░░░░░");
        assert_eq!(bar(u64::MAX, u64::MAX, 3), "███");
    }
}

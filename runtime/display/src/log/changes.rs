//! What happened between two pictures.

use super::entry::{Entry, What};
use crate::words;
use foureyes_ports::view::{
    FeatureView, MessageLine, QuestionView, RoleState, RoleView, ServiceView, Tone, VerdictLine, View,
};
use foureyes_protocol::Outcome;

/// What happened between two pictures: messages and verdicts first, by record, then what has no
/// record.
pub fn changes(old: &View, new: &View) -> Vec<Entry> {
    let mut recorded = messages(old, new);
    recorded.extend(verdicts(old, new));
    recorded.sort_by_key(|entry| entry.record);
    let rest = [started, freezes, features, questions, health, services, alerts];
    let rest = rest.into_iter().flat_map(|part| part(old, new));
    recorded.into_iter().chain(rest).collect()
}

fn started(old: &View, new: &View) -> Vec<Entry> {
    if old.epoch == new.epoch {
        return Vec::new();
    }
    let text = format!(
        "epoch {} of {} on {}, tier {}, ledger {} at {}",
        new.epoch,
        new.repository,
        new.target,
        new.tier,
        words::count(new.records, "record"),
        new.head.short()
    );
    vec![Entry::new(new.at_ms, What::Runtime, "system", &text)]
}

fn freezes(old: &View, new: &View) -> Vec<Entry> {
    let entry = |text: &str, tone| Entry::new(new.at_ms, What::Runtime, "system", text).tone(tone);
    let mut entries = Vec::new();
    match (&old.frozen, &new.frozen) {
        (before, Some(why)) if before.as_ref() != Some(why) => {
            entries.push(entry(&format!("frozen: {why}"), Tone::Bad));
        }
        (Some(_), None) => entries.push(entry("no longer frozen", Tone::Good)),
        _ => {}
    }
    for (role, why) in new.quarantined.iter().filter(|q| !old.quarantined.contains(q)) {
        entries.push(entry(&format!("{role} set aside: {why}"), Tone::Bad));
    }
    for (role, _) in old.quarantined.iter().filter(|(id, _)| !new.quarantined.iter().any(|(n, _)| n == id)) {
        entries.push(entry(&format!("{role} no longer set aside"), Tone::Good));
    }
    entries
}

fn messages(old: &View, new: &View) -> Vec<Entry> {
    let seen = old.messages.last().map_or(0, |m| m.record);
    new.messages.iter().filter(|m| m.record > seen).map(message).collect()
}

/// The line of one message.
pub(crate) fn message(m: &MessageLine) -> Entry {
    let who = format!("{}>{}", m.from, m.to);
    let text = format!("{}: {}", m.kind, m.text);
    Entry::new(m.at_ms, What::Message, &who, &text).about(m.feature.as_ref()).record(m.record).tone(m.tone)
}

fn verdicts(old: &View, new: &View) -> Vec<Entry> {
    let seen = |feature: &FeatureView| {
        let before = old.features.iter().find(|f| f.id == feature.id);
        before.and_then(|f| f.verdicts.last()).map_or(0, |v| v.record)
    };
    let fresh = |feature| {
        let seen = seen(feature);
        feature.verdicts.iter().filter(move |v| v.record > seen).map(|v| verdict(feature, v))
    };
    new.features.iter().flat_map(fresh).collect()
}

fn verdict(feature: &FeatureView, v: &VerdictLine) -> Entry {
    let signers: Vec<&str> = v.signers.iter().map(AsRef::as_ref).collect();
    let who = if signers.is_empty() { "system".to_owned() } else { signers.join(",") };
    let codes = if v.codes.is_empty() { String::new() } else { format!(" [{}]", v.codes.join(", ")) };
    let text = format!("{}{codes} ({})", v.summary, words::duration(v.millis));
    Entry::new(v.at_ms, What::Verdict, &who, &text)
        .about(Some(&feature.id))
        .record(v.record)
        .verdict(v.gate, v.outcome)
        .tone(verdict_tone(v.outcome))
}

fn verdict_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Passed => Tone::Good,
        Outcome::Checked | Outcome::NotApplicable => Tone::Plain,
        Outcome::Returned => Tone::Warn,
        Outcome::Broken => Tone::Bad,
    }
}

fn features(old: &View, new: &View) -> Vec<Entry> {
    let news = |f: &FeatureView| {
        let before = old.features.iter().find(|o| o.id == f.id);
        let text = match before {
            None => format!("{}: {}", f.status, f.title),
            Some(o) if o.status != f.status => feature_status(f),
            Some(_) => return None,
        };
        Some(Entry::new(new.at_ms, What::Feature, "system", &text).about(Some(&f.id)))
    };
    new.features.iter().filter_map(news).collect()
}

fn feature_status(f: &FeatureView) -> String {
    let Some(merged) = &f.merged else { return f.status.clone() };
    let took = f.ended_ms.map_or(0, |end| end.saturating_sub(f.requested_ms));
    format!("{}: merged as {} after {}", f.status, merged.short(), words::duration(took))
}

fn questions(old: &View, new: &View) -> Vec<Entry> {
    let entry = |q: &QuestionView, text: &str| {
        Entry::new(new.at_ms, What::Question, q.from.as_str(), text).about(q.feature.as_ref())
    };
    let missing = |q: &&QuestionView, list: &[QuestionView]| !list.iter().any(|o| o.number == q.number);
    let asked = new.questions.iter().filter(|q| missing(q, &old.questions)).map(|q| {
        let text = format!("#{} {}: {} -> {}", q.number, q.what, q.text, words::remedy(q));
        entry(q, &text).tone(Tone::Warn)
    });
    let settled = old.questions.iter().filter(|q| missing(q, &new.questions));
    asked.chain(settled.map(|q| entry(q, &format!("#{} settled", q.number)))).collect()
}

/// Busy and idle come and go many times a second and are no news.
fn is_news(state: RoleState) -> bool {
    !matches!(state, RoleState::Busy | RoleState::Idle | RoleState::Waiting)
}

fn health(old: &View, new: &View) -> Vec<Entry> {
    let news = |role: &RoleView| {
        let before = old.roles.iter().find(|o| o.id == role.id);
        let was = before.map_or(RoleState::Asleep, |o| o.state);
        let died = before.is_some_and(|o| o.restarts < role.restarts);
        let changed = was != role.state && (is_news(was) || is_news(role.state));
        (died || changed).then(|| role_entry(new.at_ms, role))
    };
    new.roles.iter().filter_map(news).collect()
}

fn role_entry(at_ms: u64, role: &RoleView) -> Entry {
    let again = match role.restarts {
        0 => String::new(),
        n => format!(", {}", words::count(u64::from(n), "restart")),
    };
    let pid = role.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let tone = match role.state {
        RoleState::Degraded => Tone::Bad,
        RoleState::Restarting => Tone::Warn,
        _ => Tone::Plain,
    };
    Entry::new(at_ms, What::Health, role.id.as_str(), &format!("{}{again}{pid}", role.state)).tone(tone)
}

fn services(old: &View, new: &View) -> Vec<Entry> {
    let news = |service: &ServiceView| {
        let before = old.services.iter().find(|o| o.name == service.name)?;
        if before == service {
            return None;
        }
        let (word, tone) =
            if service.responsive { ("responsive", Tone::Plain) } else { ("not responsive", Tone::Bad) };
        let text = format!("service {word}, {}", words::count(u64::from(service.restarts), "restart"));
        Some(Entry::new(new.at_ms, What::Health, &service.name, &text).tone(tone))
    };
    new.services.iter().filter_map(news).collect()
}

fn alerts(old: &View, new: &View) -> Vec<Entry> {
    let fresh = &new.alerts[overlap(&old.alerts, &new.alerts)..];
    fresh.iter().map(|text| Entry::new(new.at_ms, What::Alert, "system", text).tone(Tone::Bad)).collect()
}

/// How many of the first of `new` are the last of `old`: the list is a window that moves.
fn overlap(old: &[String], new: &[String]) -> usize {
    let longest = old.len().min(new.len());
    (0..=longest).rev().find(|n| old[old.len() - n..] == new[..*n]).unwrap_or(0)
}

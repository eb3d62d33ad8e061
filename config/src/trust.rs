//! What a changed configuration would allow: the list that `agents trust` shows before it is
//! accepted.

mod rules;

use crate::{Config, sections::limits::RateKind};
use foureyes_protocol::PrincipalId;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// One key whose value differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustChange {
    /// The key, such as `gates.limits.time` or `roles.dev-a`.
    pub key: String,
    /// The value before, in words; `None` where there was none.
    pub old: Option<String>,
    /// The value now, in words; `None` where there is none any more.
    pub new: Option<String>,
    /// Whether it allows more than before: a wider limit, fewer eyes, another program, host or
    /// path. What is not known to be harmless counts as loosening.
    pub loosens: bool,
}

/// The keys that differ between two configurations, sorted. Without an accepted one before, `new`
/// is compared with the built-in default.
pub fn describe(old: Option<&Config>, new: &Config) -> Vec<TrustChange> {
    let default = Config::default();
    let old = old.unwrap_or(&default);
    let special: BTreeSet<&str> =
        [old, new].iter().flat_map(|c| c.limits.overrides.keys().map(String::as_str)).collect();
    let (before, after) = (flatten(old, &special), flatten(new, &special));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter_map(|key| change(key, before.get(key), after.get(key))).collect()
}

fn change(key: &str, old: Option<&Json>, new: Option<&Json>) -> Option<TrustChange> {
    if old == new {
        return None;
    }
    let loosens = rules::rule_of(key).is_none_or(|rule| rule.loosens(old, new));
    Some(TrustChange {
        key: key.to_owned(),
        old: old.and_then(in_words),
        new: new.and_then(in_words),
        loosens,
    })
}

/// Every value by its key. Lists of words and whole programs are one value; roles go by their id;
/// for the roles in `special` what holds in effect stands in place of what is written.
fn flatten(config: &Config, special: &BTreeSet<&str>) -> BTreeMap<String, Json> {
    let mut out = BTreeMap::new();
    for role in &config.roles {
        out.insert(format!("roles.{}", role.id), json!(role.family));
        out.insert(format!("roles.{}.backend", role.id), json!(config.backend(role)));
    }
    for role in special {
        effective_limits(config, role, &mut out);
    }
    // Serializing plain data with text keys cannot fail; nothing at all would show as removal of
    // everything, which loosens.
    let mut rest = serde_json::to_value(config).unwrap_or_default();
    if let Some(sections) = rest.as_object_mut() {
        sections.remove("roles");
        sections["limits"]["overrides"] = json!({});
    }
    collect("", rest, &mut out);
    out
}

fn effective_limits(config: &Config, role: &str, out: &mut BTreeMap<String, Json>) {
    let Ok(id) = PrincipalId::new(role) else { return };
    for kind in RateKind::ALL {
        let rate = json!(config.limits.rate(&id, kind));
        collect(&format!("limits.overrides.{role}.{}", kind.key()), rate, out);
    }
}

fn collect(path: &str, value: Json, out: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(map) if !map.contains_key("kind") => {
            for (key, value) in map {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                collect(&path, value, out);
            }
        }
        Json::Null => {}
        leaf => drop(out.insert(path.to_owned(), leaf)),
    }
}

/// A value as people read it; nothing for an empty list.
fn in_words(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Array(items) if items.is_empty() => None,
        Json::Array(items) if items.iter().all(Json::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            Some(words.join(" "))
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    fn changes(yaml: &str) -> Vec<(String, bool)> {
        let new = load(yaml, "t.yaml").unwrap();
        describe(None, &new).into_iter().map(|c| (c.key, c.loosens)).collect()
    }

    #[test]
    fn each_key_knows_its_loose_side() {
        let table: &[(&str, &str, bool)] = &[
            ("gates: {limits: {time: 20 min}}", "gates.limits.time", true),
            ("gates: {limits: {time: 5 min}}", "gates.limits.time", false),
            ("gates: {limits: {memory: 8 GiB}}", "gates.limits.memory", true),
            ("gates: {suite: {command: [make, test]}}", "gates.suite.command", true),
            ("gates: {suite: {prepare: {hosts: [example.org]}}}", "gates.suite.prepare.hosts", true),
            ("gates: {suite: {writable_checkout: true}}", "gates.suite.writable_checkout", true),
            ("gates: {spot_checks: {cosign_low: 0.5}}", "gates.spot_checks.cosign_low", false),
            ("four_eyes: {lines: 51}", "four_eyes.lines", true),
            ("four_eyes: {lines: 20}", "four_eyes.lines", false),
            ("paths: {protected: [CLAUDE.md]}", "paths.protected", true),
            ("paths: {docs: ['**']}", "paths.docs", true),
            ("limits: {commits: {hour: 21}}", "limits.commits.hour", true),
            ("limits: {commits: {day: null}}", "limits.commits.day", true),
            (
                "limits: {overrides: {dev-a: {commits: {hour: 5}}}}",
                "limits.overrides.dev-a.commits.hour",
                false,
            ),
            (
                "limits: {overrides: {dev-a: {commits: {hour: 50}}}}",
                "limits.overrides.dev-a.commits.hour",
                true,
            ),
            ("freeze: {bypass_window: 1 h}", "freeze.bypass_window", true),
            ("tertiary: {rate: 0.01}", "tertiary.rate", true),
            ("second_factor: {interval: 1 s}", "second_factor.interval", true),
            ("sandbox: {tier: advisory}", "sandbox.tier", true),
            ("sandbox: {tier: separate-uid}", "sandbox.tier", false),
            ("sandbox: {read_only: [/home/me]}", "sandbox.read_only", true),
            ("deliver: push", "deliver", true),
            ("deliver: branch", "deliver", false),
            ("run: {until_done: true}", "run.until_done", false),
            ("display: {colours: never}", "display.colours", false),
        ];
        for (yaml, key, loosens) in table {
            assert_eq!(changes(yaml), [((*key).to_owned(), *loosens)], "{yaml}");
        }
    }

    #[test]
    fn roles_are_compared_by_their_id() {
        let found = changes("roles: [{id: dev-a, family: dev, backend: {kind: command, argv: [sh]}}]");
        assert!(found.contains(&("roles.dev-a.backend".to_owned(), true)));
        assert!(found.contains(&("roles.qa-a".to_owned(), true)), "fewer eyes");
        assert!(!found.iter().any(|(key, _)| key == "roles.dev-a"), "its family is the same");
    }

    #[test]
    fn going_back_is_the_opposite() {
        let wide = load("four_eyes: {lines: 99}", "t.yaml").unwrap();
        let back = describe(Some(&wide), &Config::default());
        let change = |old: &str, new: &str, loosens| TrustChange {
            key: "four_eyes.lines".to_owned(),
            old: Some(old.to_owned()),
            new: Some(new.to_owned()),
            loosens,
        };
        assert_eq!(back, [change("99", "50", false)]);
        assert_eq!(describe(None, &wide), [change("50", "99", true)]);
        assert_eq!(describe(Some(&wide), &wide), []);
    }

    #[test]
    fn no_key_is_without_a_rule() {
        for key in flatten(&Config::default(), &BTreeSet::from(["dev-a"])).keys() {
            assert!(rules::rule_of(key).is_some(), "{key} has no rule in trust/rules.rs");
        }
    }
}

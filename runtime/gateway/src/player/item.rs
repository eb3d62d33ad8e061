//! An envelope as the tool `inbox` shows it, the conditions on it, and the values that steps may name.

use super::play::{Rule, When};
use globset::Glob;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An envelope of the inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub id: String,
    pub kind: String,
    pub from: String,
    pub feature: Option<String>,
    pub in_reply_to: Option<String>,
    pub body: Value,
}

impl Item {
    pub(super) fn of(shown: &Value) -> Self {
        let text = |key: &str| shown[key].as_str().map(str::to_owned);
        Self {
            id: text("id").unwrap_or_default(),
            kind: text("kind").unwrap_or_default(),
            from: text("from").unwrap_or_default(),
            feature: text("feature"),
            in_reply_to: text("in_reply_to"),
            body: shown["body"].clone(),
        }
    }

    /// A text of the body; empty where there is none.
    pub(super) fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_default()
    }

    /// The texts of a list of the body.
    pub(super) fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.body[key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).collect()
    }

    /// The codes that a verdict gives as its reasons.
    pub(super) fn codes(&self) -> Vec<&str> {
        let list = self.body["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|r| r["code"].as_str()).collect()
    }

    /// What the envelope is about, in a few words for the screen.
    pub(super) fn gist(&self) -> String {
        let words = ["task", "subject", "gate", "outcome"].map(|key| self.text(key));
        let mut words: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
        words.extend(self.codes());
        if words.is_empty() {
            words.push(self.text("text").lines().next().unwrap_or_default());
        }
        words.join(" ")
    }
}

impl When {
    /// Whether the conditions hold, `together` aside.
    pub(super) fn matches(&self, item: &Item) -> bool {
        let code = |code: &foureyes_protocol::Code| item.codes().contains(&code.as_str());
        is(&self.kind, &item.kind)
            && is(&self.task, item.text("task"))
            && is(&self.gate, item.text("gate"))
            && is(&self.outcome, item.text("outcome"))
            && is(&self.subject, item.text("subject"))
            && self.code.as_ref().is_none_or(code)
            && self.feature.as_ref().is_none_or(|g| fits(g, item.feature.as_deref().unwrap_or_default()))
            && self.from.as_ref().is_none_or(|g| fits(g, &item.from))
    }

    /// Whether the envelope has to wait for those of other features.
    pub(super) fn waits(&self, item: &Item, inbox: &[Item]) -> bool {
        let mine = item.feature.as_ref().is_some_and(|f| self.together.contains(f));
        let here = |f: &String| inbox.iter().any(|i| i.feature.as_ref() == Some(f) && self.matches(i));
        mine && !self.together.iter().all(here)
    }
}

/// Whether a condition is absent or its wire form is this text.
fn is<T: Serialize>(wanted: &Option<T>, text: &str) -> bool {
    wanted.as_ref().is_none_or(|w| serde_json::to_value(w).is_ok_and(|w| w == text))
}

/// Whether a name fits a glob; one that is no valid glob fits itself.
pub(super) fn fits(glob: &str, name: &str) -> bool {
    Glob::new(glob).map_or(glob == name, |g| g.compile_matcher().is_match(name))
}

/// The first rule that matches.
pub(super) fn rule_for<'p>(rules: &'p [Rule], item: &Item) -> Option<&'p Rule> {
    rules.iter().find(|rule| rule.when.matches(item))
}

/// Values that `${name}` stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(BTreeMap<&'static str, String>);

impl Values {
    pub(super) fn of(item: &Item, role: &str) -> Self {
        let feature = item.feature.clone().unwrap_or_default();
        let base = [item.text("base"), item.text("main")].into_iter().find(|b| !b.is_empty());
        Self(BTreeMap::from([
            ("ident", feature.replace('-', "_")),
            ("feature", feature),
            ("request", item.id.clone()),
            ("content", item.text("content").to_owned()),
            ("role", role.to_owned()),
            ("base", base.unwrap_or_default().to_owned()),
            ("from", item.from.clone()),
            ("title", item.text("title").to_owned()),
            ("text", item.text("text").to_owned()),
        ]))
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.0.insert(name, value.to_owned());
    }

    /// The text with every `${name}` of a known name replaced, once: values are not looked into.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let name = tail[2..].split('}').next().unwrap_or_default();
            match self.0.get(name).filter(|_| tail[2..].contains('}')) {
                Some(value) => {
                    out.push_str(value);
                    rest = &tail[name.len() + 3..];
                }
                None => {
                    out.push_str("${");
                    rest = &tail[2..];
                }
            }
        }
        out + rest
    }

    /// As [`Values::fill`], for every text of the arguments of a tool.
    pub(super) fn fill_all(&self, args: &Map<String, Value>) -> Map<String, Value> {
        args.iter().map(|(key, value)| (key.clone(), self.fill_value(value))).collect()
    }

    fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(list) => list.iter().map(|v| self.fill_value(v)).collect(),
            Value::Object(map) => Value::Object(self.fill_all(map)),
            other => other.clone(),
        }
    }
}

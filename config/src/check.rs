//! Holds a YAML tree against the JSON schema of the types, and reports everything that does not fit.
//!
//! What fits comes out as JSON that surely decodes; what does not is reported and left out, so
//! that later checks still see the rest. So one file shows all its mistakes at once.

use crate::{
    error::{ConfigError, Mistake},
    formats,
    yaml::{Entry, Node, Place, Value as Yaml},
};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// The result of a check.
#[derive(Default)]
pub(crate) struct Checked {
    /// What fits.
    pub json: Map<String, Json>,
    /// Each decoded value as it was written, by its path such as `roles[0].id`.
    pub written: BTreeMap<String, Written>,
    /// Lists of which an element was left out because it does not fit.
    pub shortened: BTreeSet<String>,
    /// What does not fit.
    pub errors: Vec<ConfigError>,
}

/// A value of the file.
#[derive(Clone)]
pub(crate) struct Written {
    /// Where it is.
    pub place: Place,
    /// What its key means and what holds without it, in one line.
    pub meaning: Option<String>,
}

/// Checks a tree against the schema `root` of a mapping.
pub(crate) fn check(node: &Node, root: &Json) -> Checked {
    let mut checker = Checker { root, out: Checked::default() };
    if let Some(Json::Object(json)) = checker.value(node, root, "") {
        checker.out.json = json;
    }
    checker.out
}

struct Checker<'s> {
    root: &'s Json,
    out: Checked,
}

/// A schema without references, and whether `null` fits too.
struct Resolved<'s> {
    schema: &'s Json,
    nullable: bool,
}

impl<'s> Checker<'s> {
    fn resolve(&self, schema: &'s Json) -> Resolved<'s> {
        if let Some(target) = schema["$ref"].as_str() {
            let pointer = target.trim_start_matches('#');
            return self.resolve(self.root.pointer(pointer).unwrap_or(&Json::Null));
        }
        let is_null = |s: &Json| s["type"] == "null";
        if let Some(options) = schema["anyOf"].as_array()
            && let Some(option) = options.iter().find(|s| !is_null(s))
        {
            return Resolved { nullable: options.iter().any(is_null), ..self.resolve(option) };
        }
        Resolved { schema, nullable: type_names(schema).any(|t| t == "null") }
    }

    /// The JSON of a node that fits; `None` after an error was reported.
    fn value(&mut self, node: &Node, schema: &'s Json, path: &str) -> Option<Json> {
        let meaning = meaning(schema);
        let written = Written { place: node.place.clone(), meaning: meaning.clone() };
        self.out.written.insert(path.to_owned(), written);
        let reported = self.out.errors.len();
        let value = self.resolved(node, schema, path);
        for error in self.out.errors.iter_mut().skip(reported).filter(|e| e.span == node.place.span) {
            error.hint = error.hint.take().or_else(|| meaning.clone());
        }
        value
    }

    fn resolved(&mut self, node: &Node, schema: &'s Json, path: &str) -> Option<Json> {
        let Resolved { schema, nullable } = self.resolve(schema);
        if node.is_null() && nullable {
            return Some(Json::Null);
        }
        if let Some(choices) = choices(schema) {
            return self.choice(node, &choices);
        }
        if let Some(variants) = schema["oneOf"].as_array() {
            return self.variant(node, variants, path);
        }
        match type_names(schema).find(|t| *t != "null")? {
            "object" => self.object(node, schema, path),
            "array" => self.array(node, schema, path),
            kind => self.scalar(node, schema, kind),
        }
    }

    fn object(&mut self, node: &Node, schema: &'s Json, path: &str) -> Option<Json> {
        let entries = match &node.value {
            Yaml::Map(entries) => entries.as_slice(),
            // A section whose keys are all commented out.
            _ if node.is_null() => &[],
            _ => {
                return self.wrong(
                    node,
                    "keys with values",
                    Some("write `key: value` lines, indented".into()),
                );
            }
        };
        let mut out = Map::new();
        for entry in entries {
            if let Some(schema) = self.schema_of_key(entry, schema, path) {
                let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                let value = self.value(&entry.node, schema, &path);
                out.extend(value.map(|v| (entry.key.clone(), v)));
            }
        }
        let complete = self.required_keys(node, entries, schema);
        // A required key whose value was wrong is reported already; the rest cannot be decoded.
        let decodes = required(schema).all(|key| out.contains_key(key));
        (complete && decodes).then_some(Json::Object(out))
    }

    fn schema_of_key(&mut self, entry: &Entry, schema: &'s Json, path: &str) -> Option<&'s Json> {
        if let Some(schema) = schema["properties"].get(&entry.key) {
            return Some(schema);
        }
        let others = &schema["additionalProperties"];
        if others.is_object() {
            return Some(others);
        }
        let known: Vec<&str> =
            schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        let message = format!("unknown key {:?}{place}", entry.key);
        let hint = did_you_mean(&entry.key, &known)
            .unwrap_or_else(|| format!("the keys here are {}", join(&known, "and")));
        self.out.errors.push(entry.key_place.error(Mistake::UnknownKey, message).with_hint(hint));
        None
    }

    fn required_keys(&mut self, node: &Node, entries: &[Entry], schema: &Json) -> bool {
        let missing: Vec<&str> =
            required(schema).filter(|key| entries.iter().all(|e| e.key != *key)).collect();
        for key in &missing {
            let error = node.place.error(Mistake::MissingKey, format!("the key \"{key}\" is missing"));
            let meaning = schema["properties"][key]["description"].as_str();
            self.out.errors.push(match meaning {
                Some(meaning) => error.with_hint(format!("`{key}`: {}", meaning.replace('\n', " "))),
                None => error,
            });
        }
        missing.is_empty()
    }

    fn array(&mut self, node: &Node, schema: &'s Json, path: &str) -> Option<Json> {
        let Yaml::List(nodes) = &node.value else {
            return self.wrong(
                node,
                "a list",
                Some("write `[]` for an empty list, `[a, b]` or `- a` lines".into()),
            );
        };
        let mut out = Vec::new();
        for node in nodes {
            // The index that the decoded list will have: what does not fit is left out.
            let element = format!("{path}[{}]", out.len());
            match self.value(node, &schema["items"], &element) {
                Some(value) => out.push(value),
                None => drop(self.out.shortened.insert(path.to_owned())),
            }
        }
        Some(Json::Array(out))
    }

    /// A mapping whose key `kind` says which variant it is.
    fn variant(&mut self, node: &Node, variants: &'s [Json], path: &str) -> Option<Json> {
        let name = |v: &'s Json| v["properties"]["kind"]["const"].as_str();
        let names: Vec<&str> = variants.iter().filter_map(name).collect();
        let Yaml::Map(entries) = &node.value else {
            return self.wrong(
                node,
                "keys with values",
                Some(format!("start with `kind:` {}", join(&names, "or"))),
            );
        };
        let Some(kind) = entries.iter().find(|e| e.key == "kind") else {
            let error = node.place.error(Mistake::MissingKey, "the key \"kind\" is missing");
            self.out.errors.push(error.with_hint(format!("`kind:` is {}", join(&names, "or"))));
            return None;
        };
        let Json::String(chosen) = self.choice(&kind.node, &names)? else { return None };
        let variant = variants.iter().find(|v| name(v) == Some(chosen.as_str()))?;
        self.object(node, variant, path)
    }

    fn choice(&mut self, node: &Node, choices: &[&str]) -> Option<Json> {
        let text = match &node.value {
            Yaml::Scalar { text, .. } if choices.contains(&text.as_str()) => {
                return Some(Json::String(text.clone()));
            }
            Yaml::Scalar { text, .. } => text.as_str(),
            _ => "",
        };
        let hint = did_you_mean(text, choices);
        self.wrong(node, &join(choices, "or"), hint)
    }

    fn scalar(&mut self, node: &Node, schema: &Json, kind: &str) -> Option<Json> {
        let parsed = match &node.value {
            Yaml::Scalar { text, plain } => formats::scalar(text, *plain, kind, schema["format"].as_str()),
            _ => Err(formats::expectation(kind, schema["format"].as_str())),
        };
        match parsed {
            Ok(value) => Some(value),
            Err(formats::Refusal { expected, hint }) if node.is_null() => {
                let hint = hint.unwrap_or_else(|| "leave the key out to have the default".to_owned());
                self.wrong(node, &expected, Some(hint))
            }
            Err(formats::Refusal { expected, hint }) => self.wrong(node, &expected, hint),
        }
    }

    fn wrong(&mut self, node: &Node, expected: &str, hint: Option<String>) -> Option<Json> {
        let message = format!("expected {expected}, found {}", found(node));
        let error = node.place.error(Mistake::WrongType, message);
        self.out.errors.push(ConfigError { hint, ..error });
        None
    }
}

/// `lines: Changed lines. Default: 50`, of the schema of a key.
fn meaning(schema: &Json) -> Option<String> {
    let description = schema["description"].as_str()?.replace('\n', " ");
    Some(match &schema["default"] {
        Json::Null | Json::Object(_) | Json::Array(_) => description,
        Json::String(text) => format!("{description} Default: {text}"),
        default => format!("{description} Default: {default}"),
    })
}

fn type_names(schema: &Json) -> impl Iterator<Item = &str> {
    let kind = &schema["type"];
    kind.as_str().into_iter().chain(kind.as_array().into_iter().flatten().filter_map(Json::as_str))
}

fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// The words of an enumeration; `None` for any other schema.
fn choices(schema: &Json) -> Option<Vec<&str>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let one = |s: &'_ Json| s["const"].is_string() || s["enum"].is_array();
    let variants = schema["oneOf"].as_array().filter(|v| v.iter().all(one))?;
    let words =
        variants.iter().flat_map(|s| s["const"].as_str().into_iter().chain(choices(s).into_iter().flatten()));
    Some(words.collect())
}

/// What was found instead, in words.
fn found(node: &Node) -> String {
    match &node.value {
        Yaml::Map(_) => "keys with values".to_owned(),
        Yaml::List(_) => "a list".to_owned(),
        Yaml::Scalar { .. } if node.is_null() => "nothing".to_owned(),
        Yaml::Scalar { text, .. } if text.chars().count() > 40 => {
            format!("{:?}…", text.chars().take(40).collect::<String>())
        }
        Yaml::Scalar { text, .. } => format!("{text:?}"),
    }
}

/// A hint that names the nearest of `known`, where one is near.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    let near = (word.chars().count() / 3).max(1);
    let distance = |k: &&&str| strsim::damerau_levenshtein(word, k);
    let nearest = known.iter().min_by_key(distance).filter(|k| distance(k) <= near && !word.is_empty())?;
    Some(format!("did you mean `{nearest}`?"))
}

/// `a, b or c`.
pub(crate) fn join(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    match quoted.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

//! Scalars: what a word in the file means where a certain type or form is expected.

use crate::{
    path_rules,
    units::{Bytes, Millis},
};
use foureyes_protocol::{FeatureId, PrincipalId};
use serde_json::Value as Json;
use std::path::{Component, Path};

/// A word that does not fit.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    /// What was expected, in words.
    pub expected: String,
    /// What would mend it.
    pub hint: Option<String>,
}

fn refuse(expected: &str, hint: Option<&str>) -> Refusal {
    Refusal { expected: expected.to_owned(), hint: hint.map(str::to_owned) }
}

/// What is expected where a list or a mapping stands instead of a word.
pub(crate) fn expectation(kind: &str, format: Option<&str>) -> Refusal {
    match (kind, format) {
        (_, Some("foureyes-duration")) => refuse("a duration", Some("such as `5 min`")),
        (_, Some("foureyes-size")) => refuse("a size", Some("such as `4 GiB`")),
        ("integer", _) => refuse("a whole number", None),
        ("number", _) => refuse("a number", None),
        ("boolean", _) => refuse("`true` or `false`", None),
        _ => refuse("text", None),
    }
}

/// The JSON of a word where `kind` (a JSON type) in the form `format` is expected.
///
/// # Errors
/// [`Refusal`] when it does not fit.
pub(crate) fn scalar(text: &str, plain: bool, kind: &str, format: Option<&str>) -> Result<Json, Refusal> {
    match kind {
        "integer" => integer(text, plain, format),
        "number" => number(text, plain),
        "boolean" => boolean(text, plain),
        _ if plain && matches!(text, "" | "~" | "null") => Err(expectation(kind, format)),
        _ => form(text, format).map(|()| Json::String(text.to_owned())),
    }
}

fn integer(text: &str, plain: bool, format: Option<&str>) -> Result<Json, Refusal> {
    let limit = match format {
        Some("uint8") => u64::from(u8::MAX),
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    match text.parse::<u64>() {
        _ if !plain => Err(refuse("a whole number", Some("write it without quotes"))),
        Ok(n) if n <= limit => Ok(n.into()),
        Ok(_) => Err(refuse(&format!("a whole number of at most {limit}"), None)),
        Err(_) if text.parse::<i128>().is_ok_and(|n| n < 0) => Err(refuse("a whole number from 0 on", None)),
        Err(_) if text.contains('_') => Err(refuse("a whole number", Some("write the digits without `_`"))),
        Err(_) => Err(refuse("a whole number", None)),
    }
}

fn number(text: &str, plain: bool) -> Result<Json, Refusal> {
    let share = text.trim_end().ends_with('%').then_some("write a share of 1: `0.05` is 5 %");
    match text.parse::<f64>() {
        _ if !plain => Err(refuse("a number", Some("write it without quotes"))),
        Ok(n) if n.is_finite() => Ok(n.into()),
        _ => Err(refuse("a number", share)),
    }
}

fn boolean(text: &str, plain: bool) -> Result<Json, Refusal> {
    let hint = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" => Some("write `true`"),
        "no" | "off" | "false" => Some("write `false`"),
        _ => None,
    };
    match text {
        "true" if plain => Ok(true.into()),
        "false" if plain => Ok(false.into()),
        _ => Err(refuse("`true` or `false`", hint)),
    }
}

fn form(text: &str, format: Option<&str>) -> Result<(), Refusal> {
    match format {
        Some("foureyes-duration") => duration(text),
        Some("foureyes-size") => size(text),
        Some("foureyes-role-id") => role_id(text),
        Some("foureyes-feature-id") => name("the short name of a feature", FeatureId::new(text).is_ok()),
        Some("foureyes-glob") => glob(text),
        Some("foureyes-absolute-path") => absolute_path(text),
        _ => Ok(()),
    }
}

fn duration(text: &str) -> Result<(), Refusal> {
    let hint = "write a whole number and a unit: `250 ms`, `30 s`, `5 min`, `4 h`, `7 days`, `2 years`";
    text.parse::<Millis>().map(|_| ()).map_err(|_| refuse("a duration", Some(hint)))
}

fn size(text: &str) -> Result<(), Refusal> {
    let hint = "write a whole number and a unit: `512 B`, `64 KiB`, `16 MiB`, `4 GiB`";
    text.parse::<Bytes>().map(|_| ()).map_err(|_| refuse("a size", Some(hint)))
}

/// Names that mean something else wherever a role can be named.
const RESERVED: [&str; 3] = ["user", "system", "all"];

fn role_id(text: &str) -> Result<(), Refusal> {
    if RESERVED.contains(&text) {
        let hint = "`user`, `system` and `all` have a meaning of their own; choose another name";
        return Err(refuse("the name of a role", Some(hint)));
    }
    name("the name of a role", PrincipalId::new(text).is_ok())
}

fn name(what: &str, valid: bool) -> Result<(), Refusal> {
    let hint = "1 to 64 characters of a-z, 0-9 and `-`, starting with a letter or digit";
    if valid { Ok(()) } else { Err(refuse(what, Some(hint))) }
}

fn glob(text: &str) -> Result<(), Refusal> {
    match path_rules::pattern_error(text) {
        Some(why) => Err(refuse("a path pattern", Some(&why))),
        None => Ok(()),
    }
}

fn absolute_path(text: &str) -> Result<(), Refusal> {
    let path = Path::new(text);
    let climbs = path.components().any(|c| c == Component::ParentDir);
    match path.is_absolute() && !climbs {
        true => Ok(()),
        false => Err(refuse("an absolute path", Some("start with `/` and leave out `..`"))),
    }
}

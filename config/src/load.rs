//! From text to a configuration: defaults below, the file above, everything wrong reported at once.

use crate::{
    Config,
    check::{self, Checked},
    error::{ConfigError, ConfigErrors, Mistake},
    references,
    schema::schema_value,
    sections::limits::{Limits, Profile},
    yaml::{self, Place},
};
use garde::Validate;
use serde_json::{Map, Value as Json};

/// The commented reference of every key; what it says is what holds where a file is silent.
pub const DEFAULT_YAML: &str = include_str!("../default.yaml");

/// Reads a configuration file: defaults < file. Whether the plays that it names exist is not
/// looked at. An empty text is the default.
///
/// # Errors
/// [`ConfigErrors`] with every mistake of the text; `source_name` is the file name that they show.
pub fn load(text: &str, source_name: &str) -> Result<Config, ConfigErrors> {
    load_with_plays(text, source_name, &|_| true)
}

/// As [`load`]; `play_exists` answers whether a play that the file names is there.
///
/// # Errors
/// [`ConfigErrors`] with every mistake of the text; `source_name` is the file name that they show.
pub fn load_with_plays(
    text: &str,
    source_name: &str,
    play_exists: &dyn Fn(&str) -> bool,
) -> Result<Config, ConfigErrors> {
    read(text, play_exists).map_err(|errors| ConfigErrors::new(source_name, text, errors))
}

fn read(text: &str, play_exists: &dyn Fn(&str) -> bool) -> Result<Config, Vec<ConfigError>> {
    let Some(tree) = yaml::parse(text)? else { return Ok(Config::default()) };
    let mut checked = check::check(&tree, &schema_value());
    let json = std::mem::take(&mut checked.json);
    let config = decode(json).map_err(|e| undecodable(&mut checked, &e))?;
    checked.errors.extend(ranges(&config, &checked));
    checked.errors.extend(references::check(&config, &checked, play_exists));
    match checked.errors.is_empty() {
        true => Ok(config),
        false => Err(checked.errors),
    }
}

/// What was checked decodes; should a type refuse more than its schema says, it is still an error
/// of the file and no panic.
fn undecodable(checked: &mut Checked, error: &serde_json::Error) -> Vec<ConfigError> {
    let start = Place { span: 0..0, line: 1, column: 1 };
    let hint = "compare the file with the reference, `default.yaml`";
    checked.errors.push(start.error(Mistake::WrongType, error.to_string()).with_hint(hint));
    std::mem::take(&mut checked.errors)
}

fn decode(file: Map<String, Json>) -> Result<Config, serde_json::Error> {
    let mut base = Config::default();
    if file.get("limits").is_some_and(|l| l["profile"] == serde_json::json!(Profile::Strict)) {
        base.limits = Limits::strict();
    }
    let mut merged = serde_json::to_value(base)?;
    overlay(&mut merged, Json::Object(file));
    serde_json::from_value(merged)
}

/// Lays `above` over `below`: key by key where both are mappings, else `above` replaces. Programs
/// (mappings with a `kind`) are never mixed.
fn overlay(below: &mut Json, above: Json) {
    let above = match (below.as_object_mut(), above) {
        (Some(below), Json::Object(above)) if !above.contains_key("kind") => {
            for (key, value) in above {
                overlay(below.entry(key).or_insert(Json::Null), value);
            }
            return;
        }
        (_, above) => above,
    };
    *below = above;
}

/// Numbers and lengths that are out of range.
fn ranges(config: &Config, checked: &Checked) -> Vec<ConfigError> {
    let Err(report) = config.validate() else { return Vec::new() };
    let error = |(path, error): &(garde::Path, garde::Error)| {
        let path = path.to_string();
        let message = format!("`{path}` {}", in_words(error.message()));
        let meaning = checked.written.get(&path).and_then(|w| w.meaning.clone());
        ConfigError { hint: meaning, ..checked.place(&path).error(Mistake::OutOfRange, message) }
    };
    report.iter().map(error).collect()
}

/// garde's terse messages as the end of a sentence that starts with the key.
fn in_words(message: &str) -> String {
    if message.starts_with("length is lower than") {
        return "must not be empty".to_owned();
    }
    match (message.strip_prefix("lower than "), message.strip_prefix("greater than ")) {
        (Some(least), _) => format!("must be at least {least}"),
        (_, Some(most)) => format!("must be at most {most}"),
        _ => message.to_owned(),
    }
}

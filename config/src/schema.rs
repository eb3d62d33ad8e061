//! Pieces of the JSON schema that the types cannot say themselves, and the schema as a whole.

use crate::Config;
use foureyes_protocol::Family;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// The JSON schema of the configuration file, as text with a final newline. The copy that is
/// checked in for editors (`config/schema.json`) is exactly this.
pub fn schema_json() -> String {
    // Serializing a `Value` to a string cannot fail: its keys are strings.
    let text = serde_json::to_string_pretty(&schema_value()).unwrap_or_default();
    text + "\n"
}

/// The JSON schema of the configuration file.
pub(crate) fn schema_value() -> Value {
    schemars::schema_for!(Config).to_value()
}

pub(crate) fn role_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "foureyes-role-id", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$" })
}

pub(crate) fn feature_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"], "format": "foureyes-feature-id", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"
    })
}

pub(crate) fn role_family(_: &mut SchemaGenerator) -> Schema {
    let families: Vec<&str> = Family::ROLES.iter().map(|f| f.as_str()).collect();
    json_schema!({ "type": "string", "enum": families })
}

pub(crate) fn globs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "foureyes-glob" } })
}

pub(crate) fn glob_map(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": globs(generator) })
}

pub(crate) fn absolute_paths(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "items": { "type": "string", "format": "foureyes-absolute-path", "pattern": "^/" }
    })
}

pub(crate) fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"], "format": "foureyes-absolute-path", "pattern": "^/", "default": null
    })
}

//! `run` and `tasks`: what `agents run` starts with and when it ends.

use super::section;
use crate::{schema, units::Millis};
use foureyes_protocol::FeatureId;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

section! {
    /// When `agents run` ends.
    pub struct Run {
        /// Whether it ends when every feature is delivered or cancelled.
        pub until_done: bool = false,
        /// How long it then stays open on a terminal, or until a key is pressed.
        pub stay_open: Millis = Millis(0),
    }
}

/// A feature request to start with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Task {
    /// The feature's short name, also of its branch. Absent: made from the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::feature_id")]
    pub id: Option<FeatureId>,
    /// What is wanted, in one line.
    #[garde(length(min = 1))]
    pub title: String,
    /// What is wanted, at length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

//! The configuration: what a user may decide, with its defaults, its errors and its meaning for
//! trust.
//!
//! One file a section in [`sections`]. `default.yaml` beside this crate is the commented reference
//! of every key and at the same time the embedded default: a test holds the two together.

pub mod builtin;
mod check;
pub mod config;
pub mod error;
mod formats;
pub mod load;
pub mod path_rules;
pub mod prompts;
mod references;
pub mod schema;
pub mod sections;
pub mod trust;
pub mod units;
mod yaml;

pub use config::Config;
pub use error::{ConfigError, ConfigErrors};
pub use load::{DEFAULT_YAML, load, load_with_plays};
pub use path_rules::{PathClass, PathRules};
pub use schema::schema_json;
pub use units::{Bytes, Millis};

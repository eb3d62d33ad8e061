//! The sections of the configuration, one file each: the type, its default, its meaning.
//!
//! The doc comments of the fields are also the descriptions of the JSON schema.

pub mod agents;
pub mod delivery;
pub mod display;
pub mod four_eyes;
pub mod freeze;
pub mod gates;
pub mod limits;
pub mod lock;
pub mod messages;
pub mod model;
pub mod paths;
pub mod prompts;
pub mod review;
pub mod roster;
pub mod run;
pub mod sandbox;
pub mod second_factor;
pub mod signing;
pub mod suite;
pub mod supervision;

/// Derives and rules that every section has in common: all keys may be left out, none is unknown.
macro_rules! section {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty = $default:expr,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[derive(schemars::JsonSchema, garde::Validate)]
        #[serde(default, deny_unknown_fields)]
        #[garde(allow_unvalidated)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}
pub(crate) use section;

/// The owned form of a list of words.
pub(crate) fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

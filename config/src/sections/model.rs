//! `model`: how agents reach their model, and what they may spend.

use super::section;
use crate::{
    schema,
    units::{Millis, positive},
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

section! {
    /// How agents reach their model. They never hold its key: the runtime's proxy puts it in.
    pub struct Model {
        /// Whose API it is.
        pub provider: Provider = Provider::Anthropic,
        /// Where the API is. Absent: where the variable of the runtime's environment says by which
        /// the user's own CLI finds it (`ANTHROPIC_BASE_URL` and the like), else the provider's own.
        pub base_url: Option<String> = None,
        /// Where the proxy takes the credentials from.
        pub credentials: Credentials = Credentials::Auto,
        /// A file that holds the key or token, for `credentials: file`.
        #[schemars(schema_with = "schema::absolute_path")]
        pub credentials_file: Option<PathBuf> = None,
        /// How long the API may say nothing in mid-answer before the connection is cut.
        #[garde(custom(positive))]
        pub silence: Millis = Millis::seconds(90),
        /// What may be spent. Reaching a budget interrupts the turn in flight.
        #[garde(dive)]
        pub budgets: Budgets = Budgets::default(),
        /// Prices in US dollars per million tokens, by the beginning of the model's name; the longest
        /// that fits holds. They replace the built-in ones of the same name.
        #[garde(dive)]
        pub prices: BTreeMap<String, Price> = BTreeMap::new(),
        /// Hosts from which the runtime fetches pages for `docs`, by GET alone. Empty: none.
        pub fetch_hosts: Vec<String> = Vec::new(),
        /// Plays that stand in for a model, with `provider: stand-in`: role to play. A role that is
        /// not named plays `good/<family>`.
        pub plays: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// Whose API the agents' model is reached by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Anthropic's Messages API, or a gateway that speaks it.
    #[default]
    Anthropic,
    /// Amazon Bedrock, with a bearer token.
    Bedrock,
    /// Google Vertex AI, with an access token.
    Vertex,
    /// The built-in stand-in on this machine: scripted plays, no account, no network.
    StandIn,
}

/// Where the proxy takes the credentials from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// The first that is found: the environment, then the login of the user's own Claude Code.
    #[default]
    Auto,
    /// An API key in `ANTHROPIC_API_KEY`.
    ApiKey,
    /// A subscription: `CLAUDE_CODE_OAUTH_TOKEN`, or the login of the user's own Claude Code.
    Subscription,
    /// A bearer token in `ANTHROPIC_AUTH_TOKEN`, or the cloud provider's own variable.
    Bearer,
    /// The file `credentials_file`, read again when it changes.
    File,
}

section! {
    /// What may be spent, in US dollars by the configured prices. Nothing: no limit.
    pub struct Budgets {
        /// By one run of the runtime.
        #[garde(inner(range(min = 0.0)))]
        pub run: Option<f64> = None,
        /// By one feature.
        #[garde(inner(range(min = 0.0)))]
        pub feature: Option<f64> = None,
        /// By one role in one run of the runtime.
        #[garde(inner(range(min = 0.0)))]
        pub role: Option<f64> = None,
    }
}

/// Prices of a model in US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens read.
    #[garde(range(min = 0.0))]
    pub input: f64,
    /// Tokens written.
    #[garde(range(min = 0.0))]
    pub output: f64,
    /// Tokens read from the cache.
    #[garde(range(min = 0.0))]
    pub cache_read: f64,
    /// Tokens written into the cache.
    #[garde(range(min = 0.0))]
    pub cache_write: f64,
}

//! What an agent's model used, and why it could not be had: the words that the proxy, the rules and
//! the ledger share.

use std::time::Duration;

/// What one answered request used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelUse {
    /// The model, as the provider names it.
    pub model: String,
    /// Tokens read that were in no cache.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written into the provider's cache.
    pub cache_write_tokens: u64,
    /// Its price in millionths of a US dollar by the configured prices; `None` for a model that has
    /// none.
    pub microusd: Option<u64>,
}

/// Why a model could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelTrouble {
    /// The account was refused (401, 403), or no credentials were found.
    Auth(String),
    /// The provider wants a pause (429), or a usage limit is reached.
    RateLimited {
        /// When it ends, where the answer tells: milliseconds since the Unix epoch.
        until: Option<u64>,
    },
    /// The provider is overloaded (529).
    Overloaded,
    /// The provider failed (5xx).
    Server(u16),
    /// The provider could not be reached, or the connection broke.
    Network(String),
    /// Nothing came for so long, and the connection was cut.
    Silent(Duration),
    /// The conversation is longer than the model can read.
    TooLong,
    /// The request was refused for another reason.
    Refused(u16, String),
}

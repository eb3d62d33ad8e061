//! `display`: what a person sees.

use super::section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

section! {
    /// Displays only watch; whatever they do harms no agent.
    pub struct Display {
        /// Whether `agents run` on a terminal shows the live view; otherwise the plain log.
        pub live: bool = true,
        /// Whether `agents attach` without a role opens the grid of all roles in tmux.
        pub tmux: bool = true,
        /// When colours are used. `NO_COLOR` is obeyed by `auto`.
        pub colours: Colours = Colours::Auto,
    }
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Colours {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

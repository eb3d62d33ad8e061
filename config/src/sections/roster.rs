//! `roles`: who is on the team and which program plays each role.

use crate::schema;
use foureyes_protocol::{Family, PrincipalId};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One role of the team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Role {
    /// Its name: 1 to 64 characters of a-z, 0-9 and '-'. Not `user`, `system` or `all`.
    #[schemars(schema_with = "schema::role_id")]
    pub id: PrincipalId,
    /// Its family, which decides what it may do.
    #[schemars(schema_with = "schema::role_family")]
    pub family: Family,
    /// The program that plays it; `agents.backend` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub backend: Option<Backend>,
}

/// The program behind a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub enum Backend {
    /// A deterministic stand-in that plays a script. Needs no account.
    Scripted {
        /// The play: a built-in one (`demo/dev-a`), or the path of a YAML file relative to this
        /// configuration file.
        #[garde(length(min = 1))]
        play: String,
    },
    /// Any command-line program, in a terminal of its own.
    Command {
        /// Program and arguments, as found inside the sandbox. Nothing goes through a shell.
        #[garde(length(min = 1))]
        argv: Vec<String>,
        /// Environment variables besides PATH, HOME, LANG and TERM.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, String>,
    },
    /// Claude Code.
    Claude {
        /// Model name; the program's own default where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// How it is driven.
        #[serde(default, skip_serializing_if = "ClaudeMode::is_structured")]
        mode: ClaudeMode,
        /// More command-line arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A program that speaks the Agent Client Protocol.
    Acp {
        /// Model name, as the program names it; the program's own default where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// Program and arguments, as found inside the sandbox. Nothing goes through a shell.
        #[garde(length(min = 1))]
        argv: Vec<String>,
        /// Environment variables besides PATH, HOME, LANG and TERM.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, String>,
    },
}

/// How Claude Code is driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaudeMode {
    /// Over pipes, by its structured protocol: people watch a transcript.
    #[default]
    Structured,
    /// In a terminal, by its own screen.
    Terminal,
}

impl ClaudeMode {
    /// Whether it is the default.
    pub fn is_structured(&self) -> bool {
        *self == Self::Structured
    }
}

impl Backend {
    /// The kind as written in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scripted { .. } => "scripted",
            Self::Command { .. } => "command",
            Self::Claude { .. } => "claude",
            Self::Acp { .. } => "acp",
        }
    }

    /// The play, where a script plays the role.
    pub fn play(&self) -> Option<&str> {
        match self {
            Self::Scripted { play } => Some(play),
            _ => None,
        }
    }
}

/// The default team, in the order of displays.
const TEAM: [(&str, Family); 12] = [
    ("orchestrator", Family::Orchestrator),
    ("librarian", Family::Librarian),
    ("planner-a", Family::Planner),
    ("planner-b", Family::Planner),
    ("architect-a", Family::Architect),
    ("architect-b", Family::Architect),
    ("architect-c", Family::Architect),
    ("dev-a", Family::Dev),
    ("dev-b", Family::Dev),
    ("qa-a", Family::Qa),
    ("qa-b", Family::Qa),
    ("docs", Family::Docs),
];

/// The twelve roles of the default team, without programs of their own.
pub fn default_roles() -> Vec<Role> {
    let role = |(id, family): (&str, Family)| {
        let id = PrincipalId::new(id).ok()?;
        Some(Role { id, family, backend: None })
    };
    TEAM.into_iter().filter_map(role).collect()
}

//! `repository` and `deliver`: where the work comes from and where it goes.

use super::section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done with a change that has passed all gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deliver {
    /// A branch `agents/<feature>` in the user's repository.
    Branch,
    /// The target branch of the user's repository is moved forward.
    Main,
    /// The target branch is pushed to the remote.
    Push,
    /// A branch is pushed and a pull request opened, with the evidence as its text.
    PullRequest,
}

section! {
    /// The user's repository.
    pub struct Repository {
        /// The branch that changes land on. Absent: the one that HEAD names.
        #[garde(length(min = 1))]
        pub target_branch: Option<String> = None,
        /// The remote that `push` and `pull-request` use.
        #[garde(length(min = 1))]
        pub remote: String = "origin".to_owned(),
        /// A repository that the runtime writes itself, instead of one that exists.
        pub builtin: Option<Builtin> = None,
    }
}

/// Repositories that the runtime can write itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Builtin {
    /// A small Rust crate without dependencies, with tests.
    Demo,
}

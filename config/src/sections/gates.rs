//! `gates`: how the runtime checks a change and when it stops trying.

use super::{section, suite::Suite};
use crate::units::{Bytes, Millis, positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

section! {
    /// Gate runs, returns and landing.
    pub struct Gates {
        /// The test suite and what belongs to it.
        #[garde(dive)]
        pub suite: Suite = Suite::default(),
        /// Limits of one gate run.
        #[garde(dive)]
        pub limits: GateLimits = GateLimits::default(),
        /// How often a test is repeated to tell a flaky one from a failing one.
        #[garde(range(min = 1, max = 100))]
        pub flaky_repeats: u32 = 5,
        /// Whom repeated returns of one gate reach.
        #[garde(dive)]
        pub returns: Returns = Returns::default(),
        /// Returns from DEPLOY that reach the user.
        #[garde(dive)]
        pub deploy_returns: DeployReturns = DeployReturns::default(),
        /// Up to so many changed lines since their last look, reviewers are shown only the mend.
        pub mend_lines: u64 = 50,
        /// Checks that are made after the fact.
        #[garde(dive)]
        pub spot_checks: SpotChecks = SpotChecks::default(),
        /// How a change lands on the target branch.
        pub merge_style: MergeStyle = MergeStyle::Merge,
    }
}

/// How a change lands on the target branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeStyle {
    /// A merge commit of the branch, signed by the gate key.
    #[default]
    Merge,
    /// One commit with the content of the branch.
    Squash,
    /// The branch's commits replayed on the target, without a merge commit.
    Linear,
}

section! {
    /// Limits of one gate run.
    pub struct GateLimits {
        /// Wall-clock time.
        #[garde(custom(positive))]
        pub time: Millis = Millis::minutes(15),
        /// Memory (data segment) of each process.
        #[garde(custom(positive))]
        pub memory: Bytes = Bytes::gib(4),
        /// Processes and threads together. The kernel's least ceiling is 301.
        #[garde(range(min = 301))]
        pub processes: u32 = 512,
    }
}

section! {
    /// Returns of the same gate of one feature.
    pub struct Returns {
        /// So many reach the orchestrator.
        #[garde(range(min = 1))]
        pub orchestrator: u32 = 3,
        /// So many reach the user. Not less than `orchestrator`.
        #[garde(range(min = 1))]
        pub user: u32 = 5,
    }
}

section! {
    /// Returns from DEPLOY.
    pub struct DeployReturns {
        /// So many…
        #[garde(range(min = 1))]
        pub count: u32 = 2,
        /// …within this time reach the user.
        #[garde(custom(positive))]
        pub within: Millis = Millis::days(7),
    }
}

section! {
    /// Checks that are made after the fact.
    pub struct SpotChecks {
        /// A fast-track change is looked at by a qa within this time after it landed.
        #[garde(custom(positive))]
        pub qa_due: Millis = Millis::hours(24),
        /// Share of the co-signs granted by rule at risk LOW that the librarian checks, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub cosign_low: f64 = 0.05,
        /// The same at risk MEDIUM, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub cosign_medium: f64 = 0.10,
    }
}

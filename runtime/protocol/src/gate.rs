//! The five gates and how a check of one ends.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a feature stands. The order is the order of the way to `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Gate {
    /// Before the gates: the specification.
    Spec,
    /// New tests fail, all others pass.
    Red,
    /// Everything passes, no admitted test was touched.
    Green,
    /// Other eyes approve exactly this content.
    Peer,
    /// The merge result is verified.
    Qa,
    /// It lands on `main`, signed.
    Deploy,
}

impl Gate {
    /// All, in order, SPEC first.
    pub const ALL: [Gate; 6] = [Gate::Spec, Gate::Red, Gate::Green, Gate::Peer, Gate::Qa, Gate::Deploy];

    /// The next gate; `None` after DEPLOY.
    pub fn next(self) -> Option<Gate> {
        Self::ALL.into_iter().find(|g| *g > self)
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Gate::Spec => "SPEC",
            Gate::Red => "RED",
            Gate::Green => "GREEN",
            Gate::Peer => "PEER",
            Gate::Qa => "QA",
            Gate::Deploy => "DEPLOY",
        })
    }
}

/// How a check of a gate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All conditions hold; the feature moves on.
    Passed,
    /// The runtime's own check holds, signatures are still missing.
    Checked,
    /// A condition fails; the feature goes back.
    Returned,
    /// The gate does not apply to this kind of change; the evidence says why.
    NotApplicable,
    /// The environment is broken: neither passed nor returned; somebody must mend it.
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_goes_through_all_gates_in_order() {
        let way: Vec<Gate> = std::iter::successors(Some(Gate::Spec), |g| g.next()).collect();
        assert_eq!(way, Gate::ALL);
        assert_eq!(Gate::Deploy.next(), None);
    }
}

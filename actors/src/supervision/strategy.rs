//! Who is restarted together with whom. Pure.

use std::ops::{Bound, RangeBounds};

/// Which siblings share the fate of a failed child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// None: the children do not depend on each other.
    OneForOne,
    /// All: none is of use without the others.
    OneForAll,
    /// Those started after it: each depends on the ones before.
    RestForOne,
}

impl Strategy {
    /// The places in start order that are restarted when the child at `failed` is.
    pub fn affected(self, failed: u64) -> impl RangeBounds<u64> {
        match self {
            Self::OneForOne => (Bound::Included(failed), Bound::Included(failed)),
            Self::OneForAll => (Bound::Unbounded, Bound::Unbounded),
            Self::RestForOne => (Bound::Included(failed), Bound::Unbounded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_names_its_places() {
        let table = [
            (Strategy::OneForOne, vec![2]),
            (Strategy::OneForAll, vec![0, 1, 2, 3, 4]),
            (Strategy::RestForOne, vec![2, 3, 4]),
        ];
        for (strategy, expected) in table {
            let range = strategy.affected(2);
            let places: Vec<u64> = (0..5).filter(|place| range.contains(place)).collect();
            assert_eq!(places, expected, "{strategy:?}");
        }
    }
}

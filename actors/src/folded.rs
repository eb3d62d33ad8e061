//! Where features stand, for those who ask from outside the actors: folded when asked for, and only
//! what came since the last question, so that it costs nothing while nobody asks.

use crate::journal::{Cursor, Journal};
use foureyes_policies::features::Features;
use std::sync::{Arc, Mutex, PoisonError};

/// A fold of the journal that is kept.
#[derive(Debug, Default)]
pub struct FoldedFeatures {
    state: Mutex<(Cursor, Arc<Features>)>,
}

impl FoldedFeatures {
    /// What all records of the journal say. The answer does not change any more; a later question
    /// gets a later one.
    pub fn get(&self, journal: &Journal) -> Arc<Features> {
        // A panic in the middle of a record would leave it half folded, so a poisoned fold is made anew.
        let mut state = self.state.lock().unwrap_or_else(|poisoned| {
            let mut state = PoisonError::into_inner(poisoned);
            *state = Default::default();
            state
        });
        let (cursor, features) = &mut *state;
        let new = cursor.next(journal);
        if !new.is_empty() {
            // Copies only where an earlier answer is still being looked at.
            let features = Arc::make_mut(features);
            new.iter().for_each(|entry| features.apply(&entry.record));
        }
        features.clone()
    }
}

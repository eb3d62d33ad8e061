//! How many restarts a supervisor bears within a window. Pure: time is handed in.

use std::collections::VecDeque;

/// At most `max` restarts within `within_ms` milliseconds; one more and the supervisor gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed in the window; 0 means that the first failure already escalates.
    pub max: u32,
    /// Length of the window in milliseconds.
    pub within_ms: u64,
}

impl Intensity {
    /// At most `max` restarts within `within_ms` milliseconds.
    pub const fn new(max: u32, within_ms: u64) -> Self {
        Self { max, within_ms }
    }
}

/// The restarts that still lie in the window.
#[derive(Debug, Clone)]
pub struct IntensityWindow {
    limit: Intensity,
    restarts: VecDeque<u64>,
}

impl IntensityWindow {
    /// An empty window.
    pub fn new(limit: Intensity) -> Self {
        Self { limit, restarts: VecDeque::new() }
    }

    /// Counts a restart at `now_ms`; false when that is one too many (it is then not counted).
    pub fn admit(&mut self, now_ms: u64) -> bool {
        while self.restarts.front().is_some_and(|at| now_ms.saturating_sub(*at) > self.limit.within_ms) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= self.limit.max as usize {
            return false;
        }
        self.restarts.push_back(now_ms);
        true
    }

    /// Forgets all restarts: the supervisor itself was restarted.
    pub fn clear(&mut self) {
        self.restarts.clear();
    }

    /// The limit that is kept.
    pub fn limit(&self) -> Intensity {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_counts_until_the_window_has_passed_it() {
        let mut window = IntensityWindow::new(Intensity::new(2, 100));
        let seen: Vec<bool> = [0, 50, 100, 101, 150, 151].into_iter().map(|now| window.admit(now)).collect();
        assert_eq!(seen, [true, true, false, true, false, true]);
    }

    #[test]
    fn none_allowed_means_none() {
        assert!(!IntensityWindow::new(Intensity::new(0, 1_000)).admit(5));
    }

    #[test]
    fn a_cleared_window_is_new() {
        let mut window = IntensityWindow::new(Intensity::new(1, 1_000));
        assert!(window.admit(0) && !window.admit(1));
        window.clear();
        assert!(window.admit(2));
    }
}

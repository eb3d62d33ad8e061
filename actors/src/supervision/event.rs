//! What the tree tells of itself.

use std::sync::Arc;

use super::exit::ExitCause;

/// A child's ids from the root down, joined by `/`: `root/services/registry`.
pub type ChildPath = Arc<str>;

/// One thing that happened in the tree. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisionEvent {
    /// A child was started for the first time.
    ChildStarted {
        /// Who.
        child: ChildPath,
    },
    /// A child's code panicked.
    ChildPanicked {
        /// Who.
        child: ChildPath,
        /// The panic's message.
        reason: String,
        /// `file:line:column`, or empty when the panic hook is not installed.
        location: String,
    },
    /// A child ended itself as a failure.
    ChildFailed {
        /// Who.
        child: ChildPath,
        /// What it said.
        reason: String,
    },
    /// A child waits before it is restarted; its mailbox keeps queueing.
    ChildBackingOff {
        /// Who.
        child: ChildPath,
        /// Failures since it was last healthy.
        attempt: u32,
        /// How long it waits.
        delay_ms: u64,
    },
    /// A child is being restarted behind its address.
    ChildRestarted {
        /// Who.
        child: ChildPath,
        /// Failures since it was last healthy; 0 when it is restarted for another's sake.
        attempt: u32,
        /// How long it had to wait.
        delay_ms: u64,
        /// Why its last run ended.
        cause: ExitCause,
    },
    /// A child was stopped or has ended and does not come back by itself.
    ChildStopped {
        /// Who.
        child: ChildPath,
        /// Why.
        cause: ExitCause,
    },
    /// A supervisor gives up and stops its children.
    IntensityExceeded {
        /// Which supervisor.
        supervisor: ChildPath,
        /// How many restarts it was allowed.
        max: u32,
        /// In how long.
        within_ms: u64,
    },
    /// The root gave up; nothing runs any more.
    Meltdown {
        /// The root.
        supervisor: ChildPath,
    },
    /// A child did not stop in time and was killed.
    ShutdownTimedOut {
        /// Who.
        child: ChildPath,
        /// How long it was given.
        after_ms: u64,
    },
}

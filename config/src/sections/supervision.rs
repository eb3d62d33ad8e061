//! `supervision`: restarts, their limits and the order of shutdown.

use super::section;
use crate::units::{Millis, positive};

section! {
    /// Supervision of actors and agent processes.
    pub struct Supervision {
        /// More restarts of one child than this escalate to its supervisor.
        #[garde(dive)]
        pub intensity: Intensity = Intensity { restarts: 5, within: Millis::minutes(10) },
        /// More restarts of the services as a whole than this end the runtime.
        #[garde(dive)]
        pub root: Intensity = Intensity { restarts: 3, within: Millis::hours(1) },
        /// Waits between restarts.
        #[garde(dive)]
        pub backoff: Backoff = Backoff::default(),
        /// A message that crashes its receiver so often goes to the dead letters.
        #[garde(range(min = 1))]
        pub poison_crashes: u32 = 3,
        /// How long a child may take to stop before it is killed.
        #[garde(custom(positive))]
        pub stop_timeout: Millis = Millis::seconds(5),
        /// How often health is checked.
        #[garde(custom(positive))]
        pub health_interval: Millis = Millis::seconds(1),
    }
}

section! {
    /// A number of restarts within a time.
    pub struct Intensity {
        /// Restarts.
        pub restarts: u32 = 5,
        /// The window.
        #[garde(custom(positive))]
        pub within: Millis = Millis::minutes(10),
    }
}

section! {
    /// Waits between restarts: the first one, doubled each time up to the longest.
    pub struct Backoff {
        /// The first wait.
        pub first: Millis = Millis::ms(100),
        /// The longest wait.
        pub longest: Millis = Millis::seconds(30),
        /// Share of each wait that is random, 0 to 1.
        #[garde(range(min = 0.0, max = 1.0))]
        pub jitter: f64 = 0.2,
    }
}

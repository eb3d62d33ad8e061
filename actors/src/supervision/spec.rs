//! What a child is to its supervisor: its name, when it comes back, how it is stopped.

use std::sync::Arc;

use super::backoff::BackoffPolicy;

/// The name of a child, unique among the live children of one supervisor.
pub type ChildId = Arc<str>;

/// When a child that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always, also after a normal exit.
    Permanent,
    /// Only after an abnormal exit.
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    /// Whether a child of this type is started again after such an exit.
    pub fn applies(self, abnormal: bool) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => abnormal,
            Self::Temporary => false,
        }
    }
}

/// How long a child may take to stop before it is dropped where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Ask politely, then kill after so many milliseconds.
    TimeoutMs(u64),
    /// Kill at once; `stopping` and `stopped` do not run.
    Brutal,
    /// Wait for the child, but never longer than [`Shutdown::INFINITY_MS`].
    Infinity,
}

impl Shutdown {
    /// The bound of [`Shutdown::Infinity`], in milliseconds: a shutdown always ends.
    pub const INFINITY_MS: u64 = 300_000;

    /// The longest wait in milliseconds; `None` means that nothing is waited for.
    pub fn limit_ms(self) -> Option<u64> {
        match self {
            Self::TimeoutMs(limit) => Some(limit),
            Self::Brutal => None,
            Self::Infinity => Some(Self::INFINITY_MS),
        }
    }
}

/// All that a supervisor has to know about one child.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// The child's name.
    pub id: ChildId,
    /// When it comes back.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// How long it waits before it comes back.
    pub backoff: BackoffPolicy,
}

impl ChildSpec {
    /// A permanent child with five seconds to stop and the default backoff.
    pub fn permanent(id: impl Into<ChildId>) -> Self {
        Self::new(id, Restart::Permanent)
    }

    /// A transient child with five seconds to stop and the default backoff.
    pub fn transient(id: impl Into<ChildId>) -> Self {
        Self::new(id, Restart::Transient)
    }

    /// A temporary child with five seconds to stop.
    pub fn temporary(id: impl Into<ChildId>) -> Self {
        Self::new(id, Restart::Temporary)
    }

    /// A permanent child that is itself a supervisor: its children's own limits bound its shutdown.
    pub fn supervisor(id: impl Into<ChildId>) -> Self {
        Self::permanent(id).shutdown(Shutdown::Infinity)
    }

    /// The same child with another way to stop.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// The same child with another backoff.
    pub fn backoff(mut self, backoff: BackoffPolicy) -> Self {
        self.backoff = backoff;
        self
    }

    fn new(id: impl Into<ChildId>, restart: Restart) -> Self {
        Self {
            id: id.into(),
            restart,
            shutdown: Shutdown::TimeoutMs(5_000),
            backoff: BackoffPolicy::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_type_decides_by_the_kind_of_exit() {
        let table = [
            (Restart::Permanent, true, true),
            (Restart::Permanent, false, true),
            (Restart::Transient, true, true),
            (Restart::Transient, false, false),
            (Restart::Temporary, true, false),
            (Restart::Temporary, false, false),
        ];
        for (restart, abnormal, expected) in table {
            assert_eq!(restart.applies(abnormal), expected, "{restart:?}, abnormal: {abnormal}");
        }
    }

    #[test]
    fn every_shutdown_is_bounded() {
        assert_eq!(Shutdown::TimeoutMs(7).limit_ms(), Some(7));
        assert_eq!(Shutdown::Brutal.limit_ms(), None);
        assert_eq!(Shutdown::Infinity.limit_ms(), Some(Shutdown::INFINITY_MS));
    }
}

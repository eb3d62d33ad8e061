//! Why a load test could not be run, or what it found.

use foureyes_actors::{core::CoreError, journal::ReplayError};
use foureyes_ledger::OpenError;

/// Why a load test ends without its numbers.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger cannot be read back.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The core does not start.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The ledger that is compared with.
    #[error("the bare SQLite database failed: {0}")]
    Bare(#[from] rusqlite::Error),
    /// A file, a pipe or a process.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A promise of the runtime does not hold: the reason to run this program.
    #[error("a promise is broken: {0}")]
    Broken(String),
    /// Anything else, said in one line.
    #[error("{0}")]
    Other(String),
}

/// Names what was tried when it fails.
pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
    let what = what.into();
    move |source| Failure::Io { what, source }
}

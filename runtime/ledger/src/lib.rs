//! The ledger over SQLite, its checkpoints and proofs, its verifier and export; the store of
//! artefacts; and the machine's clock and random generator.
//!
//! The ledger is *tamper-evident*: who can write the files can change them, but not so that
//! [`verify::verify_file`] with the public key (and, for a cut tail or a restored old copy, an earlier
//! checkpoint) finds nothing.

mod artifacts;
pub mod checkpoint;
mod copy;
mod export;
mod files;
pub mod host;
mod key;
pub mod merkle;
mod open;
mod recover;
mod rows;
mod schema;
mod sqlite;
pub mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use artifacts::FileArtifacts;
pub use copy::copy;
pub use export::{ExportError, export};
pub use files::{StateFiles, write_atomically as write_private};
pub use key::KeyError;
pub use open::{OpenError, OpenOptions, open};
pub use sqlite::SqliteLedger;

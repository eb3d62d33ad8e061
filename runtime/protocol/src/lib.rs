//! The words that every part of the runtime shares: ids, envelopes and their one canonical byte
//! form, digests, the facts that gates are judged on, verdicts and reason codes.
//!
//! Nothing here does I/O, reads a clock or knows tokio. What is written by one version must be
//! readable by the next: [`envelope::VERSION`] is part of every envelope.

pub mod artifact;
pub mod body;
pub mod canonical;
pub mod change;
pub mod code;
pub mod digest;
pub mod envelope;
pub mod gate;
pub mod ids;
pub mod model;
pub mod roster;
pub mod testrun;

pub use body::{Body, Kind};
pub use change::{ChangeFacts, ChangeKind, ChangeSummary, FileChange, Risk};
pub use code::{Code, Reason};
pub use digest::Digest;
pub use envelope::{Envelope, Label, Priority, Sealed};
pub use gate::{Gate, Outcome};
pub use ids::{Address, CommitId, FeatureId, MessageId, PrincipalId, RunId};
pub use model::{ModelTrouble, ModelUse};
pub use roster::{Family, Roster};

//! A record of the ledger as the rules see it: the opened envelope with its place and time.

use foureyes_protocol::Envelope;
use std::sync::Arc;

/// One admitted envelope. The index is its place in the ledger; the time is when it was admitted,
/// in milliseconds since the Unix epoch (receive time, never what a sender claims).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place, from 0.
    pub index: u64,
    /// When it was admitted.
    pub at_ms: u64,
    /// The envelope.
    pub envelope: Arc<Envelope>,
}

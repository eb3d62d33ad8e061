//! Amazon's binary event stream, as far as its events have to be read: frames of a length, headers, a
//! payload and checksums. The payload is JSON whose `bytes` is an event of the Messages API in base64.
//! Checksums are the client's business.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// Lengths and their checksum in front of a frame.
const PRELUDE: usize = 12;
/// The checksum behind it.
const TRAILER: usize = 4;
/// A longer frame is none: Amazon's limit is 16 MiB.
const MAX_FRAME: usize = 24 * 1024 * 1024;

/// Takes a stream of frames apart.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    lost: bool,
}

#[derive(Deserialize)]
struct Payload {
    bytes: String,
}

impl Frames {
    /// The events that are complete with this piece. After a frame that is none, no more are read.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        if !self.lost {
            self.buffer.extend_from_slice(piece);
        }
        while let Some(frame) = self.next() {
            events.extend(event(&frame));
        }
        events
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let total = length(self.buffer.get(..4)?);
        if !(PRELUDE + TRAILER..=MAX_FRAME).contains(&total) {
            self.lost = true;
            self.buffer = Vec::new();
            return None;
        }
        (self.buffer.len() >= total).then(|| self.buffer.drain(..total).collect())
    }
}

fn length(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, b| sum << 8 | usize::from(*b))
}

fn event(frame: &[u8]) -> Option<Vec<u8>> {
    let headers = length(frame.get(4..8)?);
    let payload = frame.get(PRELUDE + headers..frame.len() - TRAILER)?;
    let payload = serde_json::from_slice::<Payload>(payload).ok()?;
    STANDARD.decode(payload.bytes).ok()
}

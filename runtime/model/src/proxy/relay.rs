//! An answer on its way to the agent: each piece as it comes, counted, and cut when nothing comes.

use super::{meter::Meter, teller::Teller};
use crate::outward;
use bytes::Bytes;
use foureyes_ports::model::ModelTrouble;
use std::time::Duration;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

/// How many times the silence limit the connection may live on without a word of the model: with
/// pings alone, or before a whole answer that was not asked for as a stream.
pub(super) const PATIENCE: u32 = 4;

/// An answer was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off: {0}")]
pub struct Cut(pub(super) String);

/// An answer that passes. Dropping it closes the connection to the provider; what was used up to
/// there is told in any case.
pub(super) struct Relay {
    response: reqwest::Response,
    meter: Meter,
    teller: Teller,
    /// The longest time without any byte.
    quiet: Duration,
    /// The longest time without a word of the model.
    patience: Duration,
    said_at: Instant,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Relay {
    pub(super) fn new(
        response: reqwest::Response,
        meter: Meter,
        teller: Teller,
        (quiet, patience): (Duration, Duration),
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let said_at = Instant::now();
        Self { response, meter, teller, quiet, patience, said_at, over: false, _permit: permit }
    }

    /// The answer as a stream of pieces.
    pub(super) fn into_stream(self) -> impl futures::Stream<Item = Result<Bytes, Cut>> + Send {
        futures::stream::unfold(
            self,
            |mut relay| async move { relay.next().await.map(|piece| (piece, relay)) },
        )
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        if self.over {
            return None;
        }
        let left = self.patience.saturating_sub(self.said_at.elapsed());
        let piece = tokio::time::timeout(self.quiet.min(left), self.response.chunk()).await;
        if !matches!(piece, Ok(Ok(Some(_)))) {
            // The server drops what it has not written when an answer breaks off: let it write first.
            tokio::task::yield_now().await;
        }
        match piece {
            Err(_) => Some(Err(self.silent(if left < self.quiet { self.patience } else { self.quiet }))),
            Ok(Err(error)) => {
                Some(Err(self.broken(format!("the answer broke off: {}", outward::cause(&error)))))
            }
            Ok(Ok(Some(piece))) => {
                self.read(&piece);
                Some(Ok(piece))
            }
            Ok(Ok(None)) if self.meter.is_whole() => {
                self.over = true;
                None
            }
            Ok(Ok(None)) => Some(Err(self.broken("the stream ended before the answer did".to_owned()))),
        }
    }

    fn read(&mut self, piece: &[u8]) {
        self.teller.heard();
        if self.meter.feed(piece) {
            self.said_at = Instant::now();
        }
        if let Some(trouble) = self.meter.take_trouble() {
            self.teller.trouble(trouble);
        }
    }

    fn silent(&mut self, after: Duration) -> Cut {
        self.over = true;
        self.teller.trouble(ModelTrouble::Silent(after));
        Cut(format!("nothing came for {} ms", after.as_millis()))
    }

    fn broken(&mut self, why: String) -> Cut {
        self.over = true;
        self.teller.trouble(ModelTrouble::Network(why.clone()));
        Cut(why)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(used) = self.meter.used() {
            self.teller.used(used);
        }
    }
}

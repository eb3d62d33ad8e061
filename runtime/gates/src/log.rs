//! The bounded log of one run.

use crate::text;
use bytes::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that one log holds at most.
const CEILING: usize = 4 << 20;

/// Collects what the tools of one run printed, cleaned, up to 4 MiB.
#[derive(Default)]
pub(crate) struct Log(Mutex<String>);

impl Log {
    /// Adds output under a title; what does not fit is left out and said.
    pub(crate) fn add(&self, title: &str, output: &[u8]) {
        let mut log = self.lock();
        if log.len() >= CEILING {
            return;
        }
        let body = text::clean(output);
        let fits = text::head(&body, CEILING - log.len());
        log.push_str(&format!("== {title}\n{fits}\n"));
        if fits.len() < body.len() {
            log.push_str("== the log is full; what follows was left out\n");
        }
    }

    /// The log so far.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::from(self.lock().clone())
    }

    /// A thread that panicked here left whole lines behind, so the text stays usable.
    fn lock(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_said() {
        let log = Log::default();
        log.add("small", b"one\x1b[1m");
        log.add("flood", &vec![b'x'; CEILING]);
        log.add("late", b"never");
        let text = String::from_utf8(log.bytes().to_vec()).unwrap();
        assert!(text.starts_with("== small\none\n== flood\nxxx"));
        assert!(text.ends_with("left out\n") && text.len() < CEILING + 200);
    }
}

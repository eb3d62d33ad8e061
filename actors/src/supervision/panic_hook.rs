//! What a panic costs and leaves behind: a cheap hook, and the one place where unwinding is caught.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use super::exit::ExitCause;

/// What is known of a caught panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PanicNote {
    pub(super) reason: String,
    pub(super) location: String,
}

impl From<PanicNote> for ExitCause {
    fn from(note: PanicNote) -> Self {
        Self::Panicked { reason: note.reason, location: note.location }
    }
}

thread_local! {
    /// How many [`caught`] calls are on this thread's stack.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The last panic that began below one of them.
    static NOTE: RefCell<Option<PanicNote>> = const { RefCell::new(None) };
}

/// Installs the process-wide panic hook; further calls do nothing.
///
/// A panic in a supervised actor costs one `tracing` line and no backtrace (taking one is about a hundred
/// times as dear as the restart). Any other panic goes on to the hook that was there before.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let note = describe(info);
            tracing::error!(reason = %note.reason, location = %note.location, "panic");
            if DEPTH.get() == 0 {
                before(info);
            } else {
                NOTE.set(Some(note));
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> PanicNote {
    PanicNote {
        reason: shorten(info.payload_as_str().unwrap_or(OPAQUE)),
        location: info.location().map(ToString::to_string).unwrap_or_default(),
    }
}

const OPAQUE: &str = "a panic without a message";

/// Longest reason in bytes: it goes into events and records, and a message may quote any input.
const LONGEST_REASON: usize = 2_048;

fn shorten(reason: &str) -> String {
    reason[..reason.floor_char_boundary(LONGEST_REASON)].to_owned()
}

/// Runs `f` and turns a panic into a note.
///
/// Unwind safety is the caller's matter: what `f` touched must be rebuilt or dropped after an error.
pub(super) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, PanicNote> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(f));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(note_of)
}

fn note_of(payload: Box<dyn Any + Send>) -> PanicNote {
    let reason = shorten(message(&*payload).unwrap_or(OPAQUE));
    discard(payload);
    // A panic raised by `resume_unwind` passes no hook, so the note may be an older one's.
    match NOTE.take() {
        Some(note) if note.reason == reason => note,
        _ => PanicNote { reason, location: String::new() },
    }
}

fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Drops a panic's payload, whose own `drop` may panic once more.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_place_of_a_panic_are_told() {
        install_panic_hook();
        let note = caught(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(note.reason, "number 7");
        assert!(note.location.contains("panic_hook.rs:"), "{}", note.location);
    }

    #[test]
    fn a_payload_that_is_no_text_and_panics_when_dropped_is_survived() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("second");
            }
        }
        install_panic_hook();
        let note = caught(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(note.reason, OPAQUE);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        install_panic_hook();
        let note = caught(|| panic!("a{}", "ä".repeat(10_000))).unwrap_err();
        assert_eq!(note.reason.len(), LONGEST_REASON - 1);
        assert!(!note.location.is_empty());
    }

    #[test]
    fn a_resumed_panic_does_not_borrow_an_older_place() {
        install_panic_hook();
        caught(|| drop(catch_unwind(|| panic!("older")))).unwrap();
        let note = caught(|| std::panic::resume_unwind(Box::new("younger"))).unwrap_err();
        assert_eq!(note, PanicNote { reason: "younger".into(), location: String::new() });
    }
}

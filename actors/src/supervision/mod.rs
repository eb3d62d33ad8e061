//! Supervision in the manner of Erlang/OTP for actix actors.
//!
//! A [`Supervisor`] starts children from a [`ChildSpec`], which are actors or supervisors again. When a child
//! ends by itself its supervisor restarts it, alone or with siblings ([`Strategy`]), at once or after a
//! while ([`BackoffPolicy`]), unless that has happened too often ([`Intensity`]): then it stops its
//! children in reverse start order and counts as failed itself, one level up, until the root melts down.
//!
//! # What is promised
//!
//! * **A panic stays inside its child.** Caught are panics in handlers, in futures and streams on the
//!   actor's context, in `started`, `stopping`, `stopped`, in `rebuild` and in the actor's `drop`. Siblings
//!   that the strategy does not name notice nothing.
//! * **The address survives.** A restarted actor, also one that was restarted with its supervisor, is reached
//!   by every address that was ever given out. An actor lives until it is stopped or ends itself, even when
//!   nobody holds an address.
//! * **The mailbox survives.** Messages that were queued, or arrive while the child backs off or its
//!   supervisor is being restarted, are handled by the next run in order. The mailbox keeps its bound:
//!   `try_send` answers `Full`, `send` waits.
//! * **Exactly the work in hand is lost**: the message whose handler panicked, and those whose answer was a
//!   future on the actor's context. Their senders see `MailboxError::Closed`.
//! * **State is rebuilt**: timers and futures of the last run are dropped before anyone decides, then
//!   [`Restartable::rebuild`] and `started` run. They run for a group in start order, each after the one
//!   before; a sibling handles no message between the failure and its restart.
//! * **Restarts are bounded.** A child's first failure restarts it at once, later ones wait; a supervisor
//!   restarts at most `max` times in its window. Being restarted with a sibling counts for nobody.
//! * **A shutdown ends.** Children stop one after another in reverse start order; who takes longer than its
//!   [`Shutdown`] allows is killed and named. The future resolves when all actors are dropped.
//! * **Everything is told**, in order, as a [`SupervisionEvent`].
//!
//! # What is not promised
//!
//! * A stack overflow, an abort and a handler that never returns are not caught. The last is noticed by a
//!   [`Watchdog`]; nothing in the process can end it.
//! * A panic in a task that was spawned beside the actor (`actix::spawn`, and with it a handler's
//!   `ResponseFuture`) ends that task; its sender sees `Closed`, the actor goes on.
//! * Nothing is handled twice, and nothing that was lost is sent again: at-least-once delivery is the
//!   business of the ledger's cursors.
//! * Siblings that are restarted, and children that are killed, do not run `stopping` and `stopped`.
//!   Messages still queued at an orderly stop for good are not handled; their senders see `Closed`.
//! * A child that has ended for good (temporary, or transient after a normal exit) does not come back when
//!   its siblings or its supervisor are restarted, and its address stays closed.
//! * A restart in a group overtakes a member's own backoff. A child's backoff outlives the restart of
//!   its supervisor, the supervisor's window does not.
//! * A tree lives on one arbiter. Fairness between its actors is theirs: see [`Fairness`].

mod backoff;
mod core;
mod decision;
mod event;
mod exit;
mod fairness;
mod guard;
mod intensity;
mod node;
mod panic_hook;
mod restartable;
mod shutdown;
mod spec;
mod status;
mod strategy;
mod supervisor;
mod watchdog;

pub use backoff::{Backoff, BackoffPolicy, Delay};
pub use decision::{Decision, Place, Plan, Roster};
pub use event::{ChildPath, SupervisionEvent};
pub use exit::{ExitCause, exit_abnormally};
pub use fairness::Fairness;
pub use intensity::{Intensity, IntensityWindow};
pub use panic_hook::install_panic_hook;
pub use restartable::{Crash, Restartable, on_restarting};
pub use shutdown::ShutdownReport;
pub use spec::{ChildId, ChildSpec, Restart, Shutdown};
pub use status::{ChildStatus, CrashError};
pub use strategy::Strategy;
pub use supervisor::{Hooks, StartError, Supervisor};
pub use watchdog::{Pulse, StallDetector, Watchdog};

#[cfg(test)]
mod tests;

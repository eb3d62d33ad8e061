//! Why an actor's run ended, and how an actor ends it itself.

use std::cell::RefCell;

use actix::{Actor, ActorContext, Context};

use super::spec::ChildId;

/// Why a run of a child ended; handed to the next run, see [`Restartable::rebuild`](super::Restartable).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitCause {
    /// The actor stopped itself.
    Normal,
    /// A handler, a life-cycle method or a future on the actor's context panicked.
    Panicked {
        /// The panic's message.
        reason: String,
        /// `file:line:column`; empty when [`install_panic_hook`](super::install_panic_hook) was not called.
        location: String,
    },
    /// The actor ended itself by [`exit_abnormally`].
    Failed {
        /// What it gave as the reason.
        reason: String,
    },
    /// The child is a supervisor that had to restart its own children too often.
    IntensityExceeded,
    /// A sibling failed, and the strategy restarts this child with it.
    Sibling {
        /// The sibling that failed.
        child: ChildId,
    },
    /// The supervisor above was restarted, and its children with it.
    Supervisor,
    /// A person or another part of the program asked for it.
    Requested,
}

impl ExitCause {
    /// Whether a transient child is restarted after it.
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Requested)
    }
}

impl std::fmt::Display for ExitCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Normal => f.write_str("stopped by itself"),
            Self::Panicked { reason, location } if location.is_empty() => write!(f, "panicked: {reason}"),
            Self::Panicked { reason, location } => write!(f, "panicked at {location}: {reason}"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::IntensityExceeded => f.write_str("restarted its children too often"),
            Self::Sibling { child } => write!(f, "restarted with its sibling {child}"),
            Self::Supervisor => f.write_str("restarted with its supervisor"),
            Self::Requested => f.write_str("asked to"),
        }
    }
}

thread_local! {
    /// The reason given during the poll that is under way on this thread.
    static REASON: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Stops the actor as a failure: a permanent or transient child is restarted.
///
/// `stopping` and `stopped` run as after [`ActorContext::stop`]. Call it from the actor's own handlers or
/// from futures on its context; elsewhere it is nothing but a stop.
pub fn exit_abnormally<A: Actor<Context = Context<A>>>(ctx: &mut Context<A>, reason: impl Into<String>) {
    REASON.with_borrow_mut(|slot| *slot = Some(reason.into()));
    ctx.stop();
}

/// Takes the reason that was given since the last call.
pub(super) fn take_reason() -> Option<String> {
    REASON.take()
}

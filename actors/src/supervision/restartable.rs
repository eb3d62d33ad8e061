//! What an actor must offer to be supervised: rebuild its state, and crash on command.

use std::cell::RefCell;

use actix::{Actor, Context, Handler, Message, Supervised};

use super::exit::ExitCause;

/// An actor that can be restarted in place, behind the same address.
///
/// Implement it and call [`supervised!`](crate::supervised) for the type, which provides the two traits
/// that are asked for here.
pub trait Restartable: Actor<Context = Context<Self>> + Supervised + Handler<Crash> {
    /// Puts the actor into the state in which its next run begins.
    ///
    /// `self` is as the last run left it, possibly in the middle of a change: nothing in it may be believed.
    /// Timers and futures of the last run are already gone; `started` runs next and is the place to
    /// arm them again. A panic in here counts as a failure of the new run.
    fn rebuild(&mut self, ctx: &mut Context<Self>, cause: &ExitCause);
}

/// Makes the receiver panic with this text: for drills and tests.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Crash(pub String);

/// Wires a [`Restartable`](crate::supervision::Restartable) actor into the supervisor: restarts call its
/// `rebuild`, and [`Crash`](crate::supervision::Crash) makes it panic.
#[macro_export]
macro_rules! supervised {
    ($actor:ty) => {
        impl ::actix::Supervised for $actor {
            fn restarting(&mut self, ctx: &mut ::actix::Context<Self>) {
                $crate::supervision::on_restarting(self, ctx);
            }
        }

        impl ::actix::Handler<$crate::supervision::Crash> for $actor {
            type Result = ();

            fn handle(&mut self, crash: $crate::supervision::Crash, _: &mut ::actix::Context<Self>) {
                panic!("{}", crash.0);
            }
        }
    };
}

/// What a call of actix's `restarting` is for: actix passes no arguments through.
#[derive(Debug)]
pub(super) enum Purpose {
    /// Only drop the last run's timers and futures.
    Release,
    /// Begin a new run.
    Rebuild(ExitCause),
}

thread_local! {
    static PURPOSE: RefCell<Option<Purpose>> = const { RefCell::new(None) };
}

/// Runs `restart` with a purpose; false when it failed or did not come by [`on_restarting`].
pub(super) fn with_purpose(purpose: Purpose, restart: impl FnOnce() -> bool) -> bool {
    PURPOSE.set(Some(purpose));
    let restarted = restart();
    PURPOSE.take().is_none() && restarted
}

/// The body of `restarting` that [`supervised!`](crate::supervised) writes; not to be called otherwise.
#[doc(hidden)]
pub fn on_restarting<A: Restartable>(actor: &mut A, ctx: &mut Context<A>) {
    match PURPOSE.take() {
        Some(Purpose::Release) => {}
        Some(Purpose::Rebuild(cause)) => actor.rebuild(ctx, &cause),
        // Called by actix's own supervisor, which restarts only after a stop.
        None => actor.rebuild(ctx, &ExitCause::Normal),
    }
}

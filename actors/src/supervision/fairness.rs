//! How an actor with a backlog lets its neighbours run.

use actix::fut::wrap_future;
use actix::{Actor, AsyncContext, Context};

/// Counts handled messages and yields the thread now and then.
///
/// An actix actor handles its whole backlog before anything else on its arbiter runs. Call
/// [`Fairness::tick`] first thing in every handler of an actor that can be flooded.
#[derive(Debug, Clone)]
pub struct Fairness {
    every: u32,
    handled: u32,
}

impl Default for Fairness {
    fn default() -> Self {
        Self::new(Self::EVERY)
    }
}

impl Fairness {
    /// Messages between two yields.
    pub const EVERY: u32 = 64;

    /// Yields after every `every` messages (0 is taken as 1).
    pub fn new(every: u32) -> Self {
        Self { every: every.max(1), handled: 0 }
    }

    /// Counts one message; when it is time, the actor handles no further one before its neighbours ran.
    pub fn tick<A: Actor<Context = Context<A>>>(&mut self, ctx: &mut Context<A>) {
        self.handled += 1;
        if self.handled >= self.every {
            self.handled = 0;
            ctx.wait(wrap_future(tokio::task::yield_now()));
        }
    }
}

#[cfg(test)]
#[path = "tests/fairness.rs"]
mod tests;

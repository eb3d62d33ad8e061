//! A child as its supervisor holds it: an actor or a supervisor, told what to do in the same words.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use actix::Recipient;

use super::core::Core;
use super::event::ChildPath;
use super::exit::ExitCause;
use super::guard::{After, Control, Life, Order};
use super::restartable::Crash;
use super::spec::{ChildId, Restart, Shutdown};

/// A future that stays on its arbiter.
pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

#[derive(Clone)]
pub(super) struct Node {
    pub(super) id: ChildId,
    pub(super) path: ChildPath,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) body: Body,
}

#[derive(Clone)]
pub(super) enum Body {
    Actor { control: Rc<Control>, crash: Recipient<Crash> },
    Supervisor(Rc<Core>),
}

impl Node {
    /// Ends the child's run where it stands; its mailboxes keep queueing.
    pub(super) fn freeze(&self) {
        match &self.body {
            Body::Actor { control, .. } => control.tell(Order::Freeze),
            Body::Supervisor(core) => core.kill_children(After::Keep),
        }
    }

    /// Drops the child for good, without an orderly stop.
    pub(super) fn close(&self) {
        match &self.body {
            Body::Actor { control, .. } => control.tell(Order::Kill(After::Close)),
            Body::Supervisor(core) => core.kill_children(After::Close),
        }
    }

    /// Begins a new run; the future ends when it has begun.
    pub(super) fn restart(&self, cause: ExitCause) -> LocalFuture<()> {
        match &self.body {
            Body::Actor { control, .. } => {
                control.tell(Order::Restart(cause));
                let control = control.clone();
                Box::pin(async move { control.obeyed().await })
            }
            Body::Supervisor(core) => Box::pin(core.clone().restart_children()),
        }
    }

    /// Whether the child runs (for a supervisor: whether it accepts children).
    pub(super) fn is_running(&self) -> bool {
        match &self.body {
            Body::Actor { control, .. } => control.life() == Life::Running,
            Body::Supervisor(core) => core.is_running(),
        }
    }

    /// The controls of all actors at and below this child.
    pub(super) fn leaves(&self) -> Vec<Rc<Control>> {
        match &self.body {
            Body::Actor { control, .. } => vec![control.clone()],
            Body::Supervisor(core) => core.leaves(),
        }
    }
}

//! The handle to a supervisor: how a tree is made and what grows on it.

use std::rc::Rc;

use actix::{Addr, AsyncContext, Context};

use super::core::{Core, Seat, Shared};
use super::decision::Roster;
use super::event::{ChildPath, SupervisionEvent};
use super::guard;
use super::intensity::Intensity;
use super::node::Body;
use super::panic_hook::caught;
use super::restartable::Restartable;
use super::spec::{ChildId, ChildSpec};
use super::strategy::Strategy;

/// What a tree needs from outside. All of it is called on the tree's own thread and must not block; a
/// panic in it is caught and logged. A callback may look at the tree and give it orders.
pub struct Hooks {
    /// Told of everything that happens, in order.
    pub on_event: Box<dyn Fn(SupervisionEvent)>,
    /// Called once when the root has given up and all children are gone.
    pub on_meltdown: Box<dyn Fn()>,
    /// Draws a number in `[0, 1)` for the jitter of a backoff.
    pub jitter: Box<dyn Fn() -> f64>,
}

/// Why a child could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The id is taken.
    #[error("supervisor {supervisor} already has a child {child}; give it another id or stop that one first")]
    Duplicate {
        /// The supervisor's path.
        supervisor: ChildPath,
        /// The id.
        child: ChildId,
    },
    /// The supervisor is stopping, frozen or gone.
    #[error("supervisor {supervisor} is not running, so {child} was not started; wait for its restart")]
    NotRunning {
        /// The supervisor's path.
        supervisor: ChildPath,
        /// The id.
        child: ChildId,
    },
    /// The function that makes the actor panicked.
    #[error("making {child} panicked: {reason}; nothing was started")]
    Panicked {
        /// The child's path.
        child: ChildPath,
        /// The panic's message.
        reason: String,
    },
}

/// A handle to a supervisor; clones are the same one. It stays on the arbiter that made it, as all of
/// its children do; dropping it stops nothing.
#[derive(Clone)]
pub struct Supervisor {
    pub(super) core: Rc<Core>,
}

impl Supervisor {
    /// The root of a new tree. Call it on an arbiter; its children live there.
    pub fn root(id: &str, strategy: Strategy, intensity: Intensity, hooks: Hooks) -> Self {
        Self { core: Core::new(id.into(), None, Shared::new(hooks), Roster::new(strategy, intensity)) }
    }

    /// Starts a supervisor below this one.
    ///
    /// # Errors
    /// [`StartError::Duplicate`], [`StartError::NotRunning`].
    pub fn supervisor(
        &self,
        spec: ChildSpec,
        strategy: Strategy,
        intensity: Intensity,
    ) -> Result<Self, StartError> {
        self.core.admits(&spec)?;
        let core = self.core.add(spec, |path, parent| {
            let shared = parent.0.shared.clone();
            let core = Core::new(path, Some(parent), shared, Roster::new(strategy, intensity));
            (core.clone(), Body::Supervisor(core))
        });
        Ok(Self { core })
    }

    /// Starts an actor below this supervisor. Its `started` runs soon after, not before this returns.
    ///
    /// # Errors
    /// [`StartError::Duplicate`], [`StartError::NotRunning`], [`StartError::Panicked`].
    pub fn start<A, F>(&self, spec: ChildSpec, make: F) -> Result<Addr<A>, StartError>
    where
        A: Restartable,
        F: FnOnce(&mut Context<A>) -> A,
    {
        self.core.admits(&spec)?;
        let mut ctx = Context::new();
        let actor = caught(|| make(&mut ctx)).map_err(|note| StartError::Panicked {
            child: self.core.path_of(&spec.id),
            reason: note.reason,
        })?;
        Ok(self.core.add(spec, |_, (core, place)| {
            let addr = ctx.address();
            let control = guard::spawn(ctx, actor, Seat { core, place });
            let crash = addr.clone().recipient();
            (addr, Body::Actor { control, crash })
        }))
    }

    /// Restarts a child at once, also one that backs off; it counts as no failure. False when there is no
    /// child of that id or this supervisor is not running.
    pub fn restart_child(&self, id: &str) -> bool {
        self.core.place_of(id).is_some_and(|place| self.core.restart_requested(place))
    }

    /// The path of this supervisor.
    pub fn path(&self) -> ChildPath {
        self.core.path.clone()
    }
}

impl Core {
    fn admits(&self, spec: &ChildSpec) -> Result<(), StartError> {
        let (supervisor, child) = (self.path.clone(), spec.id.clone());
        if !self.is_running() {
            return Err(StartError::NotRunning { supervisor, child });
        }
        if self.nodes.borrow().values().any(|node| node.id == spec.id) {
            return Err(StartError::Duplicate { supervisor, child });
        }
        Ok(())
    }
}

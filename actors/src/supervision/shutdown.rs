//! How a supervisor's children are stopped: in reverse start order, each with its own limit.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use super::core::{Core, Phase};
use super::decision::Place;
use super::event::{ChildPath, SupervisionEvent};
use super::exit::ExitCause;
use super::guard::{After, Control, Life, Order};
use super::node::{Body, LocalFuture, Node};
use super::supervisor::Supervisor;

/// How a shutdown went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Who did not stop in time and was killed.
    pub timed_out: Vec<ChildPath>,
}

impl Supervisor {
    /// Stops all children in reverse start order and then this supervisor, for good.
    ///
    /// The shutdown goes on when the future is dropped; it resolves when all children are gone. A second
    /// call waits for the same end.
    pub fn shutdown(&self) -> impl Future<Output = ShutdownReport> + use<> {
        let core = self.core.clone();
        if !core.ending.replace(true) && core.phase.get() != Phase::Gone {
            // From now on nothing is started or restarted, also before the task runs.
            core.phase.set(Phase::Stopping);
            core.timed_out.borrow_mut().clear();
            actix::spawn(core.clone().stop_for_good());
        }
        async move {
            core.until_gone().await;
            ShutdownReport { timed_out: core.timed_out.borrow().clone() }
        }
    }

    /// Stops one child for good, as its spec says; false when there is none of that id. The stop goes on
    /// when the future is dropped.
    pub fn stop_child(&self, id: &str) -> impl Future<Output = bool> + use<> {
        let core = self.core.clone();
        let stop = self.core.place_of(id).map(|place| {
            core.roster.borrow_mut().remove(place);
            actix::spawn(async move {
                core.clone().stop_node(place, After::Close).await;
                core.nodes.borrow_mut().remove(&place);
            })
        });
        async move {
            match stop {
                Some(stop) => stop.await.is_ok(),
                None => false,
            }
        }
    }
}

impl Core {
    pub(super) fn place_of(&self, id: &str) -> Option<Place> {
        self.nodes.borrow().iter().find(|(_, node)| &*node.id == id).map(|(place, _)| *place)
    }

    async fn until_gone(&self) {
        loop {
            let ended = self.ended.notified();
            if self.phase.get() == Phase::Gone {
                return;
            }
            ended.await;
        }
    }

    async fn stop_for_good(self: Rc<Self>) {
        if let Some((parent, place)) = &self.parent {
            parent.roster.borrow_mut().remove(*place);
        }
        self.stop_children(After::Close).await;
        if let Some((parent, place)) = &self.parent {
            parent.nodes.borrow_mut().remove(place);
        }
    }

    /// Gives up: stops the children, then lets the supervisor above decide, or melts down.
    pub(super) fn escalate(self: &Rc<Self>) {
        let limit = self.roster.borrow().intensity();
        let supervisor = self.path.clone();
        let event =
            SupervisionEvent::IntensityExceeded { supervisor, max: limit.max, within_ms: limit.within_ms };
        self.shared.emit(event);
        self.phase.set(Phase::Stopping);
        let core = self.clone();
        actix::spawn(async move {
            let after = if core.parent.is_some() { After::Keep } else { After::Close };
            if !core.stop_children(after).await {
                return;
            }
            match &core.parent {
                Some((parent, place)) => parent.exited(*place, ExitCause::IntensityExceeded),
                None => core.shared.meltdown(core.path.clone()),
            }
        });
    }

    /// Stops all children; false when something else overtook this stop.
    async fn stop_children(self: &Rc<Self>, after: After) -> bool {
        let after = self.fate(after);
        let epoch = self.epoch.get() + 1;
        self.epoch.set(epoch);
        self.phase.set(Phase::Stopping);
        self.roster.borrow_mut().suspend();
        let places: Vec<Place> = self.nodes.borrow().keys().rev().copied().collect();
        for place in places {
            if self.epoch.get() != epoch {
                return false;
            }
            self.clone().stop_node(place, after).await;
        }
        let undisturbed = self.epoch.get() == epoch;
        if undisturbed {
            self.rest(after);
        }
        undisturbed
    }

    /// Stops one child within its limit, or kills it.
    fn stop_node(self: Rc<Self>, place: Place, after: After) -> LocalFuture<()> {
        Box::pin(async move {
            let Some(node) = self.node(place) else { return };
            let was_running = node.is_running();
            match node.shutdown.limit_ms() {
                None => kill(&node, after).await,
                Some(limit) => self.stop_within(&node, after, limit).await,
            }
            if was_running || after == After::Close {
                let (child, cause) = (node.path, ExitCause::Requested);
                self.shared.emit(SupervisionEvent::ChildStopped { child, cause });
            }
        })
    }

    async fn stop_within(&self, node: &Node, after: After, limit_ms: u64) {
        if tokio::time::timeout(Duration::from_millis(limit_ms), stop(node, after)).await.is_ok() {
            return;
        }
        let child = node.path.clone();
        self.note_timeout(child.clone());
        self.shared.emit(SupervisionEvent::ShutdownTimedOut { child, after_ms: limit_ms });
        kill(node, after).await;
    }

    /// Remembers who was killed, here and at every supervisor above, for whoever asked for the shutdown.
    fn note_timeout(&self, child: ChildPath) {
        if let Some((parent, _)) = &self.parent {
            parent.note_timeout(child.clone());
        }
        self.timed_out.borrow_mut().push(child);
    }
}

async fn stop(node: &Node, after: After) {
    match &node.body {
        Body::Actor { control, .. } => {
            if control.life() != Life::Gone {
                control.tell(Order::Stop(after));
                control.settled().await;
            }
            if after == After::Close && control.life() != Life::Gone {
                // An older stop that this one overtook has only frozen it.
                control.tell(Order::Kill(After::Close));
                control.settled().await;
            }
        }
        Body::Supervisor(core) => {
            core.stop_children(after).await;
        }
    }
}

async fn kill(node: &Node, after: After) {
    let leaves: Vec<Rc<Control>> = node.leaves();
    match after {
        After::Keep => node.freeze(),
        After::Close => node.close(),
    }
    for control in leaves {
        control.settled().await;
    }
}

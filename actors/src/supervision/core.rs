//! A supervisor's insides: hears of its children's exits and carries out what the roster decides.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::decision::{Decision, Place, Plan, Roster};
use super::event::{ChildPath, SupervisionEvent};
use super::exit::ExitCause;
use super::guard::{After, Control, Overseer};
use super::node::{Body, LocalFuture, Node};
use super::panic_hook::caught;
use super::spec::ChildSpec;
use super::supervisor::Hooks;

/// What all supervisors of a tree share.
pub(super) struct Shared {
    hooks: Hooks,
    origin: Instant,
}

impl Shared {
    pub(super) fn new(hooks: Hooks) -> Rc<Self> {
        Rc::new(Self { hooks, origin: Instant::now() })
    }

    pub(super) fn emit(&self, event: SupervisionEvent) {
        if let Err(note) = caught(|| (self.hooks.on_event)(event)) {
            tracing::error!(reason = %note.reason, "the listener for supervision events panicked");
        }
    }

    pub(super) fn meltdown(&self, supervisor: ChildPath) {
        self.emit(SupervisionEvent::Meltdown { supervisor });
        if let Err(note) = caught(|| (self.hooks.on_meltdown)()) {
            tracing::error!(reason = %note.reason, "the meltdown callback panicked");
        }
    }

    fn now_ms(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    fn draw(&self) -> f64 {
        caught(|| (self.hooks.jitter)()).unwrap_or(0.5)
    }
}

/// Where a supervisor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Stopping,
    Frozen,
    Gone,
}

/// A supervisor's insides, shared with its children's guards.
pub(super) struct Core {
    pub(super) path: ChildPath,
    pub(super) parent: Option<(Rc<Core>, Place)>,
    pub(super) shared: Rc<Shared>,
    pub(super) roster: RefCell<Roster>,
    pub(super) nodes: RefCell<BTreeMap<Place, Node>>,
    pub(super) phase: Cell<Phase>,
    /// Grows whenever a stop under way is overtaken by something else.
    pub(super) epoch: Cell<u64>,
    /// Whether it is being shut down for good; then nothing from above keeps it.
    pub(super) ending: Cell<bool>,
    pub(super) timed_out: RefCell<Vec<ChildPath>>,
    pub(super) ended: Notify,
}

/// One child's place at its supervisor, as its guard knows it.
pub(super) struct Seat {
    pub(super) core: Rc<Core>,
    pub(super) place: Place,
}

impl Overseer for Seat {
    fn exited(&self, cause: ExitCause) {
        self.core.exited(self.place, cause);
    }

    fn failed_in_stopping(&self, cause: &ExitCause) {
        self.core.report_failure(self.place, cause);
    }
}

impl Core {
    pub(super) fn new(
        path: ChildPath,
        parent: Option<(Rc<Self>, Place)>,
        shared: Rc<Shared>,
        roster: Roster,
    ) -> Rc<Self> {
        Rc::new(Self {
            path,
            parent,
            shared,
            roster: RefCell::new(roster),
            nodes: RefCell::default(),
            phase: Cell::new(Phase::Running),
            epoch: Cell::new(0),
            ending: Cell::new(false),
            timed_out: RefCell::default(),
            ended: Notify::new(),
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase.get() == Phase::Running
    }

    pub(super) fn path_of(&self, id: &str) -> ChildPath {
        format!("{}/{id}", self.path).into()
    }

    /// Takes up a child that `make` starts, given its path and its seat.
    pub(super) fn add<T>(
        self: &Rc<Self>,
        spec: ChildSpec,
        make: impl FnOnce(ChildPath, (Rc<Self>, Place)) -> (T, Body),
    ) -> T {
        let place = self.roster.borrow_mut().add(&spec);
        let path = self.path_of(&spec.id);
        let (result, body) = make(path.clone(), (self.clone(), place));
        let ChildSpec { id, restart, shutdown, .. } = spec;
        let node = Node { id, path: path.clone(), restart, shutdown, body };
        self.nodes.borrow_mut().insert(place, node);
        self.shared.emit(SupervisionEvent::ChildStarted { child: path });
        result
    }

    pub(super) fn node(&self, place: Place) -> Option<Node> {
        self.nodes.borrow().get(&place).cloned()
    }

    /// A child's run ended without an order; it is frozen now.
    pub(super) fn exited(self: &Rc<Self>, place: Place, cause: ExitCause) {
        self.report_failure(place, &cause);
        if !self.is_running() {
            // Under a stop or a restart from above nobody is restarted, but who is through stays so.
            if !self.roster.borrow().comes_back(place, cause.is_abnormal()) {
                self.roster.borrow_mut().remove(place);
                self.end(place, cause);
            }
            return;
        }
        let (now, draw) = (self.shared.now_ms(), self.shared.draw());
        let decision = self.roster.borrow_mut().exited(place, cause.is_abnormal(), now, draw);
        match decision {
            Decision::Ignore => {}
            Decision::End => self.end(place, cause),
            Decision::Restart(plan) => self.carry_out(place, plan, cause),
            Decision::Escalate => self.escalate(),
        }
    }

    pub(super) fn report_failure(&self, place: Place, cause: &ExitCause) {
        let Some(Node { path: child, .. }) = self.node(place) else { return };
        match cause.clone() {
            ExitCause::Panicked { reason, location } => {
                self.shared.emit(SupervisionEvent::ChildPanicked { child, reason, location });
            }
            ExitCause::Failed { reason } => self.shared.emit(SupervisionEvent::ChildFailed { child, reason }),
            _ => {}
        }
    }

    /// The child does not come back: its mailbox closes.
    fn end(&self, place: Place, cause: ExitCause) {
        let node = self.nodes.borrow_mut().remove(&place);
        if let Some(node) = node {
            node.close();
            self.shared.emit(SupervisionEvent::ChildStopped { child: node.path, cause });
        }
    }

    /// Restarts a child alone at once, or a group, or later, in start order.
    fn carry_out(self: &Rc<Self>, failed: Place, plan: Plan, cause: ExitCause) {
        let Some(Node { id, path: child, .. }) = self.node(failed) else { return };
        for place in &plan.ended {
            self.end(*place, ExitCause::Sibling { child: id.clone() });
        }
        if plan.delay_ms > 0 {
            let Plan { attempt, delay_ms, .. } = plan;
            self.shared.emit(SupervisionEvent::ChildBackingOff { child, attempt, delay_ms });
        }
        let siblings = || plan.members.iter().rev().filter(|place| **place != failed);
        siblings().filter_map(|place| self.node(*place)).for_each(|node| node.freeze());
        let causes = move |place| {
            if place == failed { cause.clone() } else { ExitCause::Sibling { child: id.clone() } }
        };
        if plan.delay_ms == 0 && plan.members.len() == 1 {
            // No task for the common case: the order is in the child's hands when this returns.
            if let Some(begun) = self.restart_one(failed, failed, &plan, causes(failed)) {
                actix::spawn(begun);
            }
        } else {
            actix::spawn(self.clone().restart_in_order(failed, plan, causes));
        }
    }

    async fn restart_in_order(
        self: Rc<Self>,
        failed: Place,
        plan: Plan,
        causes: impl Fn(Place) -> ExitCause,
    ) {
        if plan.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(plan.delay_ms)).await;
        }
        for place in &plan.members {
            if let Some(begun) = self.restart_one(*place, failed, &plan, causes(*place)) {
                begun.await;
            }
        }
    }

    /// Orders one child's restart, unless the plan has been overtaken.
    fn restart_one(
        &self,
        place: Place,
        failed: Place,
        plan: &Plan,
        cause: ExitCause,
    ) -> Option<LocalFuture<()>> {
        if !self.roster.borrow_mut().arrive(place, plan.ticket) {
            return None;
        }
        let node = self.node(place)?;
        let begun = node.restart(cause.clone());
        self.shared.emit(SupervisionEvent::ChildRestarted {
            child: node.path,
            attempt: if place == failed { plan.attempt } else { 0 },
            delay_ms: plan.delay_ms,
            cause,
        });
        Some(begun)
    }

    /// Restarts one child because somebody asks for it; false when it cannot be now.
    pub(super) fn restart_requested(self: &Rc<Self>, place: Place) -> bool {
        let plan = if self.is_running() { self.roster.borrow_mut().request(place) } else { None };
        let Some(plan) = plan else { return false };
        actix::spawn(self.clone().restart_in_order(place, plan, |_| ExitCause::Requested));
        true
    }

    /// Begins anew with all children that have not ended, as the supervisor above asks.
    pub(super) async fn restart_children(self: Rc<Self>) {
        if self.ending.get() || self.phase.get() == Phase::Gone {
            return;
        }
        self.epoch.set(self.epoch.get() + 1);
        self.phase.set(Phase::Running);
        let plan = self.roster.borrow_mut().resume();
        self.restart_in_order(Place::MAX, plan, |_| ExitCause::Supervisor).await;
    }

    pub(super) fn leaves(&self) -> Vec<Rc<Control>> {
        self.nodes.borrow().values().flat_map(Node::leaves).collect()
    }

    /// Ends all children's runs where they stand, in reverse start order.
    pub(super) fn kill_children(&self, after: After) {
        if self.phase.get() == Phase::Gone {
            return;
        }
        let after = self.fate(after);
        self.epoch.set(self.epoch.get() + 1);
        self.roster.borrow_mut().suspend();
        let nodes: Vec<Node> = self.nodes.borrow().values().rev().cloned().collect();
        match after {
            After::Keep => nodes.iter().for_each(Node::freeze),
            After::Close => nodes.iter().for_each(Node::close),
        }
        self.rest(after);
    }

    /// What becomes of the children of a supervisor that may be ending for good.
    pub(super) fn fate(&self, after: After) -> After {
        if self.ending.get() { After::Close } else { after }
    }

    /// Enters the phase of a supervisor whose children have stopped.
    pub(super) fn rest(&self, after: After) {
        if after == After::Close {
            self.nodes.borrow_mut().clear();
        }
        self.phase.set(if after == After::Close { Phase::Gone } else { Phase::Frozen });
        self.ended.notify_waiters();
    }
}

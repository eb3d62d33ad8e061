//! The task that polls one actor: catches its panics, carries out its supervisor's orders.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use actix::dev::ContextFut;
use actix::{ActorContext, Addr, Context};
use tokio::sync::Notify;

use super::exit::{ExitCause, take_reason};
use super::panic_hook::caught;
use super::restartable::{Purpose, Restartable, with_purpose};

/// What becomes of a child that has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Its mailbox stays open and queues, so that it can be restarted behind its address.
    Keep,
    /// Its mailbox closes for good.
    Close,
}

/// What a supervisor tells a child.
#[derive(Debug)]
pub(super) enum Order {
    /// End this run where it stands and queue messages until the next order.
    Freeze,
    /// Begin a new run.
    Restart(ExitCause),
    /// End this run in good order.
    Stop(After),
    /// End this run where it stands.
    Kill(After),
}

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    Stopping(After),
    Frozen,
    Gone,
}

/// What a guard and its supervisor share.
pub(super) struct Control {
    order: RefCell<Option<Order>>,
    waker: RefCell<Option<Waker>>,
    life: Cell<Life>,
    changed: Notify,
}

impl Control {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            order: RefCell::new(None),
            waker: RefCell::new(None),
            life: Cell::new(Life::Running),
            changed: Notify::new(),
        })
    }

    pub(super) fn life(&self) -> Life {
        self.life.get()
    }

    /// Gives an order; it is carried out before the child's next message. It replaces one that was not yet
    /// carried out, except that nothing calls off a final kill.
    pub(super) fn tell(&self, order: Order) {
        let mut slot = self.order.borrow_mut();
        if !matches!(*slot, Some(Order::Kill(After::Close))) {
            *slot = Some(order);
        }
        drop(slot);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Waits until the last order has been taken up.
    pub(super) async fn obeyed(&self) {
        self.until(|_| true).await;
    }

    /// Waits until the child neither runs nor is stopping.
    pub(super) async fn settled(&self) {
        self.until(|life| matches!(life, Life::Frozen | Life::Gone)).await;
    }

    async fn until(&self, reached: impl Fn(Life) -> bool) {
        loop {
            let changed = self.changed.notified();
            if self.life() == Life::Gone || (self.order.borrow().is_none() && reached(self.life())) {
                return;
            }
            changed.await;
        }
    }

    fn enter(&self, life: Life) {
        self.life.set(life);
        self.changed.notify_waiters();
    }

    fn watch(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }
}

/// Whom a guard tells about its child.
pub(super) trait Overseer {
    /// The child ended by itself; its guard waits for an order.
    fn exited(&self, cause: ExitCause);
    /// The child failed while it was being stopped.
    fn failed_in_stopping(&self, cause: &ExitCause);
}

/// Polls one actor. It holds an address of it, so that the actor lives until it is stopped.
pub(super) struct Guard<A: Restartable> {
    fut: Option<ContextFut<A, Context<A>>>,
    control: Rc<Control>,
    overseer: Box<dyn Overseer>,
    /// What the actor gave as its failure before it had stopped.
    failure: Option<String>,
    _open: Addr<A>,
}

/// Spawns a guard for a context on the current arbiter.
pub(super) fn spawn<A: Restartable>(
    ctx: Context<A>,
    actor: A,
    overseer: impl Overseer + 'static,
) -> Rc<Control> {
    let control = Control::new();
    let fut = ctx.into_future(actor);
    let open = fut.address();
    let (control_of_guard, overseer) = (control.clone(), Box::new(overseer));
    actix::spawn(Guard { fut: Some(fut), control: control_of_guard, overseer, failure: None, _open: open });
    control
}

impl<A: Restartable> Future for Guard<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.control.watch(cx.waker());
        loop {
            this.obey();
            match this.control.life() {
                Life::Gone => return Poll::Ready(()),
                Life::Frozen => return Poll::Pending,
                Life::Running | Life::Stopping(_) => {}
            }
            match this.run(cx) {
                // The actor's own handlers may have led to an order.
                None if this.control.order.borrow().is_none() => return Poll::Pending,
                None => {}
                Some(cause) => this.exited(cause),
            }
        }
    }
}

impl<A: Restartable> Guard<A> {
    /// Polls the actor once; the cause when its run ended.
    fn run(&mut self, cx: &mut TaskContext<'_>) -> Option<ExitCause> {
        let fut = self.fut.as_mut()?;
        let polled = caught(|| Pin::new(fut).poll(cx));
        // `stopping` may put the end off, and other actors run before it comes.
        self.failure = take_reason().or(self.failure.take());
        match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(())) => {
                let failed = self.failure.take().map(|reason| ExitCause::Failed { reason });
                Some(failed.unwrap_or(ExitCause::Normal))
            }
            Err(note) => Some(note.into()),
        }
    }

    fn obey(&mut self) {
        let order = self.control.order.borrow_mut().take();
        let Some(order) = order else { return };
        match (order, self.control.life()) {
            (_, Life::Gone) => {}
            (Order::Freeze, _) => self.settle(After::Keep),
            (Order::Restart(cause), _) => self.rebuild(cause),
            (Order::Stop(after), Life::Frozen) | (Order::Kill(after), _) => self.settle(after),
            (Order::Stop(after), _) => self.begin_stop(after),
        }
    }

    fn begin_stop(&mut self, after: After) {
        self.control.enter(Life::Stopping(after));
        if let Some(fut) = &mut self.fut {
            fut.ctx().stop();
        }
    }

    /// The run ended by itself, or a stop that was ordered is done.
    fn exited(&mut self, cause: ExitCause) {
        if let Life::Stopping(after) = self.control.life() {
            if matches!(cause, ExitCause::Panicked { .. }) {
                self.overseer.failed_in_stopping(&cause);
            }
            return self.settle(after);
        }
        self.settle(After::Keep);
        self.overseer.exited(cause);
    }

    /// Ends the run where it stands.
    fn settle(&mut self, after: After) {
        match after {
            After::Keep => {
                self.release();
                self.control.enter(Life::Frozen);
            }
            After::Close => {
                self.close();
                self.control.enter(Life::Gone);
            }
        }
    }

    /// Drops the run's timers and futures and keeps the mailbox.
    fn release(&mut self) {
        self.failure = None;
        let Some(fut) = &mut self.fut else { return };
        let released = caught(|| with_purpose(Purpose::Release, || fut.restart()));
        if let Err(note) = released {
            tracing::warn!(reason = %note.reason, "a future of an actor panicked while it was dropped");
        }
    }

    /// Begins a new run; when that fails it has ended at once.
    fn rebuild(&mut self, cause: ExitCause) {
        let Some(fut) = &mut self.fut else { return };
        let rebuilt = caught(|| with_purpose(Purpose::Rebuild(cause), || fut.restart()));
        self.control.enter(Life::Running);
        match rebuilt {
            Ok(true) => {}
            Ok(false) => self.exited(ExitCause::Failed { reason: NOT_WIRED.to_owned() }),
            Err(note) => self.exited(note.into()),
        }
    }

    /// Drops the actor and its mailbox, without `stopping` and `stopped`: after a panic they would run on
    /// a broken actor, after an orderly stop they have run.
    fn close(&mut self) {
        let Some(mut fut) = self.fut.take() else { return };
        fut.ctx().terminate();
        if let Err(note) = caught(|| drop(fut)) {
            tracing::warn!(reason = %note.reason, "an actor panicked while it was dropped");
        }
    }
}

const NOT_WIRED: &str = "the actor's `restarting` does not rebuild it; use `supervised!` for its type";

impl<A: Restartable> Drop for Guard<A> {
    fn drop(&mut self) {
        // The arbiter ends with the actor on it: a panic here would be one during another's teardown.
        self.close();
        self.control.enter(Life::Gone);
    }
}

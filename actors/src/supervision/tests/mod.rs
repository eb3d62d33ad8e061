//! The tree under a paused clock, with an actor that does on command what actors do.

mod escalation;
mod restart;
mod schedules;
mod shutdown;
mod strategies;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, MailboxError, Message, ResponseActFuture,
    Running,
};

use super::*;
use crate::supervised;

/// What the probes and the tree did, in order.
#[derive(Clone, Default)]
pub(super) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    pub(super) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    pub(super) fn contains(&self, line: &str) -> bool {
        self.0.borrow().iter().any(|known| known == line)
    }
}

/// How a probe behaves when it is stopped.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stopping {
    AtOnce,
    After(u64),
    Never,
    Panics,
}

pub(super) struct Probe {
    name: &'static str,
    log: Log,
    stopping: Stopping,
    leaving: bool,
    /// How many of the next rebuilds panic.
    bad_rebuilds: u32,
    run: u32,
}

impl Probe {
    pub(super) fn new(name: &'static str, log: &Log) -> Self {
        let log = log.clone();
        Self { name, log, stopping: Stopping::AtOnce, leaving: false, bad_rebuilds: 0, run: 0 }
    }

    pub(super) fn stopping(mut self, stopping: Stopping) -> Self {
        self.stopping = stopping;
        self
    }

    pub(super) fn bad_rebuilds(mut self, bad_rebuilds: u32) -> Self {
        self.bad_rebuilds = bad_rebuilds;
        self
    }

    fn note(&self, what: &str) {
        self.log.add(format!("{} {what}", self.name));
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.note("started");
    }

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        match self.stopping {
            _ if self.leaving => Running::Stop,
            Stopping::AtOnce => Running::Stop,
            Stopping::Never => Running::Continue,
            Stopping::Panics => panic!("in stopping"),
            Stopping::After(ms) => {
                let wait = wrap_future::<_, Self>(tokio::time::sleep(Duration::from_millis(ms)));
                ctx.spawn(wait.map(|(), probe, ctx| {
                    probe.leaving = true;
                    ctx.stop();
                }));
                Running::Continue
            }
        }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.note("stopped");
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

impl Restartable for Probe {
    fn rebuild(&mut self, _: &mut Context<Self>, cause: &ExitCause) {
        self.run += 1;
        self.note(&format!("rebuilt: {}", without_place(cause)));
        if self.bad_rebuilds > 0 {
            self.bad_rebuilds -= 1;
            panic!("in rebuild");
        }
    }
}

supervised!(Probe);

fn without_place(cause: &ExitCause) -> ExitCause {
    match cause.clone() {
        ExitCause::Panicked { reason, .. } => ExitCause::Panicked { reason, location: String::new() },
        other => other,
    }
}

/// Answers with the number of restarts so far.
#[derive(Message)]
#[rtype(result = "u32")]
pub(super) struct Run;

/// Ends the probe normally.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Quit;

/// Ends the probe as a failure.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Fail;

/// Panics in a future on the context, a millisecond later.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PanicInFuture;

/// Answers from a future on the context that takes a second.
#[derive(Message)]
#[rtype(result = "u32")]
pub(super) struct Slow;

impl Handler<Run> for Probe {
    type Result = u32;
    fn handle(&mut self, _: Run, _: &mut Context<Self>) -> u32 {
        self.run
    }
}

impl Handler<Quit> for Probe {
    type Result = ();
    fn handle(&mut self, _: Quit, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<Fail> for Probe {
    type Result = ();
    fn handle(&mut self, _: Fail, ctx: &mut Context<Self>) {
        exit_abnormally(ctx, "gave up");
    }
}

impl Handler<PanicInFuture> for Probe {
    type Result = ();
    fn handle(&mut self, _: PanicInFuture, ctx: &mut Context<Self>) {
        ctx.run_later(Duration::from_millis(1), |_, _| panic!("in a future"));
    }
}

impl Handler<Slow> for Probe {
    type Result = ResponseActFuture<Self, u32>;
    fn handle(&mut self, _: Slow, _: &mut Context<Self>) -> Self::Result {
        let wait = wrap_future::<_, Self>(tokio::time::sleep(Duration::from_secs(1)));
        Box::pin(wait.map(|(), probe, _| probe.run))
    }
}

/// A tree whose events go to the log, with the middle of every jitter and the clock standing still.
pub(super) fn root(strategy: Strategy, max: u32, within_ms: u64) -> (Supervisor, Log) {
    install_panic_hook();
    tokio::time::pause();
    let log = Log::default();
    let (events, melted) = (log.clone(), log.clone());
    let hooks = Hooks {
        on_event: Box::new(move |event| events.add(line(&event))),
        on_meltdown: Box::new(move || melted.add("melted")),
        jitter: Box::new(|| 0.5),
    };
    (Supervisor::root("root", strategy, Intensity::new(max, within_ms), hooks), log)
}

pub(super) fn line(event: &SupervisionEvent) -> String {
    use SupervisionEvent as E;
    match event {
        E::ChildStarted { child } => format!("+ {child}"),
        E::ChildPanicked { child, reason, .. } => format!("! {child} {reason}"),
        E::ChildFailed { child, reason } => format!("! {child} failed {reason}"),
        E::ChildBackingOff { child, attempt, delay_ms } => format!(". {child} #{attempt} {delay_ms} ms"),
        E::ChildRestarted { child, attempt, .. } => format!("~ {child} #{attempt}"),
        E::ChildStopped { child, cause } => format!("- {child} {}", without_place(cause)),
        E::IntensityExceeded { supervisor, max, .. } => format!("^ {supervisor} {max}"),
        E::Meltdown { supervisor } => format!("x {supervisor}"),
        E::ShutdownTimedOut { child, after_ms } => format!("t {child} {after_ms}"),
    }
}

/// Lets everything run that can run without the clock going on.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// A panic on command, up to its consequences; the sender of the fatal message sees `Closed`.
pub(super) async fn crash(addr: &Addr<Probe>, reason: &str) {
    let answer = addr.send(Crash(reason.into())).await;
    assert!(matches!(answer, Err(MailboxError::Closed)), "{answer:?}");
}

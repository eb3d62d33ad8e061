//! A role: the actor that lives as long as the runtime, and the agent process under it that comes and
//! goes. Its mailbox of envelopes is a place in the ledger, so a death loses nothing.
//!
//! Programs that tell when a turn ends get one prompt at a time, by the rules of
//! [`foureyes_policies::turns`]; others are told whenever something new waits.

mod handlers;
mod launcher;
mod program;
mod talk;
#[cfg(test)]
mod tests;
mod trouble;
mod vigil;
mod wording;

pub use launcher::{Answered, Launcher, Order, Started};

use crate::{
    context::Context as Core,
    folded::FoldedFeatures,
    inbox::Inbox,
    services::{
        gatekeeper::Gatekeeper,
        locks::{HolderDied, LockManager},
        projector::{Projector, RoleSignal},
        registry::{Registry, SayAll},
    },
    supervision::{Backoff, BackoffPolicy, ExitCause as ActorExit, Intensity, IntensityWindow, Restartable},
};
use actix::prelude::*;
use foureyes_policies::turns::Turns;
use foureyes_ports::{
    backend::{AgentEvent, AgentSession, Grace, Prompt, PromptId},
    governance::{Draft, InboxItem},
    view::{DeliveryView, RoleState},
};
use foureyes_protocol::{Address, MessageId, PrincipalId, Priority, Reason, body::Health};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use vigil::Vigil;

/// How often an agent in mid-turn is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The unacknowledged envelopes of the role, in the order in which they are served.
#[derive(Debug, Message)]
#[rtype(result = "Vec<InboxItem>")]
pub struct ReadInbox(pub usize);

/// Acknowledges an envelope.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Reason>")]
pub struct Acknowledge(pub MessageId);

/// The role's running session, if any.
#[derive(Debug, Message)]
#[rtype(result = "Option<SessionHandle>")]
pub struct GetSession;

/// A running session.
#[derive(Clone)]
pub struct SessionHandle(pub Arc<dyn AgentSession>);

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionHandle(pid {})", self.0.pid())
    }
}

/// What the user does to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Control {
    /// Ends the process and starts it anew; a degraded or held role gets its budget back, and an
    /// account that was stopped is tried again.
    Restart,
    /// Ends the process and leaves it so.
    Stop,
}

/// The process has been started, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Launched(u64, Result<Started, String>);

/// The session says something.
#[derive(Message)]
#[rtype(result = "()")]
struct Said(u64, AgentEvent);

/// A pause of the account began or ended.
#[derive(Message)]
#[rtype(result = "()")]
struct PauseChanged;

/// The addresses that a role talks to.
#[derive(Clone)]
pub struct Neighbours {
    /// The registry.
    pub registry: Addr<Registry>,
    /// The lock manager.
    pub locks: Addr<LockManager>,
    /// The gatekeeper.
    pub gatekeeper: Addr<Gatekeeper>,
    /// The projector.
    pub projector: Addr<Projector>,
    /// Where features stand.
    pub features: Arc<FoldedFeatures>,
}

/// No turn of this role begins before then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hold {
    until_ms: u64,
    why: String,
}

/// A role.
pub struct RoleActor {
    core: Core,
    id: PrincipalId,
    launcher: Arc<dyn Launcher>,
    neighbours: Neighbours,
    inbox: Inbox,
    session: Option<Arc<dyn AgentSession>>,
    state: RoleState,
    generation: u64,
    restarts: u32,
    backoff: Backoff,
    budget: IntensityWindow,
    /// When the process died that is being replaced, and why.
    died: Option<(u64, String)>,
    /// The newest envelope that a wake told of, to a program that does not report turns.
    woken: Option<u64>,
    /// The envelope that was first in line at the last deaths, and how many there were.
    suspect: Option<(u64, u32)>,
    grace: Grace,
    /// When the process last gave a sign of life.
    heard_ms: u64,
    turns: Turns,
    /// Whether the program waits for a prompt.
    ready: bool,
    /// Whether the program's conversation knows what was before.
    resumed: bool,
    /// The next start begins a new conversation.
    afresh: bool,
    /// Whether the program was told where things stand.
    introduced: bool,
    /// The newest prompt that was written, until its turn ended.
    prompt: Option<Prompt>,
    /// The prompt of the turn in flight, once it is on its way into the program.
    outgoing: Option<PromptId>,
    delivery: DeliveryView,
    hold: Option<Hold>,
    /// Troubles in a row.
    attempt: u32,
    /// What the proxy saw last of the model in this turn.
    trouble: Option<foureyes_ports::model::ModelTrouble>,
    /// Whether a request went out since.
    asked_again: bool,
    /// Whether this conversation was begun because the one before was full, and no turn went well since.
    begun_anew: bool,
    vigil: Vigil,
    /// Turns of the model that the runtime did not order, while nothing waited.
    idle_turns: u64,
    timer: Option<SpawnHandle>,
    /// Looks at what the program takes of the machine.
    guard: Option<SpawnHandle>,
    /// The turn in which uses of tools were refused last, and how many.
    refused_in: (u64, u32),
    /// Whether a start is under way.
    launching: bool,
    /// Earlier programs that are not gone yet.
    leaving: usize,
    /// Whether a program is to be started when they are.
    wanted: bool,
    /// The program of the actor's last run, before this one has ended it.
    orphan: Option<Arc<dyn AgentSession>>,
    /// Whether the role ends for good.
    stopping: bool,
}

impl RoleActor {
    /// A role that knows the journal and has no process yet.
    pub fn new(core: Core, id: PrincipalId, launcher: Arc<dyn Launcher>, neighbours: Neighbours) -> Self {
        let s = &core.facts.config.supervision;
        let policy = BackoffPolicy { cap_ms: s.backoff.longest.0, ..BackoffPolicy::default() };
        let budget = IntensityWindow::new(Intensity::new(s.intensity.restarts, s.intensity.within.0));
        let stop = Duration::from_millis(s.stop_timeout.0);
        let inbox = Inbox::new(&core, id.clone());
        Self {
            id,
            launcher,
            neighbours,
            inbox,
            session: None,
            state: RoleState::Asleep,
            heard_ms: 0,
            generation: 0,
            restarts: 0,
            backoff: Backoff::new(policy),
            budget,
            died: None,
            woken: None,
            suspect: None,
            grace: Grace { quit: stop.min(Duration::from_secs(2)), term: stop },
            turns: Turns::default(),
            ready: false,
            resumed: false,
            afresh: false,
            introduced: false,
            prompt: None,
            outgoing: None,
            delivery: DeliveryView::default(),
            hold: None,
            attempt: 0,
            trouble: None,
            asked_again: false,
            begun_anew: false,
            vigil: Vigil::default(),
            idle_turns: 0,
            timer: None,
            guard: None,
            refused_in: (0, 0),
            launching: false,
            leaving: 0,
            wanted: false,
            orphan: None,
            stopping: false,
            core,
        }
    }

    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let news = self.inbox.catch_up();
        self.tell_expired(ctx);
        self.take_note(ctx);
        if news {
            self.signal();
        }
        self.step(ctx);
    }

    fn now(&self) -> u64 {
        self.core.ports.clock.now_ms()
    }

    fn health(&self, state: &str, cause: String, ctx: &mut Context<Self>) {
        let health = Health { who: self.id.to_string(), state: state.to_owned(), cause };
        self.record(vec![Draft { priority: Priority::Low, ..Draft::new(Address::system(), health) }], ctx);
    }

    fn record(&self, drafts: Vec<Draft>, ctx: &mut Context<Self>) {
        let send = self.neighbours.registry.send(SayAll(drafts)).into_actor(self).map(|answer, role, _| {
            if !matches!(answer, Ok(Ok(_))) {
                tracing::warn!(role = %role.id, ?answer, "a role's record was not admitted");
            }
        });
        ctx.spawn(send);
    }

    /// Expired envelopes are not delivered; their senders are told.
    fn tell_expired(&mut self, ctx: &mut Context<Self>) {
        let expired = self.inbox.drop_expired(self.now());
        if !expired.is_empty() {
            self.signal();
        }
        for (item, saved) in expired {
            let text = format!("message {} to {} expired before it was read", item.id, self.id);
            let told = foureyes_protocol::body::StatusReport { text };
            if !item.from.is_system() {
                self.record(vec![Draft::new(item.from, told).answering(item.id)], ctx);
            }
            self.settle(saved, ctx);
        }
    }

    fn settle(&self, saved: crate::inbox::Saved, ctx: &mut Context<Self>) {
        ctx.spawn(saved.into_actor(self).map(|result, role, _| {
            if let Err(error) = result {
                tracing::error!(role = %role.id, %error, "an acknowledgement was not kept");
            }
        }));
    }

    fn signal(&self) {
        let signal = RoleSignal {
            role: self.id.clone(),
            state: self.state,
            pid: self.session.as_ref().map(|s| s.pid()),
            generation: self.generation,
            restarts: self.restarts,
            unread: self.inbox.len() as u64,
            oldest_ms: self.inbox.oldest_ms(),
            heard_ms: self.heard_ms,
            turns: self.turns.count(),
            idle_turns: self.idle_turns,
            delivery: self.delivery,
            held: self.held().map(|hold| hold.why),
        };
        // A display that misses one signal gets the next.
        self.neighbours.projector.try_send(signal).ok();
    }
}

impl Actor for RoleActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
        self.core.meter.register(self.id.clone(), ctx.address().recipient());
        let pauses = futures::stream::unfold(self.core.meter.pauses(), |mut pauses| async {
            pauses.changed().await.ok().map(|()| (PauseChanged, pauses))
        });
        ctx.add_message_stream(pauses);
        ctx.run_interval(LOOK, |role, ctx| role.look(ctx));
        if let Some(orphan) = self.orphan.take() {
            self.neighbours.locks.try_send(HolderDied(self.id.clone())).ok();
            self.leave(orphan, Grace::NONE, ctx);
        }
        self.inbox.catch_up();
        self.tell_expired(ctx);
        self.take_note(ctx);
        self.signal();
        if self.state != RoleState::Asleep {
            return;
        }
        if !self.launcher.lazy(&self.id) || !self.inbox.is_empty() {
            self.start(ctx);
        }
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        if std::mem::replace(&mut self.stopping, true) {
            return Running::Stop;
        }
        let (grace, session) = (self.grace, self.session.take());
        let stop = async move {
            if let Some(session) = session {
                session.stop(grace).await;
            }
        };
        // What it used to its end is recorded before the role is gone; the registry is stopped later.
        let stopped = stop.into_actor(self).then(|(), role, _| {
            let (used, registry) = (role.used(), role.neighbours.registry.clone());
            async move {
                if !used.is_empty() && !matches!(registry.send(SayAll(used)).await, Ok(Ok(_))) {
                    tracing::warn!("what a role used at the end was not recorded");
                }
            }
            .into_actor(role)
        });
        ctx.spawn(stopped.map(|(), _, ctx| ctx.stop()));
        Running::Continue
    }
}

impl Restartable for RoleActor {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ActorExit) {
        let fresh =
            Self::new(self.core.clone(), self.id.clone(), self.launcher.clone(), self.neighbours.clone());
        // What a person ended, or too many deaths, or a hold, stays so.
        let state = Some(self.state).filter(|s| matches!(s, RoleState::Stopped | RoleState::Degraded));
        *self = Self {
            state: state.unwrap_or(fresh.state),
            hold: self.hold.take(),
            generation: self.generation,
            restarts: self.restarts + 1,
            died: Some((fresh.now(), "its actor was restarted".to_owned())),
            turns: self.turns.forget(),
            idle_turns: self.idle_turns,
            // The process belonged to the last run, whose events are gone: it is replaced.
            orphan: self.session.take().or(self.orphan.take()),
            ..fresh
        };
    }
}
crate::supervised!(RoleActor);

/// Calls whose end is not told yet.
type Calls = BTreeSet<String>;

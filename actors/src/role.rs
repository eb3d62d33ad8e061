//! A role: the actor that lives as long as the runtime, and the agent process under it that comes and
//! goes. Its mailbox of envelopes is a place in the ledger, so a death loses nothing.

use crate::{
    context::Context as Core,
    inbox::Inbox,
    services::{
        gatekeeper::{Availability, Gatekeeper},
        locks::{HolderDied, LockManager},
        projector::{Projector, RoleSignal},
        registry::{CatchUp, Registry, SayAll},
    },
    supervision::{Backoff, BackoffPolicy, ExitCause as ActorExit, Intensity, IntensityWindow, Restartable},
};
use actix::prelude::*;
use async_trait::async_trait;
use foureyes_ports::{
    backend::{AgentEvent, AgentSession, AgentState, ExitCause, Grace, Prompt, PromptId},
    governance::{Draft, InboxItem},
    text::clean_text,
    view::RoleState,
};
use foureyes_protocol::{
    Address, Code, MessageId, PrincipalId, Priority, Reason, Risk,
    body::{Alert, DeadLetter, Health},
};
use std::{sync::Arc, time::Duration};

/// Signs of life are told to displays at most this often, in milliseconds.
const SIGN_OF_LIFE_MS: u64 = 1_000;

/// Starts agent processes: sandbox, clone, socket and back end are the composer's.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts the agent of a role. `generation` counts its starts in this epoch, from 1.
    ///
    /// # Errors
    /// What is wrong and what mends it, in one line.
    async fn launch(&self, role: &PrincipalId, generation: u64) -> Result<Box<dyn AgentSession>, String>;

    /// Whether the process is only started when something waits for it.
    fn lazy(&self, role: &PrincipalId) -> bool;
}

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
    /// Ends the process and starts it anew; a degraded role gets its budget back.
    Restart,
    /// Ends the process and leaves it so.
    Stop,
}

/// The process has been started, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Launched(u64, Result<Box<dyn AgentSession>, String>);

/// The session says something.
#[derive(Message)]
#[rtype(result = "()")]
struct Said(u64, AgentEvent);

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
    /// When the process died that is being replaced.
    died_ms: Option<u64>,
    /// The newest envelope that a wake told of.
    woken: Option<u64>,
    /// The envelope that was first in line at the last deaths, and how many there were.
    suspect: Option<(u64, u32)>,
    grace: Grace,
    /// When the process last gave a sign of life.
    heard_ms: u64,
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
            died_ms: None,
            woken: None,
            suspect: None,
            grace: Grace { quit: stop.min(Duration::from_secs(2)), term: stop },
            core,
        }
    }

    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        if self.inbox.catch_up() {
            self.signal();
        }
        self.tell_expired(ctx);
        self.wake(ctx);
    }

    fn now(&self) -> u64 {
        self.core.ports.clock.now_ms()
    }

    /// Tells the agent that envelopes wait; starts it if need be. No wake while nothing waits.
    fn wake(&mut self, ctx: &mut Context<Self>) {
        let Some(newest) = self.inbox.newest() else { return };
        if self.session.is_none() && self.state == RoleState::Asleep {
            return self.start(ctx);
        }
        let Some(session) = self.session.clone().filter(|_| self.woken < Some(newest)) else { return };
        self.woken = Some(newest);
        self.state = RoleState::Busy;
        self.signal();
        let waiting = self.inbox.len();
        let urgent = self.inbox.urgent();
        let mut random = [0; 10];
        self.core.ports.entropy.fill(&mut random);
        let id = PromptId(MessageId::from_parts(self.now(), random).0);
        let text = format!(
            "{waiting} envelope{} wait: call `inbox`, act on each, `acknowledge` it.",
            if waiting == 1 { "" } else { "s" }
        );
        let deliver = async move { session.deliver(Prompt { id, text, urgent }).await }.into_actor(self).map(
            |result, role, _| {
                if let Err(error) = result {
                    tracing::warn!(role = %role.id, %error, "a wake was not written");
                    role.woken = None;
                }
            },
        );
        ctx.spawn(deliver);
    }

    fn start(&mut self, ctx: &mut Context<Self>) {
        self.generation += 1;
        self.state = RoleState::Starting;
        self.signal();
        let (launcher, id, generation) = (self.launcher.clone(), self.id.clone(), self.generation);
        let launch = async move { launcher.launch(&id, generation).await };
        ctx.spawn(
            launch.into_actor(self).map(move |result, _, ctx| ctx.notify(Launched(generation, result))),
        );
    }

    fn launched(&mut self, session: Box<dyn AgentSession>, ctx: &mut Context<Self>) {
        let session: Arc<dyn AgentSession> = Arc::from(session);
        let generation = self.generation;
        if let Some(events) = session.events() {
            ctx.add_stream(futures::StreamExt::map(events.into_stream(), move |event| {
                Said(generation, event)
            }));
        }
        self.session = Some(session);
        self.state = RoleState::Idle;
        self.heard_ms = self.now();
        self.woken = None;
        self.report_up(ctx);
        self.signal();
        self.wake(ctx);
    }

    fn report_up(&mut self, ctx: &mut Context<Self>) {
        let Some(died) = self.died_ms.take() else { return };
        let cause = format!(
            "restarted in {} ms, generation {}; {} envelopes wait",
            self.now().saturating_sub(died),
            self.generation,
            self.inbox.len()
        );
        self.health("up", cause, ctx);
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available: true }).ok();
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

    fn ended(&mut self, cause: &ExitCause, ctx: &mut Context<Self>) {
        let last = self.session.take().map(|s| last_words(&s.transcript(8))).unwrap_or_default();
        self.woken = None;
        self.neighbours.locks.try_send(HolderDied(self.id.clone())).ok();
        if !cause.wants_restart() {
            self.state = RoleState::Stopped;
            self.health("down", cause.to_string(), ctx);
            return self.signal();
        }
        self.died_ms.get_or_insert(self.now());
        self.restarts += 1;
        self.suspect_poison(ctx);
        if cause.spends_intensity() && !self.budget.admit(self.now()) {
            return self.degrade(&format!("{cause}{last}"), ctx);
        }
        let delay = self.backoff.failed(self.now(), rand::random()).ms;
        self.state = RoleState::Restarting;
        self.health("restarting", format!("{cause}{last}; back in {delay} ms"), ctx);
        self.signal();
        if delay == 0 {
            return self.start(ctx);
        }
        ctx.run_later(Duration::from_millis(delay), |role, ctx| {
            if role.state == RoleState::Restarting {
                role.start(ctx);
            }
        });
    }

    /// Too many deaths: the role is set aside, its work goes to others, a person is told.
    fn degrade(&mut self, cause: &str, ctx: &mut Context<Self>) {
        self.state = RoleState::Degraded;
        let text = format!(
            "{} died too often (last: {cause}); its work goes to others; `agents role restart {}` brings it back",
            self.id, self.id
        );
        self.health("degraded", text.clone(), ctx);
        let alert = Alert { severity: Risk::High, event: "role-degraded".to_owned(), text };
        self.record(vec![Draft { priority: Priority::High, ..Draft::new(Address::user(), alert) }], ctx);
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available: false }).ok();
        self.signal();
    }

    /// A message that was first in line at three deaths in a row goes to the dead letters.
    fn suspect_poison(&mut self, ctx: &mut Context<Self>) {
        let Some(first) = self.inbox.first() else { return };
        let deaths = match self.suspect {
            Some((index, n)) if index == first.record => n + 1,
            _ => 1,
        };
        self.suspect = Some((first.record, deaths));
        if deaths < self.core.facts.config.supervision.poison_crashes {
            return;
        }
        self.suspect = None;
        let why = format!("{} died {deaths} times with this message first in line", self.id);
        let letter = DeadLetter { message: first.id, receiver: self.id.clone(), why: why.clone() };
        let alert = Alert {
            severity: Risk::High,
            event: "dead-letter".to_owned(),
            text: format!("message {}: {why}", first.id),
        };
        let drafts = vec![
            Draft { feature: first.feature, ..Draft::new(Address::system(), letter) },
            Draft::new(Address::user(), alert),
        ];
        self.record(drafts, ctx);
        let saved = self.inbox.acknowledge(first.id);
        self.settle(saved, ctx);
    }

    /// Expired envelopes are not delivered; their senders are told.
    fn tell_expired(&mut self, ctx: &mut Context<Self>) {
        for (item, saved) in self.inbox.drop_expired(self.now()) {
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
        };
        // A display that misses one signal gets the next.
        self.neighbours.projector.try_send(signal).ok();
    }
}

/// The last line that a program showed, for whoever wonders why it ended.
fn last_words(transcript: &str) -> String {
    let line = transcript.lines().rev().map(str::trim).find(|l| !l.is_empty());
    line.map_or_else(String::new, |l| format!(" (its last line: {})", clean_text(l, 160)))
}

impl Actor for RoleActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
        self.inbox.catch_up();
        self.signal();
        if !self.launcher.lazy(&self.id) || !self.inbox.is_empty() {
            self.start(ctx);
        }
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        let Some(session) = self.session.take() else { return Running::Stop };
        let grace = self.grace;
        let stop = async move { session.stop(grace).await }.into_actor(self).map(|_, _, ctx| ctx.stop());
        ctx.spawn(stop);
        Running::Continue
    }
}

impl Restartable for RoleActor {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ActorExit) {
        if let Some(session) = self.session.take() {
            // The process belonged to the last run, whose events are gone: it is replaced.
            session.kill(ExitCause::Requested);
        }
        let fresh =
            Self::new(self.core.clone(), self.id.clone(), self.launcher.clone(), self.neighbours.clone());
        *self = Self {
            generation: self.generation,
            restarts: self.restarts + 1,
            died_ms: Some(fresh.now()),
            ..fresh
        };
    }
}
crate::supervised!(RoleActor);

impl StreamHandler<Said> for RoleActor {
    fn handle(&mut self, said: Said, ctx: &mut Context<Self>) {
        let Said(generation, event) = said;
        if generation != self.generation {
            return;
        }
        let quiet = self.now().saturating_sub(self.heard_ms);
        self.heard_ms = self.now();
        match event {
            AgentEvent::Exited(cause) => self.ended(&cause, ctx),
            AgentEvent::State(state) => {
                self.state = match state {
                    AgentState::Starting => RoleState::Starting,
                    AgentState::Idle => RoleState::Idle,
                    AgentState::Busy => RoleState::Busy,
                    AgentState::WaitingPermission => RoleState::Waiting,
                };
                self.signal();
            }
            AgentEvent::Started { .. } => self.signal(),
            // A screen changes many times a second; that it does is told once.
            AgentEvent::Screen if quiet >= SIGN_OF_LIFE_MS => self.signal(),
            AgentEvent::Screen
            | AgentEvent::Seen(_)
            | AgentEvent::TurnEnded(_)
            | AgentEvent::Tool { .. }
            | AgentEvent::Pong
            | AgentEvent::Unfit(_)
            | AgentEvent::Asked(_) => {}
            AgentEvent::ApiTrouble { what, .. } | AgentEvent::Protocol(what) => {
                tracing::warn!(role = %self.id, %what, "the agent's program reports trouble");
            }
        }
    }

    /// A session's events end; the next one's stream is added to the same actor.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<CatchUp> for RoleActor {
    type Result = ();
    fn handle(&mut self, _: CatchUp, ctx: &mut Context<Self>) {
        self.catch_up(ctx);
    }
}

impl Handler<Launched> for RoleActor {
    type Result = ();
    fn handle(&mut self, Launched(generation, result): Launched, ctx: &mut Context<Self>) {
        match result {
            Ok(session) if generation == self.generation => self.launched(session, ctx),
            Ok(session) => session.kill(ExitCause::Requested),
            Err(why) if generation == self.generation => self.ended(&ExitCause::SpawnFailed(why), ctx),
            Err(why) => tracing::debug!(role = %self.id, %why, "a start that nobody waits for failed"),
        }
    }
}

impl Handler<ReadInbox> for RoleActor {
    type Result = MessageResult<ReadInbox>;
    fn handle(&mut self, read: ReadInbox, _: &mut Context<Self>) -> Self::Result {
        self.inbox.catch_up();
        MessageResult(self.inbox.items(read.0))
    }
}

impl Handler<Acknowledge> for RoleActor {
    type Result = ResponseActFuture<Self, Result<(), Reason>>;
    fn handle(&mut self, ack: Acknowledge, _: &mut Context<Self>) -> Self::Result {
        if !self.inbox.knows(ack.0) {
            let reason =
                Reason::new(Code::NotAsked, format!("message {} is not in the inbox of {}", ack.0, self.id));
            return Box::pin(fut::ready(Err(reason)));
        }
        let saved = self.inbox.acknowledge(ack.0);
        if self.inbox.is_empty() && self.state == RoleState::Busy {
            self.state = RoleState::Idle;
        }
        self.suspect = None;
        self.signal();
        Box::pin(saved.into_actor(self).map(|result, _, _| {
            result.map_err(|e| Reason::new(Code::Broken, format!("the acknowledgement was not kept: {e}")))
        }))
    }
}

impl Handler<GetSession> for RoleActor {
    type Result = MessageResult<GetSession>;
    fn handle(&mut self, _: GetSession, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.session.clone().map(SessionHandle))
    }
}

impl Handler<Control> for RoleActor {
    type Result = ();
    fn handle(&mut self, control: Control, ctx: &mut Context<Self>) {
        let session = self.session.take();
        // Nothing that the old process or start says counts any more.
        self.generation += 1;
        self.woken = None;
        self.neighbours.locks.try_send(HolderDied(self.id.clone())).ok();
        self.state = RoleState::Stopped;
        if control == Control::Restart {
            let s = &self.core.facts.config.supervision.intensity;
            self.budget = IntensityWindow::new(Intensity::new(s.restarts, s.within.0));
            self.died_ms = Some(self.now());
            self.state = RoleState::Restarting;
        }
        // A paused role's work goes to its family, as that of a degraded one.
        let available = control == Control::Restart;
        self.neighbours.gatekeeper.try_send(Availability { role: self.id.clone(), available }).ok();
        self.signal();
        let (grace, generation) = (self.grace, self.generation);
        let stop = async move {
            if let Some(session) = session {
                session.stop(grace).await;
            }
        };
        // Never two programs of one role at once: the new one starts when the old one has ended.
        ctx.spawn(stop.into_actor(self).map(move |(), role, ctx| {
            if role.state == RoleState::Restarting && role.generation == generation {
                role.start(ctx);
            }
        }));
    }
}

//! A launcher whose programs a test plays.

use super::super::{Answered, Launcher, Order, Started};
use async_trait::async_trait;
use foureyes_ports::{
    backend::{
        AgentBackend, AgentSession, AgentStart, Ask, FakeBackend, FakeSession, Ping, PromptId, SessionRef,
        Size, Transport,
    },
    sandbox::Launch,
};
use foureyes_protocol::PrincipalId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::Notify;
use uuid::Uuid;

/// What a fake start does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A program that knows nothing of what was.
    New,
    /// A program that goes on with its conversation.
    Resumed,
    /// It cannot be started.
    Fails,
    /// It takes until [`FakeLauncher::go_on`] is called.
    Late,
    /// As `Late`, and then it cannot be started.
    LateFailure,
}

struct State {
    how: Start,
    sessions: BTreeMap<PrincipalId, Vec<FakeSession>>,
    orders: Vec<(PrincipalId, Order)>,
    seen: Option<bool>,
    looked_for: Vec<PromptId>,
    transcript: Option<u64>,
    refreshed: usize,
    slow_refresh: bool,
    plain: BTreeSet<PrincipalId>,
    eager: Option<PrincipalId>,
    conversed: Vec<String>,
    late_answers: bool,
}

/// The launcher.
pub(super) struct FakeLauncher {
    state: Mutex<State>,
    backend: FakeBackend,
    go_on: Notify,
    /// Told when the running program takes too much.
    pub(super) greedy: Notify,
}

impl FakeLauncher {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            how: Start::New,
            sessions: BTreeMap::new(),
            orders: Vec::new(),
            seen: None,
            looked_for: Vec::new(),
            transcript: None,
            refreshed: 0,
            slow_refresh: false,
            plain: BTreeSet::new(),
            eager: None,
            conversed: Vec::new(),
            late_answers: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            backend: FakeBackend::default(),
            go_on: Notify::new(),
            greedy: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How starts go from now on.
    pub(super) fn starts(&self, how: Start) {
        self.state().how = how;
    }

    /// Lets one start, or one refresh, that waits go on.
    pub(super) fn go_on(&self) {
        self.go_on.notify_one();
    }

    /// What the transcript says about every prompt.
    pub(super) fn transcript_says(&self, seen: Option<bool>) {
        self.state().seen = seen;
    }

    /// The length of every transcript.
    pub(super) fn transcript_is(&self, bytes: Option<u64>) {
        self.state().transcript = bytes;
    }

    /// The prompts that the transcript was searched for.
    pub(super) fn looked_for(&self) -> Vec<PromptId> {
        self.state().looked_for.clone()
    }

    /// From now on the clones are refreshed when [`FakeLauncher::go_on`] is called.
    pub(super) fn refresh_slowly(&self) {
        self.state().slow_refresh = true;
    }

    /// Questions are answered when [`FakeLauncher::go_on`] is called.
    pub(super) fn answer_late(&self) {
        self.state().late_answers = true;
    }

    /// How often a clone was brought up to date.
    pub(super) fn refreshed(&self) -> usize {
        self.state().refreshed
    }

    /// This role's program reports no turns and has no model.
    pub(super) fn plain(&self, role: &PrincipalId) {
        self.state().plain.insert(role.clone());
    }

    /// This role's program is started with the runtime.
    pub(super) fn eager(&self, role: &PrincipalId) {
        self.state().eager = Some(role.clone());
    }

    /// The programs of a role, the oldest first.
    pub(super) fn sessions(&self, role: &PrincipalId) -> Vec<FakeSession> {
        self.state().sessions.get(role).cloned().unwrap_or_default()
    }

    /// What was ordered for a role.
    pub(super) fn orders(&self, role: &PrincipalId) -> Vec<Order> {
        self.state().orders.iter().filter(|(r, _)| r == role).map(|(_, order)| *order).collect()
    }

    pub(super) fn conversed_ids(&self) -> Vec<String> {
        self.state().conversed.clone()
    }
}

#[async_trait]
impl Launcher for FakeLauncher {
    async fn launch(&self, role: &PrincipalId, order: Order) -> Result<Started, String> {
        let how = {
            let mut state = self.state();
            state.orders.push((role.clone(), order));
            state.how.clone()
        };
        match how {
            Start::Fails => return Err("no such program".to_owned()),
            Start::Late => self.go_on.notified().await,
            Start::LateFailure => {
                self.go_on.notified().await;
                return Err("no such program".to_owned());
            }
            Start::New | Start::Resumed => {}
        }
        let start = AgentStart {
            role: role.clone(),
            generation: order.generation,
            launch: Launch { program: "/fake".into(), args: vec![], env: vec![] },
            size: Size::default(),
            session: SessionRef { id: Uuid::nil(), resume: false },
            transport: Transport::Pipes,
        };
        let session = self.backend.start(start).await.map_err(|e| e.to_string())?;
        let fake = self.backend.sessions().pop().expect("it was just started");
        if !self.state().plain.contains(role) {
            fake.report_turns();
            fake.set_ping(Ping::Answered);
        }
        self.state().sessions.entry(role.clone()).or_default().push(fake);
        let session: Box<dyn AgentSession> = session;
        Ok(Started { session, resumed: how == Start::Resumed })
    }

    fn lazy(&self, role: &PrincipalId) -> bool {
        self.state().eager.as_ref() != Some(role)
    }

    async fn excess(&self, _: &PrincipalId, pid: u32) -> String {
        self.greedy.notified().await;
        format!("{pid} takes too much")
    }

    fn has_model(&self, role: &PrincipalId) -> bool {
        !self.state().plain.contains(role)
    }

    async fn refresh(&self, _: &PrincipalId) {
        let slow = {
            let mut state = self.state();
            state.refreshed += 1;
            state.slow_refresh
        };
        if slow {
            self.go_on.notified().await;
        }
    }

    async fn answer(&self, _: &PrincipalId, ask: &Ask) -> Answered {
        let late = self.state().late_answers;
        if late {
            self.go_on.notified().await;
        }
        let refused = ask.kind.strip_prefix("refused-").map(|what| {
            let reason = foureyes_protocol::Reason::new(foureyes_protocol::Code::ToolRight, "no");
            (what.to_owned(), reason)
        });
        Answered { payload: format!("\"answer to {}\"", ask.id), refused }
    }

    async fn was_seen(&self, _: &PrincipalId, prompt: PromptId) -> Option<bool> {
        let mut state = self.state();
        state.looked_for.push(prompt);
        state.seen
    }

    fn conversed(&self, _: &PrincipalId, id: &str) {
        self.state().conversed.push(id.to_owned());
    }

    fn transcript_bytes(&self, _: &PrincipalId) -> Option<u64> {
        self.state().transcript
    }
}

//! What a running runtime does for its owner's commands: the control socket's other side.

use super::{
    desk::{Desk, Typed as DeskTyped},
    taking::Takings,
};
use crate::{
    compose::Runtime,
    control::{
        handler::{ControlHandler, Done},
        protocol::{RoleAction, Typed},
        server,
    },
    error::CliError,
    state::StateDir,
};
use async_trait::async_trait;
use foureyes_actors::{core::CoreHandle, role::Control};
use foureyes_display::attach::{ScreenFeed, ScreenUpdate};
use foureyes_ports::{
    backend::AgentSession,
    screen::ScreenSnapshot,
    view::{QuestionView, RoleState, View},
};
use foureyes_protocol::{Address, Code, Digest, Family, FeatureId, PrincipalId, Reason, body::FeatureAction};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, watch};

/// How often a viewer looks whether a role that is down has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

struct Operator {
    desk: Desk,
    core: CoreHandle,
    takings: Arc<Takings>,
    asked: Arc<Notify>,
}

/// Serves the control socket until the answer is dropped.
pub(super) struct Served(tokio::task::JoinHandle<()>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens for the owner's commands.
///
/// # Errors
/// A socket that cannot be made; another runtime that answers there.
pub(super) fn serve(
    state: &StateDir,
    runtime: &Runtime,
    desk: Desk,
    asked: Arc<Notify>,
) -> Result<Served, CliError> {
    let listener = server::listen(&state.control_socket())?;
    let core = runtime.handle().clone();
    let takings = Arc::new(Takings::new(core.clone()));
    let operator = Arc::new(Operator { desk, core, takings, asked });
    Ok(Served(tokio::spawn(server::serve(listener, operator))))
}

fn typed(typed: Typed) -> DeskTyped {
    DeskTyped { digest: typed.digest.clone(), code: typed.code.clone() }
}

#[async_trait]
impl ControlHandler for Operator {
    fn views(&self) -> watch::Receiver<Arc<View>> {
        self.core.view()
    }

    async fn screen(&self, role: &PrincipalId) -> Option<Box<dyn ScreenFeed>> {
        let family = self.core.context().facts.roster.family(role)?;
        self.core.context().facts.roster.iter().find(|(id, _)| id == role)?;
        Some(Box::new(Feed {
            core: self.core.clone(),
            takings: self.takings.clone(),
            role: role.clone(),
            family,
            session: None,
            changes: None,
            sent: None,
        }))
    }

    async fn request(&self, id: FeatureId, title: String, text: String) -> Done {
        self.desk.request(id, title, text).await
    }

    async fn steer(&self, id: FeatureId, action: FeatureAction, reason: String) -> Done {
        self.desk.steer(id, action, reason).await
    }

    async fn send(&self, to: Address, text: String, feature: Option<FeatureId>) -> Done {
        self.desk.send(to, text, feature).await
    }

    async fn question(&self, which: &str) -> Result<QuestionView, Reason> {
        self.desk.question(which).await
    }

    async fn answer(&self, which: &str, text: &str) -> Done {
        self.desk.answer(which, text).await
    }

    async fn approve(&self, which: &str, code: Option<Typed>) -> Done {
        self.desk.approve(which, code.map(typed)).await
    }

    async fn reject(&self, which: &str, findings: &[String]) -> Done {
        self.desk.reject(which, &findings.join("; "), None).await
    }

    async fn freeze(&self, reason: String) -> Done {
        self.desk.freeze(reason).await
    }

    async fn unfreeze_decision(&self) -> Result<Digest, Reason> {
        self.desk.unfreeze_decision().await
    }

    async fn unfreeze(&self, report: String, code: Typed) -> Done {
        self.desk.unfreeze(report, Some(typed(code))).await
    }

    async fn role(&self, role: &PrincipalId, action: RoleAction) -> Done {
        let (control, done) = match action {
            RoleAction::Restart => (Control::Restart, "is restarting"),
            RoleAction::Pause => (Control::Stop, "is paused; `agents role restart` brings it back"),
        };
        match self.core.control(role, control).await {
            true => Ok(format!("{role} {done}")),
            false => {
                Err(Reason::new(Code::Receiver, format!("there is no role {role}: `agents ps` lists them")))
            }
        }
    }

    async fn take(&self, role: &PrincipalId) -> Result<bool, Reason> {
        self.takings.take(role).await
    }

    async fn give_back(&self, role: &PrincipalId) {
        self.takings.give_back(role).await;
    }

    async fn type_to(&self, role: &PrincipalId, keys: &[u8]) -> Done {
        self.takings.type_to(role, keys).await
    }

    async fn say_to(&self, role: &PrincipalId, text: String) -> Done {
        self.takings.say_to(role, &text).await
    }

    async fn crash(&self, path: &str) -> Done {
        let crashed = self.core.crash(path).await;
        crashed
            .map(|()| format!("{path} panicked; `agents logs` shows its restart"))
            .map_err(|e| Reason::new(Code::Receiver, e))
    }

    async fn down(&self) -> Done {
        self.asked.notify_one();
        Ok("stopping: roles first, then services".to_owned())
    }
}

/// A role's screen, through deaths and restarts of its process.
struct Feed {
    core: CoreHandle,
    takings: Arc<Takings>,
    role: PrincipalId,
    family: Family,
    session: Option<Arc<dyn AgentSession>>,
    changes: Option<watch::Receiver<u64>>,
    sent: Option<u64>,
}

impl Feed {
    fn update(&mut self, screen: Arc<ScreenSnapshot>) -> ScreenUpdate {
        let view = self.core.view().borrow().clone();
        let role = view.roles.iter().find(|r| r.id == self.role);
        ScreenUpdate {
            role: self.role.clone(),
            family: self.family,
            state: role.map_or(RoleState::Asleep, |r| r.state),
            work: role.map_or_else(String::new, |r| r.work.clone()),
            restarts: role.map_or(0, |r| r.restarts),
            taken: self.takings.is_taken(&self.role),
            screen,
        }
    }

    /// The running session, found anew when the process was replaced.
    async fn attach(&mut self) {
        self.session = self.core.session(&self.role).await;
        self.changes = self.session.as_ref().map(|s| s.screen_changes());
        self.sent = None;
    }
}

#[async_trait]
impl ScreenFeed for Feed {
    async fn next(&mut self) -> Option<ScreenUpdate> {
        loop {
            if let (Some(session), None) = (&self.session, self.sent) {
                let screen = session.screen();
                self.sent = Some(screen.version);
                return Some(self.update(screen));
            }
            match self.changes.as_mut() {
                Some(changes) => match changes.changed().await {
                    Ok(()) => self.sent = None,
                    Err(_) => self.changes = None,
                },
                None => {
                    self.attach().await;
                    if self.session.is_none() {
                        tokio::time::sleep(LOOK_AGAIN).await;
                        if self.core.children().await.is_empty() {
                            return None;
                        }
                    }
                }
            }
        }
    }
}

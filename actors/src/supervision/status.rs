//! What the tree looks like now, and drills on it.

use super::core::Core;
use super::event::ChildPath;
use super::node::{Body, Node};
use super::restartable::Crash;
use super::spec::Restart;
use super::supervisor::Supervisor;

/// One child as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildStatus {
    /// Who.
    pub child: ChildPath,
    /// Whether it runs; else it is backing off, frozen or stopping.
    pub running: bool,
    /// Failures since it was last healthy.
    pub attempts: u32,
    /// Its restart type.
    pub restart: Restart,
}

/// Why a drill could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrashError {
    /// No actor has that path.
    #[error("no actor {child} in the tree; list its paths with `Supervisor::children`")]
    Unknown {
        /// The path that was asked for.
        child: String,
    },
    /// The actor's mailbox is full or closed.
    #[error("the mailbox of {child} takes no message now; try again")]
    Busy {
        /// The path that was asked for.
        child: String,
    },
}

impl Supervisor {
    /// All children below this supervisor in start order, each supervisor before its children.
    pub fn children(&self) -> Vec<ChildStatus> {
        let mut all = Vec::new();
        self.core.collect(&mut all);
        all
    }

    /// Makes the actor with this full path panic with `reason` when it comes to the message.
    ///
    /// # Errors
    /// [`CrashError::Unknown`], [`CrashError::Busy`].
    pub fn crash(&self, path: &str, reason: &str) -> Result<(), CrashError> {
        let child = || path.to_owned();
        let crash = self.core.find(path).ok_or_else(|| CrashError::Unknown { child: child() })?;
        crash.try_send(Crash(reason.to_owned())).map_err(|_| CrashError::Busy { child: child() })
    }
}

impl Core {
    fn collect(&self, all: &mut Vec<ChildStatus>) {
        for (place, node) in &*self.nodes.borrow() {
            all.push(ChildStatus {
                child: node.path.clone(),
                running: node.is_running(),
                attempts: self.roster.borrow().attempts(*place),
                restart: node.restart,
            });
            if let Body::Supervisor(core) = &node.body {
                core.collect(all);
            }
        }
    }

    fn find(&self, path: &str) -> Option<actix::Recipient<Crash>> {
        let nodes = self.nodes.borrow();
        nodes.values().find_map(|Node { path: own, body, .. }| match body {
            Body::Actor { crash, .. } => (&**own == path).then(|| crash.clone()),
            Body::Supervisor(core) => core.find(path),
        })
    }
}

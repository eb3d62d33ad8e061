//! Agents that the user has taken over: who has them, and that the runtime types nothing meanwhile.

use foureyes_actors::core::CoreHandle;
use foureyes_ports::{
    backend::{AgentSession, DeliverError, Prompt, PromptId},
    governance::Draft,
    text::clean_lines,
};
use foureyes_protocol::{Address, Code, Label, MessageId, PrincipalId, Reason, body::TakenOver};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::AbortHandle;

/// How often it is looked whether a role that is down has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The longest line that is said to an agent, in characters.
const LONGEST: usize = 64 << 10;
/// How pastes are marked for programs that asked for it.
const PASTE_MARKS: [&[u8]; 2] = [b"\x1b[200~", b"\x1b[201~"];

/// The agents that are taken over, each by one connection of the user.
pub(super) struct Takings {
    core: CoreHandle,
    taken: Mutex<BTreeMap<PrincipalId, Option<AbortHandle>>>,
}

impl Takings {
    pub(super) fn new(core: CoreHandle) -> Self {
        Self { core, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<PrincipalId, Option<AbortHandle>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_taken(&self, role: &PrincipalId) -> bool {
        self.taken().contains_key(role)
    }

    /// Takes a role's agent over; whether it has a terminal. The record comes first: what is not in
    /// the ledger does not happen.
    pub(super) async fn take(&self, role: &PrincipalId) -> Result<bool, Reason> {
        let session = self.session(role).await?;
        // The place is taken before anything is awaited, so that of two only one gets it.
        match self.taken().entry(role.clone()) {
            Entry::Occupied(_) => return Err(already(role)),
            Entry::Vacant(place) => drop(place.insert(None)),
        }
        if let Err(reason) = self.record(role, true).await {
            self.taken().remove(role);
            return Err(reason);
        }
        session.hold(true);
        self.core.context().meter.taken(role, true);
        let held = tokio::spawn(keep(self.core.clone(), role.clone()));
        self.taken().insert(role.clone(), Some(held.abort_handle()));
        Ok(session.has_terminal())
    }

    /// Gives it back.
    pub(super) async fn give_back(&self, role: &PrincipalId) {
        if let Some(held) = self.taken().remove(role).flatten() {
            held.abort();
        }
        if let Some(session) = self.core.session(role).await {
            session.hold(false);
        }
        self.core.context().meter.taken(role, false);
        if let Err(reason) = self.record(role, false).await {
            tracing::warn!(%role, %reason, "that a role was given back was not recorded");
        }
    }

    /// Types into the agent's terminal.
    pub(super) async fn type_to(&self, role: &PrincipalId, keys: &[u8]) -> Result<String, Reason> {
        let session = self.session(role).await?;
        let keys = match session.screen().bracketed_paste {
            true => keys.to_vec(),
            false => without_marks(keys),
        };
        session.type_raw(&keys).await.map_err(|e| refused(role, &e))?;
        Ok(String::new())
    }

    /// Says something to the agent, as a prompt.
    pub(super) async fn say_to(&self, role: &PrincipalId, text: &str) -> Result<String, Reason> {
        let session = self.session(role).await?;
        let context = self.core.context();
        let mut random = [0; 10];
        context.ports.entropy.fill(&mut random);
        let id = PromptId(MessageId::from_parts(context.ports.clock.now_ms(), random).0);
        let prompt = Prompt { id, text: clean_lines(text, usize::MAX, LONGEST), urgent: false };
        session.deliver(prompt).await.map_err(|e| refused(role, &e))?;
        Ok(String::new())
    }

    async fn record(&self, role: &PrincipalId, taken: bool) -> Result<(), Reason> {
        let body = TakenOver { role: role.clone(), taken };
        let labels = BTreeSet::from([Label::User]);
        let draft = Draft { labels, ..Draft::new(Address::system(), body) };
        self.core.say(&PrincipalId::user(), draft).await.map(drop)
    }

    async fn session(&self, role: &PrincipalId) -> Result<Arc<dyn AgentSession>, Reason> {
        let none = || {
            let why = format!("no process of {role} runs: `agents ps` lists them, `agents send` wakes one");
            Reason::new(Code::Receiver, why)
        };
        self.core.session(role).await.ok_or_else(none)
    }
}

fn already(role: &PrincipalId) -> Reason {
    Reason::new(Code::Receiver, format!("{role} is taken over already; it is given back by Ctrl-] there"))
}

fn refused(role: &PrincipalId, error: &DeliverError) -> Reason {
    Reason::new(Code::Receiver, format!("{role}: {error}"))
}

/// Holds whatever process the role has, also one that replaces another, until it is aborted.
async fn keep(core: CoreHandle, role: PrincipalId) {
    loop {
        let changes = core.session(&role).await.map(|session| {
            session.hold(true);
            session.screen_changes()
        });
        if let Some(mut changes) = changes {
            // The program is gone when its screen is.
            while changes.changed().await.is_ok() {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// For a program that did not ask for the marks of a paste, which would be keys to it.
fn without_marks(keys: &[u8]) -> Vec<u8> {
    let mut rest = keys;
    let mut plain = Vec::with_capacity(keys.len());
    while let Some((first, more)) = rest.split_first() {
        match PASTE_MARKS.iter().find_map(|mark| rest.strip_prefix(*mark)) {
            Some(behind) => rest = behind,
            None => {
                plain.push(*first);
                rest = more;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_dropped_and_nothing_else() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"", b""),
            (b"plain\x1b[A\r", b"plain\x1b[A\r"),
            (b"\x1b[200~pasted\x1b[201~\r", b"pasted\r"),
            (b"a\x1b[200~\x1b[201~\x1b[20", b"a\x1b[20"),
        ];
        for (keys, plain) in cases {
            assert_eq!(without_marks(keys), plain);
        }
    }
}

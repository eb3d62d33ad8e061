//! Which conversation a role's program goes on with: its id, kept where no agent can write.

use foureyes_ports::backend::SessionRef;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::PathBuf};
use uuid::Uuid;

/// The file in a role's directory.
const FILE: &str = "conversation.json";

/// The conversation of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// The runtime's own id of it.
    pub id: Uuid,
    /// The id that the program gave it, where it gives its own.
    #[serde(default)]
    pub foreign: Option<String>,
}

/// The conversations of all roles, below a directory for each.
#[derive(Clone, Debug)]
pub(super) struct Conversations {
    roles: PathBuf,
}

impl Conversations {
    /// Those below `roles`.
    pub(super) fn below(roles: PathBuf) -> Self {
        Self { roles }
    }

    fn file(&self, role: &str) -> PathBuf {
        self.roles.join(role).join(FILE)
    }

    /// The kept one; what cannot be read is none.
    pub(super) fn get(&self, role: &str) -> Option<Conversation> {
        serde_json::from_slice(&fs::read(self.file(role)).ok()?).ok()
    }

    /// Keeps it, whole or not at all.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn keep(&self, role: &str, conversation: &Conversation) -> io::Result<()> {
        let file = self.file(role);
        let text = serde_json::to_vec(conversation)?;
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir)?;
        }
        foureyes_ledger::write_private(&file, &text)
    }

    /// The conversation that the next program goes on with: the kept one where `goes_on` finds it,
    /// else a new one under `fresh`.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn open(
        &self,
        role: &str,
        anew: bool,
        fresh: Uuid,
        goes_on: impl FnOnce(&Conversation) -> bool,
    ) -> io::Result<(Conversation, bool)> {
        if let Some(kept) = self.get(role).filter(|kept| !anew && goes_on(kept)) {
            return Ok((kept, true));
        }
        let new = Conversation { id: fresh, ..Conversation::default() };
        self.keep(role, &new)?;
        Ok((new, false))
    }
}

impl Conversation {
    /// As a back end is told.
    pub(super) fn session(&self, resume: bool) -> SessionRef {
        SessionRef { id: self.id, resume }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_goes_on_until_it_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let all = Conversations::below(dir.path().to_owned());
        let (one, two, three) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let open = |anew, fresh, there: bool| all.open("dev-a", anew, fresh, |_| there).unwrap();
        assert_eq!(open(false, one, true).0.id, one);
        assert_eq!(open(false, two, true), (Conversation { id: one, ..Default::default() }, true));
        assert_eq!(open(false, two, false).0.id, two, "its transcript is gone");
        assert_eq!(open(true, three, true).0.id, three);
        std::fs::write(dir.path().join("dev-a").join(FILE), "torn").unwrap();
        assert_eq!(all.get("dev-a"), None);
    }
}

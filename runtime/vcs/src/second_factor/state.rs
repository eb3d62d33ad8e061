//! What is kept of the second factor between two starts.

use super::SecondFactorError;
use crate::private_file::PrivateDir;
use foureyes_ports::clock::UnixMillis;
use foureyes_protocol::Digest;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::Path};
use zeroize::{Zeroize, Zeroizing};

/// The file's name.
pub(super) const FILE: &str = "second-factor.json";
const VERSION: u32 = 1;
/// Tries are forgotten after 30 days: by then the decision itself is long closed.
const KEEP_TRIES_MS: u64 = 30 * 24 * 3600 * 1000;

/// The tries at one decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attempts {
    pub(super) wrong: u8,
    pub(super) accepted: bool,
    pub(super) at_ms: UnixMillis,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// Hexadecimal.
    pub(super) secret: String,
    pub(super) recovery: Digest,
    pub(super) enrolled_at_ms: UnixMillis,
    pub(super) last_step: Option<u64>,
    pub(super) last_accepted_ms: Option<UnixMillis>,
    pub(super) decisions: BTreeMap<Digest, Attempts>,
}

impl State {
    pub(super) fn fresh(secret: String, recovery: Digest, enrolled_at_ms: UnixMillis) -> Self {
        let decisions = BTreeMap::new();
        Self {
            version: VERSION,
            secret,
            recovery,
            enrolled_at_ms,
            last_step: None,
            last_accepted_ms: None,
            decisions,
        }
    }

    pub(super) fn note(&mut self, decision: &Digest, attempts: Attempts) {
        self.decisions.retain(|_, a| a.at_ms + KEEP_TRIES_MS > attempts.at_ms);
        self.decisions.insert(*decision, attempts);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Never shows the secret.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("enrolled_at_ms", &self.enrolled_at_ms).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Store(PrivateDir);

impl Store {
    pub(super) fn open(dir: &Path) -> Result<Self, SecondFactorError> {
        Ok(Self(PrivateDir::open(dir)?))
    }

    pub(super) fn read(&self) -> Result<Option<State>, SecondFactorError> {
        let Some(bytes) = self.0.read(FILE)? else { return Ok(None) };
        let state: State = serde_json::from_slice(&bytes).map_err(|e| self.damaged(e.to_string()))?;
        if state.version != VERSION {
            return Err(self.damaged(format!("version {} is not {VERSION}", state.version)));
        }
        Ok(Some(state))
    }

    pub(super) fn write(&self, state: &State) -> Result<(), SecondFactorError> {
        let bytes = serde_json::to_vec(state).map_err(|e| self.damaged(e.to_string()))?;
        Ok(self.0.write(FILE, &Zeroizing::new(bytes))?)
    }

    fn damaged(&self, why: String) -> SecondFactorError {
        SecondFactorError::Damaged { path: self.0.path(FILE).display().to_string(), why }
    }
}

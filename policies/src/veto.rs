//! Freeze and quarantine: the librarian's veto and the automatic triggers.
//!
//! A freeze is one-way for agents: the librarian sets it, only the user lifts it. The triggers first
//! set one role aside; the system freezes when two roles are set aside within a day.

use crate::{admission, record::Record};
use foureyes_protocol::{
    Body, Code, Envelope, Family, FeatureId, Kind, PrincipalId, Reason,
    body::{Freeze, Quarantine, Refused},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The numbers of the triggers; times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triggers {
    /// Bypass attempts that quarantine a role.
    pub bypass_attempts: usize,
    /// Within this time.
    pub bypass_window_ms: u64,
    /// Forged or stale lock tokens that quarantine a role.
    pub forged_tokens: usize,
    /// Quarantines that freeze everything.
    pub quarantines: usize,
    /// Within this time.
    pub quarantine_window_ms: u64,
}

impl Default for Triggers {
    fn default() -> Self {
        let day = 24 * 3_600_000;
        Self {
            bypass_attempts: 3,
            bypass_window_ms: day,
            forged_tokens: 5,
            quarantines: 2,
            quarantine_window_ms: day,
        }
    }
}

/// A freeze in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Since which record.
    pub index: u64,
    /// Since when.
    pub at_ms: u64,
    /// Who set it.
    pub by: PrincipalId,
    /// What it says.
    pub freeze: Freeze,
}

/// The fold of freezes, quarantines and incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Veto {
    /// The freeze in force.
    pub frozen: Option<Frozen>,
    /// Roles set aside, with why.
    pub quarantined: BTreeMap<PrincipalId, String>,
    /// When each quarantine of the window began.
    begun: VecDeque<(u64, PrincipalId)>,
    /// Attempts that count: when, who, code.
    attempts: VecDeque<(u64, PrincipalId, Code)>,
    /// Refusals that were the first of their kind in a feature: advice.
    advised: BTreeSet<(PrincipalId, Option<FeatureId>, Code)>,
}

/// The most attempts that are remembered; one role is set aside long before.
const MAX_ATTEMPTS: usize = 4_096;

/// Codes that are attempts to get around a gate.
fn is_bypass(code: Code) -> bool {
    matches!(
        code,
        Code::PushMain
            | Code::PushForce
            | Code::PushUnsigned
            | Code::PushForeignKey
            | Code::PushAuthor
            | Code::PushProtected
            | Code::PushUnassigned
            | Code::AdmittedChanged
            | Code::SelfApproval
            | Code::Sender
            | Code::Tampering
            | Code::ClaimContradicted
    )
}

impl Veto {
    /// Takes in a record.
    pub fn apply(&mut self, record: &Record) {
        let envelope = &record.envelope;
        match &envelope.body {
            Body::Freeze(f) if self.frozen.is_none() => {
                self.frozen = Some(Frozen {
                    index: record.index,
                    at_ms: record.at_ms,
                    by: envelope.from.clone(),
                    freeze: f.clone(),
                });
            }
            Body::Unfreeze(_) if envelope.from.is_user() => self.lift(),
            Body::Quarantine(q) => self.quarantine(record.at_ms, q),
            Body::Refused(r) => self.count(record.at_ms, envelope.feature.clone(), r),
            _ => {}
        }
    }

    fn lift(&mut self) {
        self.frozen = None;
        self.begun.clear();
    }

    fn quarantine(&mut self, at_ms: u64, q: &Quarantine) {
        if q.lifted {
            self.quarantined.remove(&q.role);
            self.attempts.retain(|(_, who, _)| *who != q.role);
            // The user looked at it: it does not count towards a freeze any more.
            self.begun.retain(|(_, who)| *who != q.role);
        } else if self.quarantined.insert(q.role.clone(), q.reason.clone()).is_none() {
            self.begun.push_back((at_ms, q.role.clone()));
        }
    }

    /// A token that ran out is a late write and no incident; one that was never granted is forged.
    fn count(&mut self, at_ms: u64, feature: Option<FeatureId>, refused: &Refused) {
        let (who, code) = (refused.who.clone(), refused.reason.code);
        let forged = code == Code::LockStale && refused.incident;
        let first = self.advised.insert((who.clone(), feature, code));
        if forged || (is_bypass(code) && !first) {
            self.attempts.push_back((at_ms, who, code));
        }
        if self.attempts.len() > MAX_ATTEMPTS {
            self.attempts.pop_front();
        }
    }

    /// What the triggers ask for now: quarantines, then perhaps a freeze. Asked after each record.
    pub fn triggered(&self, triggers: &Triggers, now_ms: u64) -> Vec<Body> {
        let mut bodies: Vec<Body> = Vec::new();
        let roles: BTreeSet<&PrincipalId> = self.attempts.iter().map(|(_, who, _)| who).collect();
        for role in roles.into_iter().filter(|r| !self.quarantined.contains_key(*r) && !r.is_user()) {
            if let Some(reason) = self.over(role, triggers, now_ms) {
                bodies.push(Quarantine { role: role.clone(), reason, lifted: false }.into());
            }
        }
        let recent =
            self.begun.iter().filter(|(at, _)| now_ms.saturating_sub(*at) < triggers.quarantine_window_ms);
        let recent: Vec<PrincipalId> = recent.map(|(_, who)| who.clone()).collect();
        if self.frozen.is_none() && recent.len() >= triggers.quarantines {
            bodies.push(freeze_for(recent).into());
        }
        bodies
    }

    fn over(&self, role: &PrincipalId, triggers: &Triggers, now_ms: u64) -> Option<String> {
        let recent = self
            .attempts
            .iter()
            .filter(|(at, who, _)| who == role && now_ms.saturating_sub(*at) < triggers.bypass_window_ms);
        let (tokens, bypasses): (Vec<_>, Vec<_>) = recent.partition(|(_, _, code)| *code == Code::LockStale);
        if bypasses.len() >= triggers.bypass_attempts {
            let codes: Vec<&str> = bypasses.iter().map(|(_, _, code)| code.as_str()).collect();
            return Some(format!(
                "{} attempts to get around the gates ({})",
                bypasses.len(),
                codes.join(", ")
            ));
        }
        (tokens.len() >= triggers.forged_tokens).then(|| format!("{} forged lock tokens", tokens.len()))
    }

    /// Whether an envelope may pass.
    ///
    /// # Errors
    /// [`Code::Frozen`], [`Code::Quarantined`], [`Code::NotUser`].
    pub fn permits(&self, e: &Envelope, family: Family) -> Result<(), Reason> {
        if e.kind == Kind::Unfreeze && family != Family::User {
            return Err(Reason::new(Code::NotUser, "only the user lifts a freeze, with the second factor"));
        }
        if let Some(frozen) = self.frozen.as_ref().filter(|_| !admission::goes_on_frozen(e.kind)) {
            let text = format!(
                "frozen since record {} by {}: {}; the user lifts it with `agents unfreeze`",
                frozen.index, frozen.by, frozen.freeze.reason
            );
            return Err(Reason::new(Code::Frozen, text));
        }
        let set_aside = family != Family::User && self.quarantined.contains_key(&e.from);
        if set_aside && !quarantined_may(e.kind) {
            return Err(Reason::new(
                Code::Quarantined,
                format!("{} is set aside: it may talk, not act", e.from),
            ));
        }
        Ok(())
    }

    /// Whether a role may lock, sign or move a gate now.
    ///
    /// # Errors
    /// [`Code::Frozen`], [`Code::Quarantined`].
    pub fn may_act(&self, role: &PrincipalId) -> Result<(), Reason> {
        if let Some(frozen) = &self.frozen {
            return Err(Reason::new(
                Code::Frozen,
                format!("frozen by {}: {}", frozen.by, frozen.freeze.reason),
            ));
        }
        match self.quarantined.get(role) {
            Some(why) => Err(Reason::new(Code::Quarantined, format!("{role} is set aside: {why}"))),
            None => Ok(()),
        }
    }
}

fn quarantined_may(kind: Kind) -> bool {
    matches!(kind, Kind::StatusReport | Kind::Question | Kind::Answer | Kind::Escalation | Kind::TaskComplete)
}

fn freeze_for(roles: Vec<PrincipalId>) -> Freeze {
    let names: Vec<&str> = roles.iter().map(PrincipalId::as_str).collect();
    Freeze {
        reason: format!("{} roles were set aside within a day: {}", roles.len(), names.join(", ")),
        evidence: Vec::new(),
        roles,
        remedy: "read `agents logs --kind Refused`, decide what happened, then `agents unfreeze`".to_owned(),
    }
}

//! Admission to the registry: the order of checks, and the fold that they need.
//!
//! decode, hash, size (before this) → identity → duplicate? the first verdict → rate (its own rule) →
//! freeze and quarantine → permission and policy → append.

use crate::{approvals, features::Features, record::Record, rights, veto::Veto};
use foureyes_protocol::{
    Address, Body, ChangeKind, Code, Digest, Envelope, Family, Kind, MessageId, PrincipalId, Reason, Roster,
    RunId,
    body::{Subject, Task},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the registry remembers of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// The newest sequence number of each sender in the present epoch.
    pub seqs: BTreeMap<PrincipalId, u64>,
    /// The bytes' hash and the place of every admitted id.
    pub ids: HashMap<MessageId, (Digest, u64)>,
    /// Requests for a co-sign that are open: to whom, content.
    pub cosigns: HashMap<MessageId, (PrincipalId, Digest)>,
    /// Who was asked for a third review of which content, and has not answered.
    pub tertiaries: BTreeSet<(PrincipalId, Digest)>,
    /// The epoch of the newest `EpochStarted`.
    pub epoch: u64,
}

/// What a duplicate check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never seen.
    New,
    /// Admitted before, at this place, with these bytes.
    Same(u64),
}

impl Admission {
    /// Takes in a record that was admitted.
    pub fn apply(&mut self, record: &Record, hash: Digest) {
        let envelope = &record.envelope;
        if envelope.epoch != self.epoch {
            self.epoch = envelope.epoch;
            self.seqs.clear();
        }
        self.seqs.insert(envelope.from.clone(), envelope.seq);
        self.ids.insert(envelope.id, (hash, record.index));
        match (&envelope.body, &envelope.to) {
            (Body::CoSignRequest(r), Address::One(to)) => {
                self.cosigns.insert(envelope.id, (to.clone(), r.content));
            }
            (Body::TertiaryReviewRequest(r), Address::One(to)) => {
                self.tertiaries.insert((to.clone(), r.content));
            }
            (Body::TertiaryVerdict(v), _) => {
                self.tertiaries.remove(&(envelope.from.clone(), v.content));
            }
            (Body::CoSign(c), _) => self.cosigns.retain(|_, (_, content)| *content != c.content),
            _ => {}
        }
    }

    /// The next sequence number of a sender.
    pub fn next_seq(&self, from: &PrincipalId) -> u64 {
        self.seqs.get(from).copied().unwrap_or(0) + 1
    }

    /// Identity: the envelope is of this run and epoch, its sender is the principal of the channel,
    /// it is not expired.
    ///
    /// # Errors
    /// [`Code::Epoch`], [`Code::Sender`], [`Code::Expired`].
    pub fn identity(
        &self,
        e: &Envelope,
        channel: &PrincipalId,
        run: RunId,
        epoch: u64,
        now_ms: u64,
    ) -> Result<(), Reason> {
        if e.from != *channel {
            return Err(Reason::new(
                Code::Sender,
                format!("the message names {} and came from {channel}", e.from),
            ));
        }
        if (e.run, e.epoch) != (run, epoch) {
            return Err(Reason::new(
                Code::Epoch,
                format!("the message is of epoch {}, this is epoch {epoch}", e.epoch),
            ));
        }
        if e.expired(now_ms) {
            return Err(Reason::new(Code::Expired, "the message expired before it was admitted"));
        }
        Ok(())
    }

    /// Whether the id was admitted before.
    ///
    /// # Errors
    /// [`Code::Tampering`]: with other bytes.
    pub fn seen(&self, id: MessageId, hash: Digest) -> Result<Seen, Reason> {
        match self.ids.get(&id) {
            None => Ok(Seen::New),
            Some((known, index)) if *known == hash => Ok(Seen::Same(*index)),
            Some((_, index)) => Err(Reason::new(
                Code::Tampering,
                format!("id {id} was admitted as record {index} with other bytes"),
            )),
        }
    }

    /// The sequence number is the next one.
    ///
    /// # Errors
    /// [`Code::Sequence`].
    pub fn sequence(&self, e: &Envelope) -> Result<(), Reason> {
        let next = self.next_seq(&e.from);
        if e.seq == next {
            return Ok(());
        }
        Err(Reason::new(Code::Sequence, format!("sequence {} came where {next} was due", e.seq)))
    }
}

/// Freeze, quarantine, rights and the rules of each kind. `features` and `veto` are the folds of
/// everything admitted so far.
///
/// # Errors
/// The first rule that refuses.
pub fn permit(
    e: &Envelope,
    roster: &Roster,
    admission: &Admission,
    features: &Features,
    veto: &Veto,
) -> Result<(), Reason> {
    let family = roster
        .family(&e.from)
        .ok_or_else(|| Reason::new(Code::Sender, format!("{} is not on the roster", e.from)))?;
    veto.permits(e, family)?;
    rights::check(e, family, roster)?;
    match &e.body {
        Body::SignOffApproval(a) => sign_off(e, a.subject, a.content, family, roster, features),
        Body::SignOffRejection(r) => {
            if r.findings.is_empty() {
                return Err(Reason::new(
                    Code::Kind,
                    "a rejection names at least one finding with file:line, problem and fix",
                ));
            }
            sign_off(e, r.subject, r.content, family, roster, features)
        }
        Body::CoSign(c) if family != Family::System => cosign(e, c.content, admission),
        Body::TertiaryVerdict(v) if family != Family::System => tertiary(e, v.content, admission),
        Body::TaskAssignment(t) if family == Family::Orchestrator => {
            assignment(e, t.task, roster, features, veto)
        }
        Body::Unfreeze(u) if !u.second_factor => Err(no_code("a freeze is lifted")),
        Body::DecisionAnnouncement(d) => decision(e, d, features),
        Body::SpecSubmitted(_) => spec(e, features),
        Body::GateRequest(g) => proposal(e, g.content, features),
        Body::LockRequest(l) if !l.widen.is_empty() => widen(e, features),
        _ => Ok(()),
    }
}

fn feature<'f>(e: &Envelope, features: &'f Features) -> Result<&'f crate::features::Feature, Reason> {
    let missing = || Reason::new(Code::NotAsked, "name the feature: `feature` is missing or unknown");
    e.feature.as_ref().and_then(|id| features.by_id.get(id)).ok_or_else(missing)
}

fn sign_off(
    e: &Envelope,
    subject: Subject,
    content: Digest,
    family: Family,
    roster: &Roster,
    features: &Features,
) -> Result<(), Reason> {
    let feature = feature(e, features)?;
    let own_spec = subject == Subject::Spec && feature.spec.as_ref().is_some_and(|s| s.by == e.from);
    if own_spec || (subject != Subject::Spec && feature.contributors.contains(&e.from)) {
        return Err(Reason::new(
            Code::SelfApproval,
            format!("{} wrote part of {}: another pair of eyes signs it", e.from, feature.id),
        ));
    }
    let authors = approvals::author_families(feature, roster);
    if !crate::signers::has_right(subject, family, &authors) {
        return Err(Reason::new(
            Code::NotEligible,
            format!("a {family} does not sign the {subject} of this change"),
        ));
    }
    let asked = feature.requests.iter().filter(|r| r.to == e.from && r.subject == subject);
    match asked.clone().next_back() {
        None => Err(Reason::new(
            Code::NotAsked,
            format!("{} was not asked to sign the {subject} of {}: signers are drawn", e.from, feature.id),
        )),
        Some(_) if asked.clone().any(|r| r.content == content) => stale(feature, subject, content),
        Some(newest) => Err(Reason::new(
            Code::StaleApproval,
            format!("the request names content {}, this names {}", newest.content.short(), content.short()),
        )),
    }
}

fn stale(feature: &crate::features::Feature, subject: Subject, content: Digest) -> Result<(), Reason> {
    let bound = matches!(subject, Subject::Change | Subject::Verification | Subject::Docs);
    let now = feature.push.as_ref().map(|p| p.content);
    if bound && now != Some(content) {
        return Err(Reason::new(
            Code::StaleApproval,
            "the change was pushed again since: wait for the new request",
        ));
    }
    Ok(())
}

fn cosign(e: &Envelope, content: Digest, admission: &Admission) -> Result<(), Reason> {
    let asked = admission.cosigns.values().any(|(to, c)| *to == e.from && *c == content);
    if asked { Ok(()) } else { Err(Reason::new(Code::NotAsked, "no co-sign of this content was asked for")) }
}

fn tertiary(e: &Envelope, content: Digest, admission: &Admission) -> Result<(), Reason> {
    if admission.tertiaries.contains(&(e.from.clone(), content)) {
        return Ok(());
    }
    Err(Reason::new(Code::NotAsked, "no third review of this content was asked for: reviewers are drawn"))
}

/// The orchestrator gives the work to somebody who writes changes of this kind and can act.
fn assignment(
    e: &Envelope,
    task: Task,
    roster: &Roster,
    features: &Features,
    veto: &Veto,
) -> Result<(), Reason> {
    let feature = feature(e, features)?;
    let asked = |a: &crate::features::Assignment| matches!(a.task, Task::AssignWork | Task::ProposeDeploy);
    if task == Task::Implement && !feature.assigned.get(&e.from).is_some_and(asked) {
        return Err(Reason::new(Code::NotAsked, format!("no assignment of {} was asked for", feature.id)));
    }
    let Address::One(role) = &e.to else {
        return Err(Reason::new(Code::Receiver, "work is given to one role, by its name"));
    };
    veto.may_act(role)?;
    let kind = feature.spec.as_ref().map_or(ChangeKind::Feature, |s| s.spec.kind);
    match roster.family(role) {
        Some(family) if crate::kinds::writers(kind).contains(&family) => Ok(()),
        family => {
            let family = family.map_or_else(|| "nobody".to_owned(), |f| f.to_string());
            let text = format!("{role} ({family}) does not write a change of kind {kind}");
            Err(Reason::new(Code::Receiver, text))
        }
    }
}

fn no_code(what: &str) -> Reason {
    Reason::new(Code::SecondFactor, format!("{what} with a one-time code only"))
}

/// What was asked for with a code is approved with one; a refusal needs none.
fn decision(
    e: &Envelope,
    d: &foureyes_protocol::body::DecisionAnnouncement,
    features: &Features,
) -> Result<(), Reason> {
    let Some(feature) = e.feature.as_ref().and_then(|id| features.by_id.get(id)) else { return Ok(()) };
    let asked = feature.decision_asked == Some(d.decision) && feature.decision_needs_code;
    if asked && d.approved && !d.second_factor { Err(no_code("this decision is approved")) } else { Ok(()) }
}

fn spec(e: &Envelope, features: &Features) -> Result<(), Reason> {
    let feature = feature(e, features)?;
    if feature.is_landing() || !feature.is_open() {
        return Err(Reason::new(
            Code::GateState,
            format!("{} is landing or at its end: its spec is not changed any more", feature.id),
        ));
    }
    let writer = feature.assigned.get(&e.from).is_some_and(|a| a.task == Task::WriteSpec)
        || feature.spec.as_ref().is_some_and(|s| s.by == e.from);
    if writer || e.from.is_user() {
        return Ok(());
    }
    Err(Reason::new(Code::NotAsked, format!("the spec of {} was not asked of {}", feature.id, e.from)))
}

fn proposal(e: &Envelope, content: Digest, features: &Features) -> Result<(), Reason> {
    let feature = feature(e, features)?;
    let current = feature.push.as_ref().is_some_and(|p| p.content == content);
    if feature.gate == foureyes_protocol::Gate::Deploy && current {
        return Ok(());
    }
    Err(Reason::new(
        Code::GateState,
        format!(
            "{} stands at {}; DEPLOY is proposed when QA is passed, for the content that passed",
            feature.id, feature.gate
        ),
    ))
}

fn widen(e: &Envelope, features: &Features) -> Result<(), Reason> {
    let feature = feature(e, features)?;
    if feature.may_push(&e.from) {
        return Ok(());
    }
    Err(Reason::new(Code::PushUnassigned, format!("{} is not assigned to {}", feature.id, e.from)))
}

/// Kinds that are about a freeze or the user's word go on while frozen.
pub fn goes_on_frozen(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Freeze
            | Kind::Unfreeze
            | Kind::Quarantine
            | Kind::Alert
            | Kind::Question
            | Kind::Answer
            | Kind::StatusReport
            | Kind::Escalation
            | Kind::FeatureRequested
            | Kind::FeatureControl
            | Kind::EpochStarted
            | Kind::ConfigAccepted
            | Kind::Health
            | Kind::Refused
            | Kind::DeadLetter
            | Kind::LockRelease
            | Kind::TestEvidence
            | Kind::KeyEvent
            | Kind::Imported
            | Kind::CriticalDecisionRequest
            | Kind::DecisionAnnouncement
            | Kind::ModelUsed
            | Kind::TakenOver
    )
}

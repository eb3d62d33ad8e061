//! Who may say what to whom: a table by family, not by id.

use foureyes_protocol::{Address, Code, Envelope, Family, Gate, Kind, Reason, Roster, body::Task};

/// What every agent may send to any role, to the user or to the runtime.
const TALK: [Kind; 7] = [
    Kind::Question,
    Kind::Answer,
    Kind::StatusReport,
    Kind::ReviewRequest,
    Kind::ReviewFeedback,
    Kind::TaskComplete,
    Kind::Escalation,
];

/// What each family may send besides.
fn own_kinds(family: Family) -> &'static [Kind] {
    match family {
        Family::Orchestrator => &[Kind::TaskAssignment, Kind::GateRequest, Kind::SpecSubmitted],
        Family::Librarian => &[Kind::CoSign, Kind::Freeze, Kind::Alert],
        Family::Planner | Family::Dev | Family::Qa => &[Kind::SpecSubmitted, Kind::LockRequest],
        Family::Architect => &[Kind::SpecSubmitted, Kind::Vote, Kind::LockRequest],
        Family::Docs => &[Kind::LockRequest],
        Family::User => &[
            Kind::FeatureRequested,
            Kind::FeatureControl,
            Kind::Freeze,
            Kind::Unfreeze,
            Kind::Quarantine,
            Kind::DecisionAnnouncement,
            Kind::ConfigAccepted,
            Kind::CoSign,
            Kind::TaskAssignment,
            Kind::SpecSubmitted,
            Kind::GateRequest,
            Kind::TakenOver,
        ],
        Family::System => Kind::ALL,
    }
}

/// What a principal may send only as the answer to a request that it was sent.
const ANSWERS: [Kind; 4] =
    [Kind::SignOffApproval, Kind::SignOffRejection, Kind::TertiaryVerdict, Kind::CoSign];

/// Whether a kind is the answer to a request (and so not limited as an initiated message).
pub fn is_answer(envelope: &Envelope) -> bool {
    envelope.in_reply_to.is_some() && (ANSWERS.contains(&envelope.kind) || envelope.kind == Kind::Answer)
}

/// Checks receiver and kind of an envelope against the rights of its sender's family.
///
/// # Errors
/// [`Code::Receiver`] or [`Code::Kind`], with what the sender may do instead.
pub fn check(envelope: &Envelope, family: Family, roster: &Roster) -> Result<(), Reason> {
    receiver(envelope, family, roster)?;
    if family == Family::System {
        return Ok(());
    }
    let kind = envelope.kind;
    let allowed = TALK.contains(&kind) || ANSWERS.contains(&kind) || own_kinds(family).contains(&kind);
    if !allowed {
        return Err(Reason::new(Code::Kind, format!("a {family} may not send {kind}")));
    }
    if kind == Kind::CoSign && !matches!(family, Family::Librarian | Family::User) {
        return Err(Reason::new(Code::Kind, "only the librarian co-signs"));
    }
    body(envelope, family)
}

fn receiver(envelope: &Envelope, family: Family, roster: &Roster) -> Result<(), Reason> {
    let refuse = |text: String| Err(Reason::new(Code::Receiver, text));
    match &envelope.to {
        Address::One(id) if *id == envelope.from && !id.is_system() => {
            refuse("a message to oneself".to_owned())
        }
        Address::One(id) if roster.family(id).is_none() => {
            refuse(format!("there is no role {id}: see the tool `team`"))
        }
        Address::All
            if !matches!(
                family,
                Family::System | Family::User | Family::Orchestrator | Family::Librarian
            ) =>
        {
            refuse(format!("a {family} may not address everybody; name a role or a family"))
        }
        _ => Ok(()),
    }
}

fn body(envelope: &Envelope, family: Family) -> Result<(), Reason> {
    let refuse = |text: &str| Err(Reason::new(Code::Kind, text));
    match &envelope.body {
        foureyes_protocol::Body::TaskAssignment(t)
            if family == Family::Orchestrator && t.task != Task::Implement =>
        {
            refuse("the orchestrator assigns devs; the other tasks are given by the runtime")
        }
        foureyes_protocol::Body::GateRequest(g) if g.gate != Gate::Deploy => {
            refuse("gates are asked for by pushes; only DEPLOY is proposed")
        }
        _ => Ok(()),
    }
}

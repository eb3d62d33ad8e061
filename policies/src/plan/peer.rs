//! PEER: other eyes approve exactly this content; reviewers are drawn, never chosen by the author.

use super::{Family, Gate, Outcome, Planner, PrincipalId, Reason, Step, Subject, seats::Seated, spec::names};
use crate::features::Signature;
use foureyes_protocol::{Code, body::GateVerdict};

/// A refusal to sign, as the reason of a return.
pub(super) fn rejected(refusal: &Signature) -> Reason {
    let findings: Vec<String> =
        refusal.findings.iter().map(|f| format!("{}: {} (fix: {})", f.place, f.problem, f.fix)).collect();
    Reason::new(
        Code::Rejected,
        format!("{} refused the {}: {}", refusal.by, refusal.subject, findings.join("; ")),
    )
}

const TEXT: &str =
    "read the diff (tool `review_diff`), run what you doubt, then sign off or reject with findings";

impl Planner<'_> {
    pub(super) fn peer(&self) -> Vec<Step> {
        let Some(push) = &self.feature.push else { return Vec::new() };
        if self.main_touched() {
            return vec![self.void_approvals()];
        }
        if let Some(refusal) = self.refusal(Subject::Change, push.content) {
            return vec![self.returned(Gate::Peer, rejected(refusal))];
        }
        let late = self.late_review();
        match (self.seat(Subject::Change, push.content, &self.peer_seats(), TEXT), late) {
            (Seated::All(signers), None) => vec![self.pass_peer(signers)],
            (Seated::All(_), Some(late)) => late,
            (Seated::Waiting(steps), late) => steps.into_iter().chain(late.into_iter().flatten()).collect(),
        }
    }

    /// Two above the threshold, one below, or what the kind of change asks for.
    fn peer_seats(&self) -> Vec<Vec<Family>> {
        let demands = self.demands();
        let above = self.feature.push.as_ref().is_some_and(|p| p.facts.above_threshold());
        let wanted = demands.sign_offs.unwrap_or(if above { 2 } else { 1 });
        let mut seats = vec![self.chain(Subject::Change); wanted];
        if let Some(first) = seats.first_mut().filter(|_| demands.qa_signs) {
            *first = vec![Family::Qa, Family::User];
        }
        if demands.user_signs {
            seats.insert(0, vec![Family::User]);
        }
        seats
    }

    fn pass_peer(&self, signed: Vec<PrincipalId>) -> Step {
        let above = self.feature.push.as_ref().is_some_and(|p| p.facts.above_threshold());
        let track = if above { "above the 4-eyes threshold" } else { "fast track" };
        let who = if signed.is_empty() {
            "no eyes needed".to_owned()
        } else {
            format!("signed by {}", names(&signed))
        };
        let verdict = GateVerdict {
            summary: format!("{track}; {who}"),
            signers: signed,
            ..self.verdict(Gate::Peer, Outcome::Passed)
        };
        self.verdict_to_author(verdict)
    }
}

//! PEER: other eyes approve exactly this content; reviewers are drawn, never chosen by the author.

use super::{Digest, Family, Gate, Outcome, Planner, PrincipalId, Reason, Step, Subject, spec::names};
use crate::features::Signature;
use foureyes_protocol::{Code, body::GateVerdict};
use std::collections::BTreeSet;

/// A refusal to sign, as the reason of a return.
pub(super) fn rejected(refusal: &Signature) -> Reason {
    let findings: Vec<String> =
        refusal.findings.iter().map(|f| format!("{}: {} (fix: {})", f.place, f.problem, f.fix)).collect();
    Reason::new(
        Code::Rejected,
        format!("{} refused the {}: {}", refusal.by, refusal.subject, findings.join("; ")),
    )
}

impl Planner<'_> {
    pub(super) fn peer(&self) -> Vec<Step> {
        let Some(push) = &self.feature.push else { return Vec::new() };
        if let Some(refusal) = self.refusal(Subject::Change, push.content) {
            return vec![self.returned(Gate::Peer, rejected(refusal))];
        }
        let signed = self.approvers(Subject::Change, push.content);
        let missing = self.missing(&signed);
        if missing.is_empty() {
            return vec![self.pass_peer(signed.into_iter().collect())];
        }
        self.ask_peers(push.content, &signed)
    }

    /// How many sign-offs PEER needs.
    pub(super) fn wanted(&self) -> usize {
        let above = self.feature.push.as_ref().is_some_and(|p| p.facts.above_threshold());
        self.demands().sign_offs.unwrap_or(if above { 2 } else { 1 })
    }

    /// What is still missing, in words; empty when nothing is.
    fn missing(&self, signed: &BTreeSet<PrincipalId>) -> Vec<&'static str> {
        let demands = self.demands();
        let family = |f: Family| signed.iter().any(|s| self.rules.team.roster.family(s) == Some(f));
        let mut missing = Vec::new();
        if signed.len() < self.wanted() + usize::from(demands.user_signs) {
            missing.push("sign-offs");
        }
        if demands.qa_signs && !family(Family::Qa) && !family(Family::User) {
            missing.push("a qa");
        }
        if demands.user_signs && !family(Family::User) {
            missing.push("the user");
        }
        missing
    }

    fn ask_peers(&self, content: Digest, signed: &BTreeSet<PrincipalId>) -> Vec<Step> {
        let demands = self.demands();
        let text =
            "read the diff (tool `review_diff`), run what you doubt, then sign off or reject with findings";
        let mut chains = vec![self.chain(Subject::Change)];
        if demands.qa_signs {
            chains.insert(0, vec![Family::Qa, Family::User]);
        }
        if demands.user_signs {
            chains.insert(0, vec![Family::User]);
        }
        let wanted = self.wanted() + usize::from(demands.user_signs);
        let steps = self.ask(Subject::Change, content, wanted, &chains, text);
        if steps.is_empty() && signed.len() >= wanted {
            // Everybody signed but the one whose family is asked for.
            let family = if demands.user_signs { Family::User } else { Family::Qa };
            return self.ask(Subject::Change, content, wanted + 1, &[vec![family, Family::User]], text);
        }
        steps
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

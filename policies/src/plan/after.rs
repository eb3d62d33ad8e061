//! After the landing: what was let through by rule is looked at by a reader, all of it or a share.
//!
//! A change below the threshold landed without a qa's signature: a qa looks at it within a day, and a
//! refusal opens a revert. Co-signs granted by rule are drawn for the librarian to check.

use super::{Digest, Planner, Priority, Risk, Step, Subject};
use crate::{
    approvals,
    features::{Push, Signature, Status},
};
use foureyes_protocol::{
    Address, ChangeKind, CommitId, Family, FeatureId, PrincipalId,
    body::{Alert, CoSignRequest, FeatureRequested},
};

/// The unit of shares: draws are compared in parts of a million.
const PARTS: u64 = 1_000_000;

impl Planner<'_> {
    /// Everything that is due after the landing.
    pub(super) fn after_landing(&self) -> Vec<Step> {
        let (Some(push), Status::Done(_), Some(merged)) =
            (&self.feature.push, &self.feature.status, &self.feature.merged)
        else {
            return Vec::new();
        };
        [self.qa_looks(push, merged), self.librarian_checks(push)].into_iter().flatten().collect()
    }

    fn qa_looks(&self, push: &Push, merged: &CommitId) -> Option<Step> {
        let needs = !push.facts.above_threshold() && self.kind() != ChangeKind::Format;
        let looked =
            || approvals::standing(self.feature, Subject::Verification, push.content, self.rules.team.roster);
        match looked().into_iter().find(|s| !s.approved) {
            _ if !needs => None,
            Some(refusal) => self.revert(refusal, merged),
            None if !looked().is_empty() => None,
            None if !self.waiting(Subject::Verification, push.content).is_empty() => self.overdue(),
            None => self.ask_qa(push, merged),
        }
    }

    fn ask_qa(&self, push: &Push, merged: &CommitId) -> Option<Step> {
        let chain = self.chain(Subject::Verification);
        let context = format!("{}/spot-check/{}", self.feature.id, push.content);
        let never = self.never(Subject::Verification);
        let to = self.rules.team.next_signer(&chain, &never, context.as_bytes())?;
        let text = format!(
            "spot check of a change that landed on the fast track as {merged}: verify it against the spec within {} h; a rejection opens a revert",
            self.numbers.spot_check_due_ms / 3_600_000
        );
        Some(self.say(to, self.request(Subject::Verification, push.content, &text), Priority::Normal))
    }

    fn overdue(&self) -> Option<Step> {
        let asked =
            self.feature.requests.iter().rev().find(|r| r.subject == Subject::Verification && !r.answered)?;
        let late = asked.at_ms.saturating_add(self.numbers.spot_check_due_ms) < self.numbers.now_ms;
        let text =
            format!("{} has not looked at {}, which landed on the fast track", asked.to, self.feature.id);
        self.alert("spot-check-overdue", text).filter(|_| late)
    }

    fn revert(&self, refusal: &Signature, merged: &CommitId) -> Option<Step> {
        let id = revert_id(&self.feature.id)?;
        if self.features.by_id.contains_key(&id) {
            return None;
        }
        let request = FeatureRequested {
            title: format!("Revert {}", self.feature.id),
            text: format!(
                "{}. Undo {merged} byte for byte: a spec of kind revert with `reverts: {merged}`.",
                super::peer::rejected(refusal).text
            ),
        };
        let step = super::Say {
            feature: Some(id),
            to: Address::system(),
            body: request.into(),
            priority: Priority::High,
        };
        Some(Step::Say(step))
    }

    fn librarian_checks(&self, push: &Push) -> Option<Step> {
        if self.feature.risk() > Risk::Medium || !self.is_drawn(push.content) {
            return None;
        }
        if self.feature.cosign_asked == Some(push.content) {
            let refused =
                self.feature.cosign.is_some_and(|(content, granted, _)| content == push.content && !granted);
            let text = format!(
                "the librarian refuses the co-sign of {}, which was granted by rule",
                self.feature.id
            );
            return self.alert("cosign-spot-check", text).filter(|_| refused);
        }
        let to = self.draw_role(&[Family::Librarian], "spot-check").unwrap_or_else(PrincipalId::user);
        let request = self.cosign_request(push);
        let request =
            CoSignRequest { act: format!("spot check of {}, granted by rule", request.act), ..request };
        Some(self.say(to, request, Priority::Normal))
    }

    fn is_drawn(&self, content: Digest) -> bool {
        let share = match self.feature.risk() {
            Risk::Low => self.numbers.cosign_low,
            _ => self.numbers.cosign_medium,
        };
        let context = format!("{}/cosign-spot-check/{content}", self.feature.id);
        ((self.rules.team.draw)(context.as_bytes()) % PARTS) < (share * PARTS as f64) as u64
    }

    /// An alert to the user, once.
    fn alert(&self, event: &str, text: String) -> Option<Step> {
        let known = self.feature.alerts.contains(event);
        let alert = Alert { severity: Risk::High, event: event.to_owned(), text };
        (!known).then(|| self.say(Address::user(), alert, Priority::High))
    }
}

/// The name of the feature that reverts another; a long name is cut.
fn revert_id(id: &FeatureId) -> Option<FeatureId> {
    let cut: String = id.as_str().chars().take(57).collect();
    FeatureId::new(&format!("revert-{cut}")).ok()
}

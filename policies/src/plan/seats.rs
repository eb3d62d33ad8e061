//! Seats: how many signatures a subject needs and from which families, who sits on them, and who is
//! asked for those that are free.
//!
//! Every seat has its chain of families and ends with the user. Where nobody but the user is left for
//! a seat and the user has signed, the seat is the user's: so a roster of one works, no sign-off is
//! left out, and no role ever sits twice.

use super::{Digest, Family, Outcome, Planner, PrincipalId, Priority, Step, Subject};
use std::collections::BTreeSet;

/// How the seats of a subject are taken.
pub(super) enum Seated {
    /// Every seat, by these signers.
    All(Vec<PrincipalId>),
    /// Not yet; what has to be asked (perhaps nothing: answers are awaited).
    Waiting(Vec<Step>),
}

impl Planner<'_> {
    /// Who sits, and requests for the free seats. Nobody is asked twice; a signer who cannot act any
    /// more is replaced; who looked at an earlier state of the same is asked again first.
    pub(super) fn seat(
        &self,
        subject: Subject,
        content: Digest,
        seats: &[Vec<Family>],
        text: &str,
    ) -> Seated {
        let signed = self.approvers(subject, content);
        let waiting = self.waiting(subject, content);
        let (never, user) = (self.never(subject), PrincipalId::user());
        let mut excluded = never.clone();
        excluded.extend(signed.iter().chain(&waiting).cloned());
        let (mut free_signed, mut free_waiting) = (signed.clone(), waiting);
        let (mut steps, mut open, mut nobody) = (Vec::new(), false, false);
        for (nth, chain) in seats.iter().enumerate() {
            if self.take(&mut free_signed, chain) {
                continue;
            }
            if self.take(&mut free_waiting, chain) {
                open = true;
            } else if let Some(signer) = self.next(subject, content, chain, &excluded, nth) {
                open = true;
                excluded.insert(signer.clone());
                steps.push(self.say(
                    signer.clone(),
                    self.request_to(&signer, subject, content, text),
                    Priority::Normal,
                ));
            } else if never.contains(&user) {
                nobody = true;
            } else if !signed.contains(&user) {
                // The user, who was asked for another seat, sits here too once the answer has come.
                open = true;
            }
        }
        if nobody && !open {
            return Seated::Waiting(vec![self.nobody_left(subject)]);
        }
        match open || nobody {
            true => Seated::Waiting(steps),
            false => Seated::All(signed.into_iter().collect()),
        }
    }

    /// Takes the first of the pool, in the order of the chain, who may sit on it.
    fn take(&self, pool: &mut BTreeSet<PrincipalId>, chain: &[Family]) -> bool {
        let family = |id: &&PrincipalId| self.rules.team.roster.family(id);
        let found = chain.iter().find_map(|f| pool.iter().find(|id| family(id) == Some(*f)).cloned());
        found.is_some_and(|id| pool.remove(&id))
    }

    fn next(
        &self,
        subject: Subject,
        content: Digest,
        chain: &[Family],
        excluded: &BTreeSet<PrincipalId>,
        nth: usize,
    ) -> Option<PrincipalId> {
        let team = &self.rules.team;
        let roles = |id: &PrincipalId| team.roster.family(id).filter(|f| *f != Family::User);
        let can = |id: &PrincipalId| !excluded.contains(id) && !team.unavailable.contains(id);
        let earlier = self.feature.signatures.iter().rev().filter(|s| s.subject == subject).map(|s| &s.by);
        let fits = |id: &&PrincipalId| roles(id).is_some_and(|f| chain.contains(&f)) && can(id);
        earlier.clone().find(fits).cloned().or_else(|| {
            let context = format!("{}/{subject}/{content}/{nth}/{}", self.feature.id, self.feature.since);
            team.next_signer(chain, excluded, context.as_bytes())
        })
    }

    /// Everybody who could sign wrote part of it: the feature waits, it does not pass.
    fn nobody_left(&self, subject: Subject) -> Step {
        let text = format!(
            "nobody is left who may sign the {subject} of {}: everybody who could, you included, wrote part of it or cannot act; add a role or lift a quarantine, then `agents feature retry {}`",
            self.feature.id, self.feature.id
        );
        self.verdict_to_user(self.feature.gate, Outcome::Broken, text)
    }

    /// The request; to somebody who signed or refused an earlier state, with where that was.
    fn request_to(
        &self,
        signer: &PrincipalId,
        subject: Subject,
        content: Digest,
        text: &str,
    ) -> foureyes_protocol::body::SignOffRequest {
        let seen = self.feature.signatures.iter().rev().find(|s| {
            s.by == *signer && s.subject == subject && s.content != content && subject == Subject::Change
        });
        let head = seen.and_then(|s| self.feature.heads.get(&s.content));
        let mend = head.map(|head| {
            format!(
                "; you looked at {head} before: `git diff {head} HEAD` shows the mend, which is enough to read up to {} changed lines; above, read the whole change",
                self.numbers.mend_lines
            )
        });
        let spec = self.feature.spec.as_ref().filter(|_| subject != Subject::Spec);
        let spec = spec.map(|s| {
            format!(
                "; the spec is record {}: read it with the tool `evidence` and the digest {}",
                s.index, s.content
            )
        });
        let text = format!("{text}{}{}", spec.unwrap_or_default(), mend.unwrap_or_default());
        self.request(subject, content, &text)
    }
}

//! Who may sign what: the rights of the family, minus everybody who touched the change.
//!
//! The order of asking: the pairing of the author's family, the rest of that family, an architect, in
//! the end the user. A sign-off is never left out and one principal never counts twice, so a roster of
//! one works: the user is every other pair of eyes.

use foureyes_protocol::{Family, PrincipalId, Roster, body::Subject};
use std::collections::BTreeSet;

/// A keyed draw: a number that no agent can know or influence for the bytes given. The runtime makes
/// it of a secret; tests make it of a table.
pub type Draw<'a> = &'a dyn Fn(&[u8]) -> u64;

/// Who is on the team, who cannot act now, and the draw.
#[derive(Clone, Copy)]
pub struct Team<'a> {
    /// Everybody.
    pub roster: &'a Roster,
    /// Quarantined, degraded or dead for good.
    pub unavailable: &'a BTreeSet<PrincipalId>,
    /// The draw.
    pub draw: Draw<'a>,
}

impl Team<'_> {
    /// The available roles of a family that are not excluded.
    pub fn free(&self, family: Family, excluded: &BTreeSet<PrincipalId>) -> Vec<PrincipalId> {
        let free = |id: &&PrincipalId| !excluded.contains(*id) && !self.unavailable.contains(*id);
        self.roster.of(family).filter(free).cloned().collect()
    }

    /// One of the candidates, drawn over `context`; `None` when there is none.
    pub fn pick(&self, mut candidates: Vec<PrincipalId>, context: &[u8]) -> Option<PrincipalId> {
        if candidates.is_empty() {
            return None;
        }
        candidates.sort();
        let at = (self.draw)(context) % candidates.len() as u64;
        candidates.into_iter().nth(at as usize)
    }

    /// The next signer of a subject: drawn from the first family of its chain that has anybody left.
    /// Never `None` as long as the user has not signed.
    pub fn next_signer(
        &self,
        chain: &[Family],
        excluded: &BTreeSet<PrincipalId>,
        context: &[u8],
    ) -> Option<PrincipalId> {
        chain.iter().find_map(|family| match family {
            Family::User => (!excluded.contains(&PrincipalId::user())).then(PrincipalId::user),
            family => self.pick(self.free(*family, excluded), context),
        })
    }
}

/// The families that are asked for a subject, in order, for an author of this family.
pub fn chain(subject: Subject, author: Family) -> Vec<Family> {
    use Family::{Architect, Dev, Docs, Librarian, Planner, Qa, User};
    match (subject, author) {
        (Subject::Verification, _) => vec![Qa, Architect, User],
        (Subject::Docs, _) => vec![Docs, Librarian, User],
        (Subject::Spec, _) => vec![Planner, Architect, User],
        (_, Family::Docs) => vec![Librarian, Dev, Qa, Architect, User],
        (_, Family::Orchestrator) => vec![Librarian, User],
        (_, Family::Architect) => vec![Architect, User],
        (_, Family::Planner) => vec![Planner, Architect, User],
        (_, Family::Qa) => vec![Qa, Architect, User],
        (_, _) => vec![Dev, Architect, User],
    }
}

/// Whether a principal has the right to sign a subject at all, before its own part in the change is
/// looked at. The user always has; a qa has for tests and, where the kind of change asks for one
/// (removed tests, a suite), for the change.
pub fn has_right(subject: Subject, signer: Family, authors: &BTreeSet<Family>) -> bool {
    let mut chains =
        authors.iter().map(|a| chain(subject, *a)).chain(std::iter::once(chain(subject, Family::Dev)));
    signer == Family::User
        || (signer == Family::Qa && matches!(subject, Subject::Tests | Subject::Change))
        || chains.any(|c| c.contains(&signer))
}

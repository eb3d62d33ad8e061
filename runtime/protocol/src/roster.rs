//! Families of roles, and who is on the team. Families, not ids, carry rights.

use crate::ids::{Address, InvalidName, PrincipalId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A family of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Assigns work, proposes DEPLOY, breaks ties.
    Orchestrator,
    /// Reads everything, co-signs, may freeze.
    Librarian,
    /// Writes specs.
    Planner,
    /// Votes on designs, reviews.
    Architect,
    /// Writes tests and code.
    Dev,
    /// Verifies, writes tests.
    Qa,
    /// Writes documentation.
    Docs,
    /// The person.
    User,
    /// The runtime.
    System,
}

impl Family {
    /// The families that roles of a roster can have, in the order of displays.
    pub const ROLES: [Family; 7] = [
        Family::Orchestrator,
        Family::Librarian,
        Family::Planner,
        Family::Architect,
        Family::Dev,
        Family::Qa,
        Family::Docs,
    ];

    /// The name as written in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Orchestrator => "orchestrator",
            Family::Librarian => "librarian",
            Family::Planner => "planner",
            Family::Architect => "architect",
            Family::Dev => "dev",
            Family::Qa => "qa",
            Family::Docs => "docs",
            Family::User => "user",
            Family::System => "system",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Family {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        let rule = "one of orchestrator, librarian, planner, architect, dev, qa, docs";
        Self::ROLES.into_iter().find(|f| f.as_str() == s).ok_or_else(|| InvalidName {
            what: "family",
            text: s.to_owned(),
            rule,
        })
    }
}

/// The team: every role with its family, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(Vec<(PrincipalId, Family)>);

impl Roster {
    /// A roster of these roles. Duplicate ids are the configuration's error to report.
    pub fn new(roles: Vec<(PrincipalId, Family)>) -> Self {
        Self(roles)
    }

    /// The family of a principal; `None` for an id that is not on the roster (nor user or system).
    pub fn family(&self, id: &PrincipalId) -> Option<Family> {
        if id.is_user() {
            return Some(Family::User);
        }
        if id.is_system() {
            return Some(Family::System);
        }
        self.0.iter().find(|(role, _)| role == id).map(|(_, family)| *family)
    }

    /// The roles of a family, in order.
    pub fn of(&self, family: Family) -> impl Iterator<Item = &PrincipalId> {
        self.0.iter().filter(move |(_, f)| *f == family).map(|(id, _)| id)
    }

    /// Every role with its family, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(PrincipalId, Family)> {
        self.0.iter()
    }

    /// How many roles there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no role.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The roles that an address reaches, in order (user and system are no roles).
    pub fn resolve(&self, to: &Address) -> Vec<PrincipalId> {
        let reached = |id: &PrincipalId, family: Family| match to {
            Address::One(one) => one == id,
            Address::Family(f) => *f == family,
            Address::All => true,
        };
        self.0.iter().filter(|(id, f)| reached(id, *f)).map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PrincipalId {
        PrincipalId::new(name).unwrap()
    }

    #[test]
    fn families_and_addresses_reach_who_they_name() {
        let roles = [("dev-a", Family::Dev), ("qa-a", Family::Qa), ("dev-b", Family::Dev)];
        let roster = Roster::new(roles.map(|(name, family)| (id(name), family)).to_vec());
        assert_eq!(roster.family(&id("dev-b")), Some(Family::Dev));
        assert_eq!(roster.family(&id("user")), Some(Family::User));
        assert_eq!(roster.family(&id("system")), Some(Family::System));
        assert_eq!(roster.family(&id("docs")), None);
        let reached = |to: &str| -> Vec<String> {
            roster.resolve(&to.parse().unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(reached("family:dev"), ["dev-a", "dev-b"]);
        assert_eq!(reached("all"), ["dev-a", "qa-a", "dev-b"]);
        assert_eq!(reached("qa-a"), ["qa-a"]);
        for nobody in ["user", "system", "docs", "family:docs"] {
            assert_eq!(reached(nobody), Vec::<String>::new(), "{nobody}");
        }
        assert_eq!((roster.len(), roster.is_empty()), (3, false));
    }

    #[test]
    fn only_roles_have_a_family_to_configure() {
        for family in Family::ROLES {
            assert_eq!(family.as_str().parse::<Family>().unwrap(), family);
        }
        for not_a_role in ["user", "system", "Dev", ""] {
            assert!(not_a_role.parse::<Family>().is_err());
        }
    }
}

//! `prompts`: what every role is told before its first turn.

use super::section;
use foureyes_protocol::{Family, PrincipalId};
use std::collections::BTreeMap;

section! {
    /// The prompts of the roles. Their parts are Markdown; a file of your folder replaces the built-in
    /// part of the same name.
    pub struct Prompts {
        /// The folder with your parts and your manifest, relative to this file.
        #[garde(length(min = 1))]
        pub directory: String = "prompts".to_owned(),
        /// Tokens that the parts of one role may take, estimated as a third of their bytes.
        #[garde(range(min = 500))]
        pub budget: u32 = 6_000,
        /// Other budgets, by role or by family; the role's own comes first.
        pub budgets: BTreeMap<String, u32> = BTreeMap::new(),
        /// Tokens that the project's own instructions (AGENTS.md, CLAUDE.md) may take besides.
        pub instructions: u32 = 12_000,
        /// More parts of your folder behind the built-in ones, by role or by family.
        pub extra: BTreeMap<String, Vec<String>> = BTreeMap::new(),
    }
}

impl Prompts {
    /// The budget of a role, in tokens.
    pub fn budget_of(&self, role: &PrincipalId, family: Family) -> u32 {
        let own = self.budgets.get(role.as_str()).or_else(|| self.budgets.get(family.as_str()));
        own.copied().unwrap_or(self.budget)
    }

    /// The parts that are added for a role: its family's, then its own. A role that is called as its
    /// family gets them once.
    pub fn extra_of(&self, role: &PrincipalId, family: Family) -> Vec<String> {
        let of = |key: &str| self.extra.get(key).into_iter().flatten().cloned();
        let own = if role.as_str() == family.as_str() { "" } else { role.as_str() };
        of(family.as_str()).chain(of(own)).collect()
    }
}

//! The prompts of the roles, from what the user accepted.

use crate::repository;
use foureyes_config::{
    Config,
    prompts::{Facts, Parts, Prompt, PromptError, PromptErrors, assemble},
    sections::roster::Backend,
};
use foureyes_ports::text::clean_text;
use foureyes_protocol::PrincipalId;
use std::{collections::BTreeMap, path::Path};

/// Characters of a repository's name that are shown.
const NAME: usize = 60;

/// What the user's own files add to prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptFiles {
    /// Where the parts lie, for people.
    pub folder: String,
    /// Parts and manifest that are not the built-in ones: file name and text.
    pub parts: BTreeMap<String, String>,
    /// The project's own instructions: file and text.
    pub instructions: BTreeMap<String, String>,
}

/// The prompts of the roles of one repository.
#[derive(Clone, Debug)]
pub struct RolePrompts {
    config: Config,
    parts: Parts,
    instructions: BTreeMap<String, String>,
    repository: String,
    target: String,
}

impl RolePrompts {
    /// The prompts by this configuration and these files, for a repository of this name whose
    /// changes land on the branch `target`.
    pub fn new(config: Config, files: PromptFiles, repository: &str, target: &str) -> Self {
        Self {
            config,
            parts: Parts::with_own(files.folder, files.parts),
            instructions: files.instructions,
            repository: repository.to_owned(),
            target: target.to_owned(),
        }
    }

    /// The same, with name and branch as they are read from the repository; without one, in words.
    pub fn here(config: Config, files: PromptFiles, repository: Option<&Path>) -> Self {
        let name = repository.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        let head = || repository.and_then(repository::head_branch);
        let target = config.repository.target_branch.clone().or_else(head);
        let name = clean_text(&name.unwrap_or_else(|| "your repository".to_owned()), NAME);
        Self::new(config, files, &name, &target.unwrap_or_else(|| "main".to_owned()))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The prompt of a role.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of(&self, role: &PrincipalId) -> Result<Prompt, PromptErrors> {
        self.assemble(&self.config, role, &self.instructions)
    }

    /// The prompt of a role whatever its size, with the budgets that it should keep: for looking at one
    /// that is too large.
    ///
    /// # Errors
    /// Everything that is wrong with it but its size.
    pub fn measured(&self, role: &PrincipalId) -> Result<Prompt, PromptErrors> {
        let mut free = self.config.clone();
        (free.prompts.budget, free.prompts.instructions) = (u32::MAX, u32::MAX);
        free.prompts.budgets.clear();
        let made = self.assemble(&free, role, &self.instructions)?;
        let kept = &self.config.prompts;
        let budget = kept.budget_of(role, made.family);
        Ok(Prompt { budget, instruction_budget: kept.instructions, ..made })
    }

    /// The text of a role's prompt, for the program that plays it.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub fn prompt_for(&self, role: &PrincipalId) -> Result<String, String> {
        self.of(role).map(|prompt| prompt.text).map_err(|errors| errors.to_string())
    }

    /// Everything that is wrong with the prompts of the roster, each mistake once. The project's own
    /// instructions count for roles that are played by a model.
    pub fn mistakes(&self) -> Vec<PromptError> {
        let mut found: Vec<PromptError> = Vec::new();
        for role in &self.config.roles {
            let model = matches!(self.config.backend(role), Backend::Claude { .. } | Backend::Acp { .. });
            let none = BTreeMap::new();
            let made = self.assemble(&self.config, &role.id, if model { &self.instructions } else { &none });
            let errors = made.err().into_iter().flat_map(|errors| errors.errors().to_vec());
            for error in errors {
                if !found.contains(&error) {
                    found.push(error);
                }
            }
        }
        found
    }

    fn assemble(
        &self,
        config: &Config,
        role: &PrincipalId,
        instructions: &BTreeMap<String, String>,
    ) -> Result<Prompt, PromptErrors> {
        let facts = Facts { repository: &self.repository, target: &self.target };
        assemble(config, role, &self.parts, instructions, &facts)
    }
}

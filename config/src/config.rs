//! The whole configuration and what follows from it alone.

use crate::sections::{
    agents::Agents,
    delivery::{Deliver, Repository},
    display::Display,
    four_eyes::FourEyes,
    freeze::Freeze,
    gates::Gates,
    limits::Limits,
    lock::Lock,
    messages::Messages,
    model::Model,
    paths::Paths,
    prompts::Prompts,
    review::{Collusion, Cumulative, Tertiary},
    roster::{Backend, Role, default_roles},
    run::{Run, Task},
    sandbox::Sandbox,
    second_factor::SecondFactor,
    section,
    signing::Signing,
    supervision::Supervision,
};
use foureyes_protocol::{Digest, PrincipalId, Roster};

section! {
    /// Configuration of Foureyes. Every key may be left out; `default.yaml` says what then holds.
    pub struct Config {
        /// Version of this format.
        #[garde(range(min = 1, max = 1))]
        pub version: u32 = 1,
        /// The team. A list given here replaces the default twelve.
        #[garde(dive)]
        pub roles: Vec<Role> = default_roles(),
        /// What every agent process is given.
        #[garde(dive)]
        pub agents: Agents = Agents::default(),
        /// How agents reach their model.
        #[garde(dive)]
        pub model: Model = Model::default(),
        /// What every role is told before its first turn.
        #[garde(dive)]
        pub prompts: Prompts = Prompts::default(),
        /// The user's repository.
        #[garde(dive)]
        pub repository: Repository = Repository::default(),
        /// What is done with a change that has passed all gates. Absent: `branch` where the
        /// repository has a remote, else `main`.
        pub deliver: Option<Deliver> = None,
        /// Feature requests to start with.
        #[garde(dive)]
        pub tasks: Vec<Task> = Vec::new(),
        /// When `agents run` ends.
        #[garde(dive)]
        pub run: Run = Run::default(),
        /// How the runtime checks a change.
        #[garde(dive)]
        pub gates: Gates = Gates::default(),
        /// From which size on a change needs a second signer.
        #[garde(dive)]
        pub four_eyes: FourEyes = FourEyes::default(),
        /// Which files are what.
        #[garde(dive)]
        pub paths: Paths = Paths::default(),
        /// How often a role may do what.
        #[garde(dive)]
        pub limits: Limits = Limits::default(),
        /// The write lock.
        #[garde(dive)]
        pub lock: Lock = Lock::default(),
        /// What quarantines a role and what freezes everything.
        #[garde(dive)]
        pub freeze: Freeze = Freeze::default(),
        /// Changes drawn for one more reviewer.
        #[garde(dive)]
        pub tertiary: Tertiary = Tertiary::default(),
        /// Many small changes are one large one.
        #[garde(dive)]
        pub cumulative: Cumulative = Cumulative::default(),
        /// Pairs that approve each other too easily.
        #[garde(dive)]
        pub collusion: Collusion = Collusion::default(),
        /// The user's code for critical decisions.
        #[garde(dive)]
        pub second_factor: SecondFactor = SecondFactor::default(),
        /// Keys and dates.
        #[garde(dive)]
        pub signing: Signing = Signing::default(),
        /// What the registry admits.
        #[garde(dive)]
        pub messages: Messages = Messages::default(),
        /// Restarts and shutdown.
        #[garde(dive)]
        pub supervision: Supervision = Supervision::default(),
        /// The wall around agents and gate runs.
        #[garde(dive)]
        pub sandbox: Sandbox = Sandbox::default(),
        /// What a person sees.
        #[garde(dive)]
        pub display: Display = Display::default(),
    }
}

impl Config {
    /// The team with its families, in the order of the file.
    pub fn roster(&self) -> Roster {
        Roster::new(self.roles.iter().map(|r| (r.id.clone(), r.family)).collect())
    }

    /// The role with this id.
    pub fn role(&self, id: &PrincipalId) -> Option<&Role> {
        self.roles.iter().find(|r| r.id == *id)
    }

    /// The program that plays a role: its own, else the one of `agents.backend`.
    pub fn backend<'a>(&'a self, role: &'a Role) -> &'a Backend {
        role.backend.as_ref().unwrap_or(&self.agents.backend)
    }

    /// The digest of what the configuration means (not of how its file is written): what the user
    /// accepts with `agents trust`.
    pub fn digest(&self) -> Digest {
        // Fixed field order and ordered maps only: one text per meaning. Serializing cannot fail,
        // since every key is text; the empty text of a failure would match no accepted digest.
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Digest::of_parts("foureyes.config.v1", [canonical.as_slice()])
    }
}

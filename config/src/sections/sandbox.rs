//! `sandbox`: the wall around agents and gate runs.

use super::section;
use crate::{
    schema,
    units::{Bytes, positive},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

section! {
    /// The wall around agents and gate runs.
    pub struct Sandbox {
        /// How strong it must be.
        pub tier: TierChoice = TierChoice::Auto,
        /// The first host uid of the roles, where each has one of its own.
        #[garde(range(min = 1000, max = 2_000_000_000))]
        pub uid_base: u32 = 300_000,
        /// Size of the private /tmp.
        #[garde(custom(positive))]
        pub tmp: Bytes = Bytes::mib(512),
        /// Size of the private /dev/shm.
        #[garde(custom(positive))]
        pub shm: Bytes = Bytes::mib(256),
        /// Size of the private /run.
        #[garde(custom(positive))]
        pub run: Bytes = Bytes::mib(16),
        /// The largest file that a process may write.
        #[garde(custom(positive))]
        pub file_size: Bytes = Bytes::gib(2),
        /// Open files of a process.
        #[garde(range(min = 64, max = 1_048_576))]
        pub open_files: u64 = 4096,
        /// More absolute paths of this machine that agents may read.
        #[schemars(schema_with = "schema::absolute_paths")]
        pub read_only: Vec<PathBuf> = Vec::new(),
    }
}

/// How strong the wall must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TierChoice {
    /// SEPARATE-UID where the runtime is started by root, else SANDBOXED.
    #[default]
    Auto,
    /// No wall: rules are advice, delivery goes to a branch only, CRITICAL changes wait.
    Advisory,
    /// A sandbox for each agent, without network.
    Sandboxed,
    /// As `sandboxed`, and an ordinary uid for each role; needs root.
    SeparateUid,
}

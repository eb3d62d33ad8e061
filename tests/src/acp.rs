//! Teams of another program than Claude Code: opencode, which speaks the Agent Client Protocol, as the
//! example of the configuration starts it.

use crate::{bench::Bench, processes::Process, workspace};
use serde_json::{Value, json};
use std::{env, fs, path::PathBuf};

/// The program that sandboxes show as an agent that is not Claude Code.
pub const INSIDE: &str = "/opt/agents/program";

/// opencode: `AGENTS_TEST_OPENCODE`, else the one that `cargo xtask tools` unpacks.
///
/// # Panics
/// When there is none, with the command that gets it: a test whose tool is missing fails.
pub fn program() -> PathBuf {
    let unpacked = || workspace::root().join("target/tools/opencode");
    let path = env::var_os("AGENTS_TEST_OPENCODE").map_or_else(unpacked, PathBuf::from);
    assert!(path.is_file(), "{} is missing; run `cargo xtask tools`", path.display());
    path
}

/// The back end of the example, with the program of the tests.
///
/// # Panics
/// When the example is none.
pub fn backend() -> Value {
    let file = workspace::root().join("config/examples/opencode.yaml");
    let text = fs::read_to_string(&file).expect("the example");
    let config = foureyes_config::load(&text, "opencode.yaml").expect("the example is a configuration");
    let mut backend = serde_json::to_value(&config.agents.backend).expect("JSON");
    assert_eq!(backend["kind"], "acp");
    backend["argv"][0] = json!(program());
    backend
}

impl Bench {
    /// As [`Bench::claude`], with opencode in every role.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn acp(team: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let mut bench = Self::claude(team, files);
        bench.config["agents"] = json!({"backend": backend(), "start_timeout": "120 s"});
        bench
    }

    /// The programs of a role that are not Claude Code.
    pub fn programs_of(&self, role: &str) -> Vec<Process> {
        let state = self.state();
        let is = |p: &Process| p.line.starts_with(INSIDE) && p.shows(&state, role);
        self.processes().into_iter().filter(is).collect()
    }
}

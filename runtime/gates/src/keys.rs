//! What makes two runs the same: digests of the command and of the environment.

use foureyes_ports::{
    runner::{RunLimits, SuiteSpec},
    sandbox::Tier,
};
use foureyes_protocol::Digest;

/// Digest of adapter, command line, the tests' environment and limits.
pub(crate) fn command(suite: &SuiteSpec, limits: &RunLimits) -> Digest {
    let limits = format!(
        "{} {} {} {} {}",
        limits.timeout.as_millis(),
        limits.test_timeout.as_millis(),
        limits.memory_bytes,
        limits.processes,
        suite.writable_checkout
    );
    let env = suite.env.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let count = (suite.command.len() as u64).to_be_bytes();
    let head = [suite.adapter.name().as_bytes(), limits.as_bytes(), &count];
    let words = suite.command.iter().map(String::as_bytes);
    Digest::of_parts("foureyes gate command v1", head.into_iter().chain(words).chain(env))
}

/// Digest of tool versions, dependencies and tier.
pub(crate) fn environment(tools: &[String], dependencies: &str, tier: Tier) -> Digest {
    let tier = tier.to_string();
    let head = [tier.as_bytes(), dependencies.as_bytes()];
    let tools = tools.iter().map(String::as_bytes);
    Digest::of_parts("foureyes gate environment v1", head.into_iter().chain(tools))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_part_changes_the_digest() {
        let base = SuiteSpec { command: vec!["a".into(), "b".into()], ..SuiteSpec::default() };
        let limits = RunLimits::default();
        let digest = command(&base, &limits);
        assert_eq!(digest, command(&base.clone(), &limits));
        let moved = SuiteSpec {
            command: vec!["a".into()],
            env: vec![("b".into(), String::new())],
            ..SuiteSpec::default()
        };
        let others = [
            SuiteSpec { command: vec!["ab".into()], ..base.clone() },
            SuiteSpec { adapter: foureyes_ports::runner::AdapterKind::Generic, ..base.clone() },
            SuiteSpec { writable_checkout: true, ..base.clone() },
            moved,
        ];
        for other in others {
            assert_ne!(digest, command(&other, &limits), "{other:?}");
        }
        let shorter = RunLimits { timeout: Duration::from_secs(1), ..limits };
        assert_ne!(digest, command(&base, &shorter));
    }

    #[test]
    fn the_tier_and_each_tool_change_the_environment() {
        let tools = ["rustc 1".to_owned()];
        let one = environment(&tools, "none", Tier::Sandboxed);
        assert_ne!(one, environment(&tools, "none", Tier::Advisory));
        assert_ne!(one, environment(&tools, "other", Tier::Sandboxed));
        assert_ne!(one, environment(&["rustc 2".to_owned()], "none", Tier::Sandboxed));
    }
}

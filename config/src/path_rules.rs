//! What a path of the repository is, by the lists of the configuration.

use crate::Config;
use foureyes_protocol::Risk;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// What one path is. Several may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathClass {
    /// Changes need the user.
    pub protected: bool,
    /// Changes need two signers and a tertiary review.
    pub critical: bool,
    /// Documentation.
    pub docs: bool,
    /// Users see it.
    pub user_facing: bool,
    /// Written by a tool.
    pub generated: bool,
    /// Copied from elsewhere.
    pub vendored: bool,
    /// A dependency manifest.
    pub manifest: bool,
    /// A lock file of dependencies.
    pub lockfile: bool,
    /// A migration of a schema.
    pub migration: bool,
    /// Configuration of production.
    pub production_config: bool,
    /// Steers tests without being one.
    pub test_infrastructure: bool,
    /// A test file: matches a test pattern and is no test infrastructure.
    pub test: bool,
    /// The risk by path alone; the highest class that matches.
    pub risk: Risk,
}

/// A pattern that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: the pattern {pattern:?} is not valid: {why}")]
pub struct InvalidPattern {
    /// The key of the list.
    pub key: String,
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

/// The compiled lists of `paths` and `gates.suite.test_files`.
#[derive(Clone, Debug)]
pub struct PathRules {
    protected: GlobSet,
    critical: GlobSet,
    docs: GlobSet,
    user_facing: GlobSet,
    generated: GlobSet,
    vendored: GlobSet,
    manifests: GlobSet,
    lockfiles: GlobSet,
    migrations: GlobSet,
    production_config: GlobSet,
    test_infrastructure: GlobSet,
    tests: GlobSet,
    risk_critical: GlobSet,
    risk_high: GlobSet,
    risk_low: GlobSet,
}

/// Whether capitals count. Lists that make a rule stricter ignore them, since some file systems do
/// (`claude.md` is read as `CLAUDE.md` there); lists that make it looser do not.
#[derive(Clone, Copy)]
enum Case {
    Ignored,
    Counts,
}

impl PathRules {
    /// Compiles the lists.
    ///
    /// # Errors
    /// [`InvalidPattern`] for the first pattern that is not valid. A configuration that was
    /// loaded has none.
    pub fn compile(config: &Config) -> Result<Self, InvalidPattern> {
        let (paths, suite) = (&config.paths, &config.gates.suite);
        let strict = |key: &str, list: &[String]| compile_list(key, list, Case::Ignored);
        let loose = |key: &str, list: &[String]| compile_list(key, list, Case::Counts);
        let tests: Vec<String> = suite.test_files.values().flatten().cloned().collect();
        Ok(Self {
            protected: strict("paths.protected", &paths.protected)?,
            critical: strict("paths.critical", &paths.critical)?,
            docs: loose("paths.docs", &paths.docs)?,
            user_facing: strict("paths.user_facing", &paths.user_facing)?,
            generated: strict("paths.generated", &paths.generated)?,
            vendored: strict("paths.vendored", &paths.vendored)?,
            manifests: strict("paths.manifests", &paths.manifests)?,
            lockfiles: strict("paths.lockfiles", &paths.lockfiles)?,
            migrations: strict("paths.migrations", &paths.migrations)?,
            production_config: strict("paths.production_config", &paths.production_config)?,
            test_infrastructure: strict("paths.test_infrastructure", &paths.test_infrastructure)?,
            tests: loose("gates.suite.test_files", &tests)?,
            risk_critical: strict("paths.risk.critical", &paths.risk.critical)?,
            risk_high: strict("paths.risk.high", &paths.risk.high)?,
            risk_low: loose("paths.risk.low", &paths.risk.low)?,
        })
    }

    /// What this path is. `path` is relative to the root and `/`-separated, as git writes it.
    pub fn classify(&self, path: &str) -> PathClass {
        let test_infrastructure = self.test_infrastructure.is_match(path);
        PathClass {
            protected: self.protected.is_match(path),
            critical: self.critical.is_match(path),
            docs: self.docs.is_match(path),
            user_facing: self.user_facing.is_match(path),
            generated: self.generated.is_match(path),
            vendored: self.vendored.is_match(path),
            manifest: self.manifests.is_match(path),
            lockfile: self.lockfiles.is_match(path),
            migration: self.migrations.is_match(path),
            production_config: self.production_config.is_match(path),
            test_infrastructure,
            test: !test_infrastructure && self.tests.is_match(path),
            risk: self.risk(path),
        }
    }

    fn risk(&self, path: &str) -> Risk {
        let any = |sets: &[&GlobSet]| sets.iter().any(|set| set.is_match(path));
        if any(&[&self.risk_critical, &self.migrations, &self.production_config]) {
            return Risk::Critical;
        }
        if any(&[&self.risk_high, &self.user_facing]) {
            return Risk::High;
        }
        if self.risk_low.is_match(path) { Risk::Low } else { Risk::Medium }
    }
}

fn compile_list(key: &str, patterns: &[String], case: Case) -> Result<GlobSet, InvalidPattern> {
    let invalid = |pattern: &str, e: &globset::Error| InvalidPattern {
        key: key.to_owned(),
        pattern: pattern.to_owned(),
        why: e.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        for glob in compile_pattern(pattern, case).map_err(|e| invalid(pattern, &e))? {
            set.add(glob);
        }
    }
    set.build().map_err(|e| invalid("", &e))
}

/// The globs that a pattern of the configuration stands for: see `paths` in `default.yaml`.
fn compile_pattern(pattern: &str, case: Case) -> Result<Vec<Glob>, globset::Error> {
    let build = |glob: &str| {
        let ignore_case = matches!(case, Case::Ignored);
        GlobBuilder::new(glob).literal_separator(true).case_insensitive(ignore_case).build()
    };
    let bare = pattern.trim_end_matches('/');
    let anchored = match bare.contains('/') {
        true => bare.trim_start_matches('/').to_owned(),
        false => format!("**/{bare}"),
    };
    if bare.len() == pattern.len() {
        return Ok(vec![build(&anchored)?]);
    }
    // The directory itself too: a link, a file or a submodule may stand in its place.
    Ok(vec![build(&anchored)?, build(&format!("{anchored}/**"))?])
}

/// Why a pattern is not valid; `None` when it is.
pub(crate) fn pattern_error(pattern: &str) -> Option<String> {
    match pattern.trim_matches('/').is_empty() {
        true => Some("it is empty".to_owned()),
        false => compile_pattern(pattern, Case::Ignored).err().map(|e| e.kind().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &str) -> PathClass {
        PathRules::compile(&Config::default()).unwrap().classify(path)
    }

    #[test]
    fn protected_paths_are_found_wherever_they_are() {
        for path in [
            ".agents/config.yaml",
            ".agents",
            "sub/.agents/x",
            "CLAUDE.md",
            "deep/er/claude.md",
            ".github/workflows/ci.yml",
            ".gitattributes",
            "sub/.gitmodules",
            ".husky/pre-commit",
            ".mcp.json",
            ".vscode/tasks.json",
        ] {
            assert!(class(path).protected, "{path}");
        }
        for path in ["src/main.rs", "agents/x", "src/claude.rs", "docs/a.md"] {
            assert!(!class(path).protected, "{path}");
        }
    }

    #[test]
    fn critical_paths_manifests_and_lock_files() {
        for path in [
            "build.rs",
            "crates/a/build.rs",
            ".cargo/config.toml",
            "rust-toolchain.toml",
            "Dockerfile",
            "src/auth.py",
        ] {
            assert!(class(path).critical, "{path}");
        }
        assert!(class("crates/a/Cargo.toml").manifest && class("crates/a/Cargo.toml").critical);
        assert!(class("Cargo.lock").lockfile && !class("Cargo.lock").manifest);
        assert!(!class("src/lib.rs").critical);
    }

    #[test]
    fn tests_are_told_from_what_steers_them() {
        for path in [
            "tests/a.rs",
            "src/tests.rs",
            "crates/a/tests/x/b.rs",
            "tests/test_auth.py",
            "pkg/a_test.go",
            "web/a.spec.ts",
        ] {
            assert!(class(path).test, "{path}");
        }
        for path in ["tests/conftest.py", "pytest.ini", "jest.config.js"] {
            let class = class(path);
            assert!(class.test_infrastructure && !class.test, "{path}");
        }
        assert!(!class("src/lib.rs").test);
        assert!(!class("src/attest.rs").test);
    }

    #[test]
    fn the_highest_risk_holds() {
        let table = [
            ("src/auth.py", Risk::Critical),
            ("db/migrations/001.sql", Risk::Critical),
            ("config/production.yaml", Risk::Critical),
            ("src/api/mod.rs", Risk::High),
            ("web/index.html", Risk::High),
            ("src/lib.rs", Risk::Medium),
            ("README.md", Risk::Low),
            ("docs/guide.md", Risk::Low),
            ("docs/auth/setup.md", Risk::Critical),
            ("tests/fixtures/a.json", Risk::Low),
        ];
        for (path, risk) in table {
            assert_eq!(class(path).risk, risk, "{path}");
        }
    }

    #[test]
    fn a_star_does_not_cross_directories_and_a_slash_starts_at_the_root() {
        let mut config = Config::default();
        config.paths.docs = vec!["docs/*.md".to_owned(), "guide/".to_owned()];
        let rules = PathRules::compile(&config).unwrap();
        for (path, docs) in [
            ("docs/a.md", true),
            ("docs/b/a.md", false),
            ("sub/docs/a.md", false),
            ("guide", true),
            ("sub/guide/deep/x", true),
            ("guidebook/x", false),
            ("DOCS/a.md", false),
        ] {
            assert_eq!(rules.classify(path).docs, docs, "{path}");
        }
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let mut config = Config::default();
        config.paths.critical = vec!["a[".to_owned()];
        let error = PathRules::compile(&config).unwrap_err();
        assert_eq!((error.key.as_str(), error.pattern.as_str()), ("paths.critical", "a["));
    }
}

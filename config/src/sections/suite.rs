//! `gates.suite`: the commands that a gate runs, and what is a test file.

use super::{list, section};
use crate::schema;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

section! {
    /// The test suite and the commands around it. Commands are lists of program and arguments;
    /// nothing goes through a shell.
    pub struct Suite {
        /// Who reads the results.
        pub adapter: Adapter = Adapter::Auto,
        /// The test command. Empty: the adapter's own (`cargo test`, `python3 -m pytest`…); the
        /// generic adapter needs one.
        pub command: Vec<String> = Vec::new(),
        /// Fetches dependencies before the gate, the only step that has a network.
        #[garde(dive)]
        pub prepare: Prepare = Prepare::default(),
        /// Prints the coverage in percent as the last number of its output. Empty: not measured.
        pub coverage: Vec<String> = Vec::new(),
        /// Formats the tree in place; what a change of kind `format` is compared with. Empty: none.
        pub formatter: Vec<String> = Vec::new(),
        /// More commands that must succeed at QA: lint, types, end to end.
        #[garde(dive)]
        pub extra: Vec<ExtraCommand> = Vec::new(),
        /// Where the tools lie on this machine.
        #[garde(dive)]
        pub toolchain: Toolchain = Toolchain::default(),
        /// Whether tests may write into the checkout. `false`: only into the private /tmp and the
        /// build directory.
        pub writable_checkout: bool = false,
        /// Which files are tests, by language. A pattern without `/` holds in every directory.
        #[schemars(schema_with = "schema::glob_map")]
        pub test_files: BTreeMap<String, Vec<String>> = default_test_files(),
    }
}

/// Who reads the results of the test command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Adapter {
    /// Found by the manifests of the repository.
    #[default]
    Auto,
    /// Rust's own test harness, one process a test.
    Libtest,
    /// pytest, read from its JUnit report.
    Pytest,
    /// Python's unittest.
    Unittest,
    /// Only the exit code counts; nothing is claimed about single tests.
    Generic,
}

section! {
    /// Fetching dependencies.
    pub struct Prepare {
        /// The command. Empty: the adapter's own where lock files exist, else none.
        pub command: Vec<String> = Vec::new(),
        /// Hosts that it may read from (GET and HEAD, through the runtime's proxy).
        pub hosts: Vec<String> = Vec::new(),
    }
}

/// One more command of QA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ExtraCommand {
    /// What people call it: `lint`, `types`, `e2e`.
    #[garde(length(min = 1))]
    pub name: String,
    /// Program and arguments.
    #[garde(length(min = 1))]
    pub command: Vec<String>,
}

section! {
    /// Where the tools lie on this machine.
    pub struct Toolchain {
        /// Absolute directories, shown read-only in sandboxes and searched for programs first.
        #[schemars(schema_with = "schema::absolute_paths")]
        pub directories: Vec<PathBuf> = Vec::new(),
        /// Environment variables of gate runs.
        pub env: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// Patterns of test files for the languages that are known.
const TEST_FILES: &[(&str, &[&str])] = &[
    ("rust", &["**/tests/**/*.rs", "*_test.rs", "*_tests.rs", "tests.rs"]),
    ("python", &["test_*.py", "*_test.py", "**/tests/**/*.py"]),
    ("go", &["*_test.go", "**/testdata/**"]),
    ("typescript", &["*.test.{ts,tsx,js,jsx,mjs,cjs}", "*.spec.{ts,tsx,js,jsx,mjs,cjs}", "**/__tests__/**"]),
    ("java", &["**/src/test/**", "*Test.java", "*Tests.java", "*IT.java"]),
    ("c", &["test_*.{c,cc,cpp,cxx}", "*_test.{c,cc,cpp,cxx}", "**/tests/**/*.{c,cc,cpp,cxx,h,hpp}"]),
    ("generic", &["**/tests/**", "**/test/**"]),
];

fn default_test_files() -> BTreeMap<String, Vec<String>> {
    TEST_FILES.iter().map(|(language, globs)| ((*language).to_owned(), list(globs))).collect()
}

//! What the tests of the whole workspace share: where it lies, what cargo knows of it, which files
//! it has, and where the program under test is.

#![allow(clippy::disallowed_methods, reason = "tests start programs: cargo, git and the program under test")]

pub mod acp;
pub mod bench;
pub mod claude;
pub mod licence;
pub mod markdown;
pub mod model;
pub mod plays;
pub mod processes;
pub mod records;
pub mod repo;
pub mod stock;
pub mod tap;
pub mod terminal;
pub mod tree;
pub mod web;
pub mod workspace;

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
};

/// The program under test: `AGENTS_BIN`, else the one built beside this test.
///
/// # Panics
/// When there is none, with the command that builds it: a test whose tool is missing fails.
pub fn agents_bin() -> PathBuf {
    let beside = || {
        let me = env::current_exe().expect("a test knows its own path");
        let profile = me.ancestors().nth(2).expect("tests lie in <profile>/deps").to_owned();
        profile.join("agents")
    };
    let path = env::var_os("AGENTS_BIN").map_or_else(beside, PathBuf::from);
    assert!(path.is_file(), "{} is missing; run `cargo build -p foureyes-cli`", path.display());
    path
}

/// The program under test, run to its end with these arguments.
///
/// # Panics
/// When it cannot be started.
pub fn agents(arguments: &[&str]) -> Output {
    Command::new(agents_bin()).args(arguments).output().expect("agents starts")
}

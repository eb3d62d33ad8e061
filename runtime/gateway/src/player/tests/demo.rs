//! The demo's crate and the plays that change it, with real cargo.
#![allow(clippy::disallowed_methods)] // real git, cargo and a second process of this test

use super::stage::{Stage, assignment, returned, verdict};
use serde_json::json;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Runs the suite of a tree: whether it passes, and what it printed.
fn cargo_test(tree: &Path, target: &Path) -> (bool, String) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--offline", "--locked", "--no-fail-fast"]).current_dir(tree);
    cargo.env("CARGO_TARGET_DIR", target).env("CARGO_TERM_COLOR", "never").stdin(Stdio::null());
    let output = cargo.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Added plus deleted lines, and files, of a branch against the base.
fn size(stage: &Stage, branch: &str) -> (u64, usize) {
    let stat = stage.origin(&["diff", "--numstat", "main", branch]);
    let number = |text: &str| text.parse::<u64>().unwrap();
    let lines = stat.lines().map(|l| l.split('\t').take(2).map(number).sum::<u64>()).sum();
    (lines, stat.lines().count())
}

#[test]
fn statistics_fails_by_its_tests_and_passes_with_its_code() {
    let stage = Stage::new();
    let target = tempfile::tempdir().unwrap();
    let suite = || cargo_test(&stage.work(), target.path());
    let (passes, text) = suite();
    assert!(passes, "the base: {text}");
    assert_eq!(text.matches("... ok").count(), 6, "{text}");

    stage.send(&assignment("m1", "implement", "statistics"));
    stage.play_builtin("demo/dev-a");
    let (passes, text) = suite();
    assert!(!passes && text.contains("--> tests/statistics.rs"), "{text}");

    stage.send(&verdict("m2", "RED", "passed", "statistics"));
    assert!(!stage.life("demo/dev-a").success(), "it kills itself first");
    stage.play_builtin("demo/dev-a");
    let (passes, text) = suite();
    assert!(passes, "{text}");
    let (lines, files) = size(&stage, "feature/statistics");
    assert!(lines > 50 && files > 3, "{lines} lines in {files} files are no four-eyes change");
}

#[test]
fn the_liar_is_found_out_and_the_feature_finishes() {
    let stage = Stage::new();
    let target = tempfile::tempdir().unwrap();
    let suite = || cargo_test(&stage.work(), target.path());
    stage.refuse("sign_off", "E-SELF (four eyes): dev-x wrote part of clamp", 1);
    stage.refuse("task_complete", "E-CLAIM (gates): the runtime's own run fails", 1);

    stage.send(&assignment("m1", "implement", "clamp"));
    let screen = stage.play_builtin("demo/dev-b");
    assert!(screen.contains("⛔ refused: P-MAIN (repository)"), "{screen}");
    assert_eq!(stage.origin(&["log", "-1", "--format=%s", "main"]), "the base");
    let (passes, text) = suite();
    assert!(!passes && text.contains("left: Ok(1.0)\n right: Err(EmptyRange)"), "{text}");
    assert_eq!(text.matches("... FAILED").count(), 2, "{text}");

    stage.send(&verdict("m2", "RED", "passed", "clamp"));
    let screen = stage.play_builtin("demo/dev-b");
    assert!(screen.contains("⛔ refused: E-SELF (four eyes)"), "{screen}");
    assert!(suite().0, "the weakened test fits the wrong code");

    stage.send(&returned("m3", "GREEN", "G-ADMITTED", "clamp"));
    let screen = stage.play_builtin("demo/dev-b");
    assert!(screen.contains("⛔ refused: E-CLAIM"), "{screen}");
    assert_eq!(stage.arguments("task_complete")["tests_pass"], json!(true));
    assert!(!suite().0, "the claim is a lie");

    stage.send(&returned("m4", "GREEN", "G-GREEN-FAILS", "clamp"));
    stage.play_builtin("demo/dev-b");
    let (passes, text) = suite();
    assert!(passes, "{text}");
    let (lines, files) = size(&stage, "feature/clamp");
    assert!(lines <= 50 && files <= 3, "{lines} lines in {files} files are no fast track");
    assert_eq!(stage.acknowledged(), ["m1", "m2", "m3", "m4"]);
}

#[test]
fn the_generic_dev_brings_any_feature() {
    let stage = Stage::new();
    let target = tempfile::tempdir().unwrap();
    stage.send(&assignment("m1", "implement", "load-7"));
    stage.play_builtin("good/dev");
    let (passes, text) = cargo_test(&stage.work(), target.path());
    assert!(!passes && text.contains("the_note_of_load_7_is_there ... FAILED"), "{text}");
    stage.send(&verdict("m2", "RED", "passed", "load-7"));
    stage.play_builtin("good/dev");
    let (passes, text) = cargo_test(&stage.work(), target.path());
    assert!(passes, "{text}");
}

#[test]
fn both_features_touch_files_of_their_own() {
    let paths = |feature: &str| {
        let play = super::Play::parse(foureyes_config::builtin::play("demo/planner").unwrap(), "p").unwrap();
        play.specs[feature].paths.clone()
    };
    let (one, other) = (paths("statistics"), paths("clamp"));
    assert!(one.iter().all(|path| !other.contains(path)));
}

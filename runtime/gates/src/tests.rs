//! The generic adapter, single commands, preparation and the doctor's table.

use crate::testing::{Bed, DirectRunner};
use foureyes_ports::runner::{AdapterKind, CommandRun, GateRunner as _, PrepareError, PrepareRun, SuiteSpec};
use foureyes_protocol::{PrincipalId, testrun::RunOutcome};
use std::{fs, time::Duration};

fn shell(script: &str) -> SuiteSpec {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    SuiteSpec { command, ..SuiteSpec::of(AdapterKind::Generic) }
}

#[tokio::test]
async fn generic_claims_an_exit_code_and_nothing_else() {
    let mut bed = Bed::direct().await;
    bed.limits.timeout = Duration::from_secs(3);
    for (script, exit) in [("exit 0", 0), ("echo no >&2; exit 1", 1), ("touch built", 0)] {
        let report = bed.run(shell(script)).await.report;
        assert_eq!(report.outcome, RunOutcome::Completed { exit }, "{script}");
        assert!(!report.per_test && report.tests.is_empty() && report.adapter == "generic");
    }
    assert!(!bed.checkout.join("built").exists());
    for script in ["exit 126", "no-such-program-here", "kill -SEGV $$", "exit 134"] {
        let outcome = bed.run(shell(script)).await.report.outcome;
        assert!(matches!(outcome, RunOutcome::BrokenEnvironment { .. }), "{script}: {outcome:?}");
    }
    for script in ["kill -KILL $$", "while :; do :; done"] {
        let outcome = bed.run(shell(script)).await.report.outcome;
        assert!(matches!(outcome, RunOutcome::LimitExceeded { .. }), "{script}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_tree_without_tests_says_what_mends_it() {
    let bed = Bed::direct().await.files(&[("README.md", "hello")]);
    let outcome = bed.run(SuiteSpec::default()).await.report.outcome;
    assert!(
        matches!(&outcome, RunOutcome::BrokenEnvironment { message } if message.contains("no test suite"))
    );
}

#[tokio::test]
async fn the_log_is_clean_and_the_digests_are_foretold() {
    let bed = Bed::direct().await;
    let suite = shell("printf 'a\\033[31mb\\007c\\n'");
    let result = bed.run(suite.clone()).await;
    assert!(String::from_utf8(result.log.to_vec()).unwrap().contains("\nabc\n"));
    assert_eq!(result.report.command, bed.runner.command_digest(&suite, &bed.limits));
    assert_eq!(result.report.environment, bed.runner.environment_digest(&suite, &bed.checkout).await);
    assert_eq!(
        fs::read_dir(bed.path().join("state/runs")).unwrap().count(),
        0,
        "run directories are removed"
    );
}

#[tokio::test]
async fn a_formatter_keeps_its_changes_and_a_linter_does_not() {
    let bed = Bed::direct().await.files(&[("a", "old")]);
    for (keep_changes, want) in [(false, "old"), (true, "new")] {
        let run = CommandRun {
            owner: PrincipalId::new("gate-1").unwrap(),
            checkout: bed.checkout.clone(),
            argv: ["sh", "-c", "printf new > a; echo done"].map(str::to_owned).to_vec(),
            env: Vec::new(),
            keep_changes,
            limits: bed.limits,
        };
        let report = bed.runner.run_command(run).await;
        assert_eq!(report.outcome, RunOutcome::Completed { exit: 0 });
        assert_eq!(&report.stdout[..], b"done\n");
        assert_eq!(fs::read_to_string(bed.checkout.join("a")).unwrap(), want);
    }
}

fn prepare(bed: &Bed, command: &str) -> PrepareRun {
    let words =
        if command.is_empty() { Vec::new() } else { vec!["sh".into(), "-c".into(), command.to_owned()] };
    PrepareRun {
        owner: PrincipalId::new("gate-1").unwrap(),
        checkout: bed.checkout.clone(),
        suite: SuiteSpec { prepare: words, ..SuiteSpec::of(AdapterKind::Unittest) },
        proxy: None,
        limits: bed.limits,
    }
}

#[tokio::test]
async fn prepared_packages_are_found_again_and_offered() {
    let bed = Bed::direct().await;
    let none = bed.runner.prepare(prepare(&bed, "true")).await;
    assert_eq!(none, Err(PrepareError::NoManifest("unittest")));
    let test = "import unittest, dep\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(dep.N, 7)\n";
    let bed = bed.files(&[("requirements.txt", "dep\n"), ("secret.txt", "s"), ("test_a.py", test)]);
    let refused = bed.runner.prepare(prepare(&bed, "")).await;
    assert!(matches!(refused, Err(PrepareError::NoNetwork(_))), "{refused:?}");
    let failed = bed.runner.prepare(prepare(&bed, "echo sorry >&2; exit 3")).await;
    assert!(matches!(&failed, Err(PrepareError::Command(why)) if why.contains("sorry")), "{failed:?}");
    let script = "ls > ../packages/seen; echo N = 7 > ../packages/dep.py";
    let before = bed.runner.environment_digest(&prepare(&bed, script).suite, &bed.checkout).await;
    let first = bed.runner.prepare(prepare(&bed, script)).await.unwrap();
    assert_eq!(fs::read_to_string(first.dir.join("seen")).unwrap(), "requirements.txt\n");
    let again = bed.runner.prepare(prepare(&bed, script)).await.unwrap();
    assert_eq!((first.reused, again.reused, &again.dir), (false, true, &first.dir));
    let result = bed.run(prepare(&bed, script).suite).await;
    assert!(result.report.succeeded(), "{:?} {}", result.report, String::from_utf8_lossy(&result.log));
    assert_ne!(result.report.environment, before);
}

#[tokio::test]
async fn the_doctor_sees_tools_and_their_absence() {
    let rows = Bed::direct().await.runner.tools_report().await;
    let cargo = rows.iter().find(|row| row.tool == "cargo").unwrap();
    assert!(cargo.version.as_ref().unwrap().starts_with("cargo 1."), "{cargo:?}");
    let bare = Bed::with(DirectRunner, |settings| settings.host = crate::HostEnv::default()).await;
    let rows = bare.runner.tools_report().await;
    let python = rows.iter().find(|row| row.tool == "python3").unwrap();
    assert!(python.version.is_none() && python.detail.contains("install Python"), "{python:?}");
}

#[tokio::test]
async fn a_command_names_its_adapter_and_a_listener_hears_of_progress() {
    let test = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n";
    let bed = Bed::direct().await.files(&[("Cargo.toml", ""), ("t/__init__.py", ""), ("t/own.py", test)]);
    let (sender, mut heard) = tokio::sync::mpsc::channel(1);
    let command = "python3 -m unittest t.own".split(' ').map(str::to_owned).collect();
    let mut request = bed.request(SuiteSpec { command, ..SuiteSpec::default() });
    request.progress = Some(sender);
    let report = bed.runner.run(request).await.report;
    assert_eq!((report.adapter.as_str(), report.tests.len()), ("unittest", 1), "{report:?}");
    assert_eq!(report.tests[0].file.as_deref(), Some("t/own.py"));
    assert_eq!(heard.recv().await.unwrap().text, "running the suite");
}

//! Repositories as they are found: other branches, hooks, submodules, people who go on working.

use foureyes_protocol::{Body, Code, Gate, Outcome, Reason};
use foureyes_tests::{
    bench::{Bench, SHELL},
    plays::{self, assigned, dev, push, verdict},
    repo::Repo,
};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

/// Hooks of the user's repository, which would betray themselves.
fn with_hooks(bench: &Bench) {
    let hooks = bench.repo.path.join(".git/hooks");
    for name in [
        "pre-receive",
        "update",
        "post-receive",
        "reference-transaction",
        "post-checkout",
        "pre-commit",
        "post-merge",
        "fsmonitor-watchman",
    ] {
        let file = hooks.join(name);
        fs::create_dir_all(&hooks).expect("the hooks");
        fs::write(&file, format!("#!/bin/sh\necho {name} >> {}\n", bench.place("ran").display()))
            .expect("a hook");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a hook");
    }
    bench.repo.git(&["config", "core.fsmonitor", &format!("touch {}", bench.place("ran").display())]);
}

/// `master`, blanks and umlauts in the path, a submodule, hooks that nobody may run, and a baseline
/// without its own configuration being believed.
#[test]
fn a_strange_repository_works_as_any_other() {
    let mut bench = Bench::at("Mein Projekt für Übung", "master", SHELL);
    let library = Repo::with(&bench.place("library"), "main", &[("lib.txt", "a library\n")]);
    bench.repo.git(&["submodule", "add", "-q", &library.path.to_string_lossy(), "library"]);
    bench.repo.commit(
        "A submodule",
        &[(".agents/config.yaml", "version: 1\nroles: []\nfreeze: {bypass_attempts: 1000000}\n")],
    );
    with_hooks(&bench);
    bench.task("note").devs(&dev(&plays::note("note")));
    let records = bench.finish();
    assert_eq!(bench.repo.show("master", "note.txt").as_deref(), Some("done\n"), "{}", records.lines());
    let ran = fs::read_to_string(bench.place("ran"));
    assert!(ran.is_err(), "hooks of the user's repository ran: {ran:?}");
    bench.repo.git(&["config", "--unset", "core.fsmonitor"]);
    let link = bench.repo.git(&["ls-tree", "master", "library"]);
    assert!(link.starts_with("160000 commit "), "{link}");
}

/// What the user commits meanwhile lands with what the agents do.
#[test]
fn the_user_goes_on_working_on_main() {
    let mut bench = Bench::shell();
    let mut rules = plays::note("note");
    rules[1]["do"].as_array_mut().expect("steps").insert(0, json!({"pause": "2 s"}));
    bench.task("note").devs(&dev(&rules));
    let mut run = bench.start();
    run.until("the tests are pushed", |r| !r.pushes("note").is_empty());
    let mine = bench.repo.commit("Mine", &[("mine.txt", "mine\n")]);
    run.finish();
    bench.assert_nobody_left();
    let records = bench.records();
    assert_eq!(bench.repo.show("main", "mine.txt").as_deref(), Some("mine\n"), "{}", records.lines());
    assert_eq!(bench.repo.show("main", "note.txt").as_deref(), Some("done\n"), "{}", records.lines());
    assert!(bench.repo.try_git(&["merge-base", "--is-ancestor", &mine, "main"]).status.success());
}

/// Both sides changed the same line: it goes back to the author, who merges.
#[test]
fn a_conflict_goes_back_and_is_mended_by_a_merge() {
    let mut bench = Bench::shell();
    let tests = push("test: note", &[("tests/note.sh", "grep -q agents README.md\n")]);
    let mut code = push("feat: note", &[("README.md", "# agents\n")]);
    code.insert(0, json!({"pause": "2 s"}));
    let merge = "git fetch -q origin && git merge -q origin/main || { printf '# mine\\n# agents\\n' >README.md; git add README.md && git commit -q --no-edit; }";
    let mend = vec![json!({"branch": {}}), json!({"run": ["/bin/sh", "-c", merge]}), json!({"push": {}})];
    // Where approvals were given already they are void; before that the merge itself is what fails.
    let back = |code: &str| {
        let when = json!({"kind": "GateVerdict", "outcome": "returned", "code": code, "feature": "note"});
        json!({"when": when, "do": mend})
    };
    let rules = [
        assigned("note", tests),
        verdict("note", "RED", "passed", code),
        back("G-CONFLICT"),
        back("E-STALE"),
    ];
    bench.task("note").devs(&dev(&rules));
    let mut run = bench.start();
    run.until("the tests are pushed", |r| !r.pushes("note").is_empty());
    bench.repo.commit("Mine", &[("README.md", "# mine\n")]);
    run.finish();
    let records = bench.records();
    let sent_back = |r: &&Reason| matches!(r.code, Code::Conflict | Code::StaleApproval);
    let reasons = records.verdicts("note").into_iter().flat_map(|v| &v.reasons);
    assert!(reasons.filter(sent_back).count() >= 1, "{}", records.lines());
    assert_eq!(bench.repo.show("main", "README.md").as_deref(), Some("# mine\n# agents\n"));
}

/// A test that fails already is known, and hides neither RED nor GREEN; the generic suite, which sees
/// exit codes only, says that it cannot tell.
#[test]
fn a_failing_baseline_is_told_and_is_no_red() {
    let mut bench = Bench::shell();
    bench.repo.commit("A failing test", &[("tests/broken.sh", "false\n")]);
    bench.task("note").devs(&dev(&plays::note("note")));
    let mut run = bench.start();
    run.until("the gate cannot be judged", |r| r.verdict("note", Gate::Red, Outcome::Broken));
    let records = bench.records();
    assert!(!records.verdict("note", Gate::Red, Outcome::Passed));
    run.kill();
}

/// What no run can be made of is refused at once, and says why.
#[test]
fn what_is_no_repository_to_work_on_is_refused() {
    let detached = Bench::shell();
    detached.repo.git(&["checkout", "-q", "--detach"]);
    refuses(&detached, "HEAD");
    let mut unborn = Bench::shell();
    unborn.repo = Repo::init(&unborn.place("unborn"), "main");
    refuses(&unborn, "commit");
    let mut none = Bench::shell();
    none.repo.path = none.place("none");
    fs::create_dir_all(&none.repo.path).expect("a directory");
    let file = none.config_file();
    let mut run = none.run(&[&file.to_string_lossy(), "--plain"]);
    assert!(!run.end(Duration::from_secs(20)).success());
    assert!(run.output().contains("repository"), "{}", run.output());
}

fn refuses(bench: &Bench, word: &str) {
    let mut run = bench.start();
    let status = run.end(Duration::from_secs(20));
    assert!(!status.success() && run.output().contains(word), "{}", run.output());
    let asked = bench.records().bodies(|b| matches!(b, Body::TaskAssignment(_)).then_some(()));
    assert!(asked.is_empty());
    bench.assert_nobody_left();
}

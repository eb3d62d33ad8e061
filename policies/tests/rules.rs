//! The rules by tables: size and risk, signers, kinds, RED, GREEN, pushes, rights, freeze.

mod world;

use foureyes_config::{Config, PathRules};
use foureyes_policies::{
    facts::facts,
    green::{self, GreenFacts},
    kinds, push,
    record::Record,
    red::{self, RedFacts},
    rights,
    signers::{self, Team},
    veto::{Triggers, Veto},
};
use foureyes_protocol::{
    Address, Body, ChangeFacts, ChangeKind, ChangeSummary, Code, Digest, Envelope, Family, FileChange, Gate,
    Kind, MessageId, PrincipalId, Priority, Reason, Risk, Roster, RunId,
    artifact::AdmittedFile,
    body::{Freeze, GateRequest, Quarantine, Refused, StatusReport, Subject, Task, TaskAssignment, Unfreeze},
    change::{FileStatus, MODE_SUBMODULE, MODE_SYMLINK},
    testrun::{RunOutcome, TestReport, TestResult, TestStatus},
};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};
use world::{Work, World, commit, file, id};

fn change(files: Vec<FileChange>) -> ChangeSummary {
    ChangeSummary {
        base: commit(1),
        base_tree: commit(2),
        head: commit(3),
        head_tree: commit(4),
        files,
        contributors: vec!["dev-a".to_owned()],
    }
}

fn of(files: Vec<FileChange>) -> ChangeFacts {
    static RULES: LazyLock<(Config, PathRules)> = LazyLock::new(|| {
        let config = Config::default();
        let paths = PathRules::compile(&config).unwrap();
        (config, paths)
    });
    facts(&RULES.0, &RULES.1, &change(files), Vec::new())
}

fn src(n: usize, lines: u64) -> FileChange {
    FileChange {
        status: FileStatus::Modified,
        old_mode: 0o100_644,
        ..file("f", &format!("src/f{n}.rs"), lines, 1)
    }
}

#[test]
fn v1_the_threshold_at_its_borders() {
    let one = |f: fn(&mut FileChange)| {
        let mut file = src(0, 1);
        f(&mut file);
        vec![file]
    };
    let table: Vec<(&str, Vec<FileChange>, bool)> = vec![
        ("V1.1 51 lines", vec![src(0, 51)], true),
        ("V1.2 50 lines in 3 files", vec![src(0, 20), src(1, 20), src(2, 10)], false),
        ("V1.3 4 files", (0..4).map(|n| src(n, 1)).collect(), true),
        (
            "V1.4 a rename with an edit",
            one(|f| {
                f.status = FileStatus::Renamed;
                f.old_path = Some("src/old.rs".to_owned());
            }),
            true,
        ),
        (
            "V1.4 a pure rename",
            one(|f| {
                f.status = FileStatus::Renamed;
                f.old_path = Some("src/old.rs".to_owned());
                f.added = 0;
            }),
            false,
        ),
        (
            "V1.4 200 renames",
            (0..200).map(|n| FileChange { status: FileStatus::Renamed, added: 0, ..src(n, 0) }).collect(),
            true,
        ),
        ("V1.5 binary", one(|f| f.binary = true), true),
        ("V1.6 vendored", one(|f| f.path = "src/vendor/a.rs".to_owned()), true),
        ("V1.6 generated", one(|f| f.path = "src/generated/a.rs".to_owned()), true),
        ("V1.7 line ends of 300 lines", vec![FileChange { added: 300, deleted: 300, ..src(0, 0) }], true),
        ("V1.8 submodule", one(|f| f.new_mode = MODE_SUBMODULE), true),
        ("V1.9 symbolic link", one(|f| f.new_mode = MODE_SYMLINK), true),
        ("V1.10 executable", one(|f| f.new_mode = 0o100_755), true),
        ("V1.11 a line of 40 kB", one(|f| f.widest_line = 40_000), true),
        ("width at the border", one(|f| f.widest_line = 400), false),
        ("V8.6 gross, not net", vec![FileChange { added: 26, deleted: 25, ..src(0, 0) }], true),
        ("a manifest", one(|f| f.path = "Cargo.toml".to_owned()), true),
        ("a lock file", one(|f| f.path = "Cargo.lock".to_owned()), true),
        ("a migration", one(|f| f.path = "db/migrations/1.sql".to_owned()), true),
        ("production", one(|f| f.path = "config/production.yaml".to_owned()), true),
        ("a protected path", one(|f| f.path = "CLAUDE.md".to_owned()), true),
        ("a high-risk path", one(|f| f.path = "src/api/mod.rs".to_owned()), true),
        ("four documents", (0..4).map(|n| file("f", &format!("docs/{n}.md"), 2, 1)).collect(), false),
        ("51 lines of changelog", vec![file("f", "CHANGELOG.md", 51, 1)], true),
        ("V1.18 nothing", Vec::new(), false),
    ];
    for (case, files, above) in table {
        let facts = of(files);
        assert_eq!(facts.above_threshold(), above, "{case}: {:?}", facts.above);
    }
}

#[test]
fn a_move_out_of_a_strict_place_stays_strict() {
    let moved =
        FileChange { status: FileStatus::Renamed, old_path: Some("src/auth/key.rs".to_owned()), ..src(0, 0) };
    let facts = of(vec![moved]);
    assert_eq!((facts.risk, facts.critical.len()), (Risk::Critical, 1));
    let link = FileChange { new_mode: MODE_SYMLINK, ..src(0, 1) };
    assert_eq!(of(vec![link]).critical, ["src/f0.rs"], "V1.9: looked at like a critical path");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn more_is_never_less(lines in prop::collection::vec(0..40u64, 0..6), more in 1..60u64) {
        let files: Vec<_> = lines.iter().enumerate().map(|(n, l)| src(n, *l)).collect();
        let (small, total) = (of(files.clone()), lines.iter().sum::<u64>());
        prop_assert_eq!(small.above_threshold(), total > 50 || files.len() > 3);
        let large = of(files.into_iter().chain([src(9, more)]).collect());
        prop_assert!(!small.above_threshold() || large.above_threshold());
        prop_assert!(large.lines == small.lines + more && large.risk >= small.risk);
    }

    #[test]
    fn signers_are_drawn_never_twice_never_an_author_and_the_user_last(
        size in prop::sample::select(vec![1usize, 2, 12, 200]), gone in 0..6usize, key in any::<u64>(),
        subject in prop::sample::select(vec![Subject::Spec, Subject::Tests, Subject::Change, Subject::Verification, Subject::Docs]),
    ) {
        let roster = match size {
            12 => Config::default().roster(),
            n => Roster::new((0..n).map(|i| (id(&format!("r{i}")), Family::ROLES[(i + 4) % 7])).collect()),
        };
        let ids: Vec<PrincipalId> = roster.iter().map(|(id, _)| id.clone()).collect();
        let author = ids[key as usize % ids.len()].clone();
        let unavailable: BTreeSet<_> = (0..gone).map(|n| ids[(key as usize / 7 + n) % ids.len()].clone()).collect();
        let draw = |context: &[u8]| Digest::of(context).0[0] as u64 ^ key;
        let team = Team { roster: &roster, unavailable: &unavailable, draw: &draw };
        let chain = signers::chain(subject, roster.family(&author).unwrap());
        prop_assert_eq!(chain.last(), Some(&Family::User));
        let mut excluded = BTreeSet::from([author.clone()]);
        let mut drawn = Vec::new();
        while let Some(next) = team.next_signer(&chain, &excluded, b"c") {
            prop_assert!(!unavailable.contains(&next));
            prop_assert_eq!(team.next_signer(&chain, &excluded, b"c"), Some(next.clone()), "the same draw");
            prop_assert!(excluded.insert(next.clone()), "nobody twice, no author");
            drawn.push(next);
        }
        prop_assert!(drawn.last().unwrap().is_user() && drawn.iter().filter(|d| d.is_user()).count() == 1);
        let rank = |id: &PrincipalId| chain.iter().position(|f| Some(*f) == roster.family(id));
        prop_assert!(drawn.windows(2).all(|w| rank(&w[0]) <= rank(&w[1])));
    }
}

#[test]
fn v1_15_the_right_to_sign_is_the_familys() {
    let dev = BTreeSet::from([Family::Dev]);
    for (subject, signer, may) in [
        (Subject::Change, Family::Dev, true),
        (Subject::Change, Family::Architect, true),
        (Subject::Change, Family::Docs, false),
        (Subject::Change, Family::Librarian, false),
        (Subject::Change, Family::Orchestrator, false),
        (Subject::Verification, Family::Qa, true),
        (Subject::Verification, Family::Dev, false),
        (Subject::Spec, Family::Dev, false),
        (Subject::Docs, Family::Docs, true),
        (Subject::Change, Family::User, true),
    ] {
        assert_eq!(signers::has_right(subject, signer, &dev), may, "{subject} {signer}");
    }
    assert!(signers::has_right(Subject::Change, Family::Librarian, &BTreeSet::from([Family::Docs])));
}

#[test]
fn kinds_fit_their_diff_or_the_fitting_one_is_named() {
    use ChangeKind::{Chore, Deps, Docs, Feature, Format, Refactor, Remove, Tests};
    let deleted = |path: &str| FileChange {
        status: FileStatus::Deleted,
        added: 0,
        deleted: 9,
        ..file("f", path, 0, 1)
    };
    let f = |path: &str| file("f", path, 3, 1);
    let edit =
        |path: &str, added, deleted| FileChange { status: FileStatus::Modified, added, deleted, ..f(path) };
    let table: Vec<(ChangeKind, Vec<FileChange>, Option<ChangeKind>)> = vec![
        (Feature, vec![f("src/a.rs"), f("tests/a.rs")], None),
        (Feature, vec![deleted("tests/a.rs")], Some(Remove)),
        (Feature, vec![f(".github/ci.yml")], Some(Chore)),
        (Docs, vec![f("docs/a.md")], None),
        (Docs, vec![f("docs/a.md"), f("src/a.rs")], Some(Refactor)),
        (Tests, vec![f("tests/a.rs")], None),
        (Tests, vec![f("tests/a.rs"), f("src/a.rs")], Some(Feature)),
        (Deps, vec![f("Cargo.toml"), f("Cargo.lock")], None),
        (Deps, vec![f("Cargo.toml"), f("build.rs")], Some(Refactor)),
        (Refactor, vec![f("src/a.rs")], None),
        (Refactor, vec![f("tests/a.rs")], Some(Tests)),
        (Remove, vec![edit("src/a.rs", 1, 9), deleted("tests/a.rs")], None),
        (Remove, vec![f("src/new.rs"), deleted("tests/a.rs")], Some(Remove)),
        (Remove, vec![edit("src/a.rs", 9, 1)], Some(Refactor)),
        (Format, vec![f("src/a.rs")], None),
        (Chore, vec![f(".github/ci.yml"), f("Makefile")], None),
    ];
    for (kind, files, fits) in table {
        let (change, facts) = (change(files.clone()), of(files));
        match (kinds::check(kind, &change, &facts), fits) {
            (Ok(()), None) => {}
            (Err(reason), Some(fits)) => {
                assert_eq!(reason.code, Code::KindMismatch);
                assert!(reason.text.contains(&format!("kind {fits} would fit")), "{}", reason.text);
            }
            (answer, fits) => panic!("{kind} {fits:?} {answer:?} {:?}", change.files),
        }
    }
}

fn report(tests: &[(&str, TestStatus)], outcome: RunOutcome) -> TestReport {
    let result = |(name, status): &(&str, TestStatus)| TestResult {
        id: (*name).to_owned(),
        file: Some(format!("tests/{}.rs", name.split(':').next().unwrap_or_default())),
        status: *status,
        millis: 1,
        message: (*status == TestStatus::Failed).then(|| "left != right".to_owned()),
    };
    TestReport {
        tree: commit(5),
        adapter: "libtest".to_owned(),
        command: Digest::of(b"c"),
        environment: Digest::of(b"e"),
        outcome,
        per_test: true,
        tests: tests.iter().map(result).collect(),
        millis: 1,
        log: None,
    }
}

fn done(tests: &[(&str, TestStatus)]) -> TestReport {
    let failed = tests.iter().any(|(_, s)| *s == TestStatus::Failed);
    report(tests, RunOutcome::Completed { exit: if failed { 101 } else { 0 } })
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn codes(reasons: Vec<Reason>) -> Vec<Code> {
    reasons.into_iter().map(|r| r.code).collect()
}

use TestStatus::{Failed, Passed, Skipped};

fn red(
    base: &TestReport,
    composed: &TestReport,
    without: Option<&TestReport>,
) -> Result<red::Red, Vec<Code>> {
    let (files, characterisation) = (set(&["tests/n.rs"]), set(&["n:declared"]));
    red::judge(&RedFacts {
        baseline: base,
        composed,
        without_new: without,
        test_files: &files,
        characterisation: &characterisation,
    })
    .map_err(codes)
}

#[test]
fn red_is_a_new_test_that_fails_while_nothing_else_changes() {
    let base = done(&[("a:1", Passed), ("a:old", Failed)]);
    let ok = red(&base, &done(&[("a:1", Passed), ("a:old", Failed), ("n:1", Failed)]), None).unwrap();
    assert_eq!((ok.failing, ok.known_failures), (vec!["n:1".to_owned()], vec!["a:old".to_owned()]));
    assert_eq!(ok.shows, "left != right");
    for (case, composed, code) in [
        ("T3 passes already", vec![("a:1", Passed), ("n:1", Failed), ("n:2", Passed)], Code::RedPasses),
        ("nothing fails", vec![("a:1", Passed)], Code::RedNothing),
        ("only skipped", vec![("a:1", Passed), ("n:1", Skipped)], Code::RedNothing),
        ("breaks another", vec![("a:1", Failed), ("n:1", Failed)], Code::RedBreaks),
        ("another is gone", vec![("n:1", Failed)], Code::RedBreaks),
        ("another is skipped", vec![("a:1", Skipped), ("n:1", Failed)], Code::RedBreaks),
    ] {
        assert_eq!(red(&base, &done(&composed), None).unwrap_err(), [code], "{case}");
    }
    let declared =
        red(&base, &done(&[("a:1", Passed), ("n:1", Failed), ("n:declared", Passed)]), None).unwrap();
    assert_eq!(declared.characterisation, ["n:declared"]);
    let sharpened = red(&done(&[("n:1", Passed)]), &done(&[("n:1", Failed)]), None).unwrap();
    assert_eq!(sharpened.failing, ["n:1"]);
}

#[test]
fn a_test_file_that_does_not_build_is_red_only_if_the_error_lies_there() {
    let base = done(&[("a:1", Passed)]);
    let failed = |files: &[&str]| {
        let files = files.iter().map(|f| (*f).to_owned()).collect();
        report(&[], RunOutcome::BuildFailed { files, message: "no such function".to_owned() })
    };
    let ok = red(&base, &failed(&["tests/n.rs"]), Some(&base)).unwrap();
    assert_eq!(ok.failing, ["tests/n.rs"]);
    for (files, without, code) in [
        (&["src/lib.rs"][..], Some(&base), Code::RedBuild),
        (&["tests/n.rs", "src/lib.rs"], Some(&base), Code::RedBuild),
        (&[], Some(&base), Code::RedBuild),
        (&["tests/n.rs"], None, Code::RedBuild),
        (&["tests/n.rs"], Some(&done(&[])), Code::RedBreaks),
        (&["tests/n.rs"], Some(&failed(&["tests/n.rs"])), Code::RedBreaks),
    ] {
        assert_eq!(red(&base, &failed(files), without).unwrap_err(), [code], "{files:?}");
    }
}

#[test]
fn a_broken_environment_and_a_limit_are_never_red() {
    let base = done(&[("a:1", Passed)]);
    let broken = report(&[], RunOutcome::BrokenEnvironment { message: "cargo: not found".to_owned() });
    let limit = report(&[("n:1", Failed)], RunOutcome::LimitExceeded { message: "15 min".to_owned() });
    let unbuilt = report(&[], RunOutcome::BuildFailed { files: Vec::new(), message: "no".to_owned() });
    let new = done(&[("a:1", Passed), ("n:1", Failed)]);
    assert_eq!(red(&base, &broken, None).unwrap_err(), [Code::Broken]);
    assert_eq!(red(&broken, &new, None).unwrap_err(), [Code::Broken]);
    assert_eq!(red(&unbuilt, &new, None).unwrap_err(), [Code::Broken]);
    assert_eq!(red(&base, &limit, None).unwrap_err(), [Code::Limit]);
}

#[test]
fn the_generic_adapter_claims_no_test_and_knows_exit_codes() {
    let exit = |exit| TestReport { per_test: false, ..report(&[], RunOutcome::Completed { exit }) };
    assert_eq!(red(&exit(0), &exit(1), None).unwrap().failing, Vec::<String>::new());
    for (base, composed, code) in [
        (0, 0, Code::RedNothing),
        (1, 1, Code::Broken),
        (0, 126, Code::Broken),
        (0, 127, Code::Broken),
        (0, 137, Code::Broken),
        (0, -9, Code::Broken),
    ] {
        assert_eq!(red(&exit(base), &exit(composed), None).unwrap_err(), [code], "{base} {composed}");
    }
    let build =
        report(&[], RunOutcome::BuildFailed { files: vec!["tests/n.rs".to_owned()], message: String::new() });
    let build = TestReport { per_test: false, ..build };
    assert!(red(&exit(0), &build, Some(&exit(0))).is_ok());
    assert_eq!(red(&exit(0), &build, Some(&exit(1))).unwrap_err(), [Code::RedBreaks]);
}

struct Green {
    kind: ChangeKind,
    base: TestReport,
    run: TestReport,
    now: &'static str,
    removes: BTreeSet<String>,
    flaky: BTreeSet<String>,
}

impl Green {
    fn new(run: &[(&str, TestStatus)]) -> Self {
        Self {
            kind: ChangeKind::Feature,
            base: done(&[("a:1", Passed), ("a:old", Failed)]),
            run: done(run),
            now: "1",
            removes: BTreeSet::new(),
            flaky: BTreeSet::new(),
        }
    }
    fn judge(&self) -> Result<green::Green, Vec<Code>> {
        let admitted = [AdmittedFile { path: "tests/n.rs".to_owned(), blob: "1".to_owned(), inline: false }];
        let now = BTreeSet::from([("tests/n.rs".to_owned(), self.now.to_owned())]);
        let (feature, failing) = (self.kind == ChangeKind::Feature, ["n:1".to_owned()]);
        green::judge(&GreenFacts {
            kind: self.kind,
            baseline: &self.base,
            run: &self.run,
            admitted: if feature { &admitted } else { &[] },
            failing: if feature { &failing } else { &[] },
            now: &now,
            removes: &self.removes,
            flaky: &self.flaky,
        })
        .map_err(codes)
    }
}

#[test]
fn green_is_everything_passing_and_nothing_taken_away() {
    let good = Green::new(&[("a:1", Passed), ("a:old", Failed), ("n:1", Passed)]).judge().unwrap();
    assert_eq!((good.passed, good.known_failures), (2, vec!["a:old".to_owned()]));
    assert!(
        Green::new(&[("a:1", Passed), ("a:old", Passed), ("n:1", Passed)]).judge().is_ok(),
        "it may shrink"
    );
    for (case, run, expected) in [
        ("fails", vec![("a:1", Failed), ("n:1", Passed)], vec![Code::GreenFails]),
        ("new and fails", vec![("a:1", Passed), ("n:1", Passed), ("n:2", Failed)], vec![Code::GreenFails]),
        ("T2 deleted", vec![("n:1", Passed)], vec![Code::GreenMissing]),
        ("T2 ignored", vec![("a:1", Skipped), ("n:1", Passed)], vec![Code::GreenMissing]),
        ("T2 renamed", vec![("a:1", Passed), ("n:other", Passed)], vec![Code::GreenMissing]),
        (
            "silent file",
            vec![("a:1", Passed), ("n:1", Skipped)],
            vec![Code::GreenMissing, Code::GreenMissing],
        ),
    ] {
        assert_eq!(Green::new(&run).judge().unwrap_err(), expected, "{case}");
    }
    let ok = [("a:1", Passed), ("n:1", Passed)];
    assert_eq!(Green { now: "2", ..Green::new(&ok) }.judge().unwrap_err(), [Code::AdmittedChanged]);
    let flaky = Green { flaky: set(&["a:1"]), ..Green::new(&[("a:1", Failed), ("n:1", Passed)]) };
    assert!(flaky.judge().is_ok(), "a flaky test neither passes nor fails a gate");
    let crashed = Green { run: report(&ok, RunOutcome::Completed { exit: 101 }), ..Green::new(&ok) };
    assert_eq!(crashed.judge().unwrap_err(), [Code::GreenFails]);
    let no_base = report(&[], RunOutcome::BuildFailed { files: Vec::new(), message: String::new() });
    assert_eq!(Green { base: no_base, ..Green::new(&ok) }.judge().unwrap_err(), [Code::Broken]);
}

#[test]
fn kinds_have_their_own_green() {
    let of =
        |kind, run: &[(&str, TestStatus)]| Green { kind, base: done(&[("a:1", Passed)]), ..Green::new(run) };
    assert!(of(ChangeKind::Refactor, &[("a:1", Passed)]).judge().is_ok());
    let more = of(ChangeKind::Refactor, &[("a:1", Passed), ("b:1", Passed)]);
    assert_eq!(more.judge().unwrap_err(), [Code::KindMismatch]);
    let removed = |kind| Green { removes: set(&["a:1"]), ..of(kind, &[("b:1", Passed)]) };
    assert!(removed(ChangeKind::Remove).judge().is_ok());
    assert_eq!(
        removed(ChangeKind::Fix).judge().unwrap_err(),
        [Code::GreenMissing],
        "only a removal takes tests away"
    );
}

#[test]
fn a_push_is_refused_with_the_rule_that_it_breaks() {
    let mut world = World::twelve(3);
    world.request("greet", Work::large());
    world.run_until(|w| w.feature("greet").author().is_some());
    let role = world.feature("greet").author().unwrap().clone();
    let stranger = id("qa-a");
    let branch = "refs/heads/feature/greet";
    let update = |name: &str, new: Option<u64>| push::RefUpdate {
        name: name.to_owned(),
        old: None,
        new: new.map(commit),
    };
    let find = |f: &str| (f == "greet").then(|| world.feature("greet"));
    for (who, updates, code) in [
        (&role, vec![update("refs/heads/main", Some(1))], Code::PushMain),
        (&role, vec![update(branch, Some(1)), update("refs/heads/main", Some(1))], Code::PushMain),
        (&role, vec![update("refs/tags/v1", Some(1))], Code::PushRef),
        (&role, vec![update("refs/heads/other", Some(1))], Code::PushRef),
        (&role, vec![update(branch, None)], Code::PushRef),
        (&role, vec![update(branch, Some(1)), update(branch, Some(2))], Code::PushRef),
        (&role, vec![], Code::PushRef),
        (&role, vec![update("refs/heads/feature/none", Some(1))], Code::PushUnassigned),
        (&stranger, vec![update(branch, Some(1))], Code::PushUnassigned),
    ] {
        let refused = push::target(who, &updates, "refs/heads/main", &find).unwrap_err();
        assert_eq!(refused.code, code, "{updates:?}");
    }
    assert!(push::target(&role, &[update(branch, Some(1))], "refs/heads/main", &find).is_ok());

    let mut feature = world.feature("greet").clone();
    feature.claim = set(&["src", "tests/*.rs"]);
    let judge = |files: Vec<FileChange>, touched: &[&str], fast_forward: bool| {
        let (change, facts) = (change(files.clone()), of(files));
        let touched: Vec<String> = touched.iter().map(|t| (*t).to_owned()).collect();
        let content = push::Content {
            feature: &feature,
            role: &role,
            change: &change,
            facts: &facts,
            touched: &touched,
            fast_forward,
            red_applies: true,
        };
        push::content(&content).map_err(|r| r.code)
    };
    let test = || file("f", "tests/a.rs", 3, 1);
    assert_eq!(judge(vec![test()], &["tests/a.rs"], true), Ok(()));
    assert_eq!(judge(vec![test()], &["tests/a.rs"], false), Err(Code::PushForce));
    assert_eq!(
        judge(vec![test(), src(0, 1)], &["tests/a.rs", "src/f0.rs"], true),
        Err(Code::NotTestsFirst),
        "T7"
    );
    assert_eq!(judge(vec![file("f", ".envrc", 1, 1)], &[".envrc"], true), Err(Code::PushProtected));
    assert_eq!(
        judge(vec![file("f", "other/tests/b.rs", 1, 1)], &["other/tests/b.rs"], true),
        Err(Code::PushClaim),
        "V4.6"
    );
    assert_eq!(judge((0..4_001).map(|n| src(n, 1)).collect(), &[], true), Err(Code::PushLarge));
    assert_eq!(judge(vec![test()], &["src/gone.rs"], true), Ok(()), "pushed and taken back");
    feature.gate = Gate::Spec;
    let spec = |_: &str| Some(&feature);
    let refused = push::target(&role, &[update(branch, Some(1))], "refs/heads/main", &spec).unwrap_err();
    assert_eq!(refused.code, Code::PushState);
}

fn envelope(from: &str, to: Address, body: Body) -> Envelope {
    Envelope {
        v: 1,
        run: RunId(world::uuid_of(1)),
        epoch: 0,
        id: MessageId(world::uuid_of(2)),
        from: id(from),
        to,
        kind: body.kind(),
        feature: None,
        thread: None,
        in_reply_to: None,
        seq: 1,
        sent_at: 0,
        expires_at: None,
        priority: Priority::Normal,
        labels: BTreeSet::new(),
        body,
    }
}

#[test]
fn the_table_of_rights() {
    let roster = Config::default().roster();
    let may = |from: &str, kind: Kind| {
        let text: Body = StatusReport { text: String::new() }.into();
        let e = Envelope { kind, ..envelope(from, Address::One(id("system")), text) };
        rights::check(&e, roster.family(&e.from).unwrap(), &roster).is_ok()
    };
    let from = ["orchestrator", "librarian", "planner-a", "architect-a", "dev-a", "qa-a", "docs", "user"];
    let row = |kind: &Kind| {
        let who: Vec<&str> = from.into_iter().filter(|f| may(f, *kind)).collect();
        format!("{kind}: {}", who.join(" "))
    };
    insta::assert_snapshot!(Kind::ALL.iter().map(row).collect::<Vec<_>>().join("\n"));
}

#[test]
fn receivers_and_bodies_have_rights_too() {
    let roster = Config::default().roster();
    let report = || Body::from(StatusReport { text: String::new() });
    let gate = |gate| Body::from(GateRequest { gate, content: Digest::default(), text: String::new() });
    let task = |task| {
        Body::from(TaskAssignment {
            task,
            title: String::new(),
            text: String::new(),
            branch: None,
            base: None,
            paths: Vec::new(),
            candidates: Vec::new(),
        })
    };
    for (from, to, body, code) in [
        ("dev-a", "dev-b", report(), None),
        ("dev-a", "family:qa", report(), None),
        ("dev-a", "dev-a", report(), Some(Code::Receiver)),
        ("dev-a", "dev-z", report(), Some(Code::Receiver)),
        ("dev-a", "all", report(), Some(Code::Receiver)),
        ("librarian", "all", report(), None),
        ("orchestrator", "dev-a", task(Task::Implement), None),
        ("orchestrator", "dev-a", task(Task::WriteSpec), Some(Code::Kind)),
        ("orchestrator", "system", gate(Gate::Deploy), None),
        ("orchestrator", "system", gate(Gate::Peer), Some(Code::Kind)),
        ("dev-a", "system", gate(Gate::Deploy), Some(Code::Kind)),
    ] {
        let e = envelope(from, to.parse().unwrap(), body);
        let answer = rights::check(&e, roster.family(&e.from).unwrap(), &roster);
        assert_eq!(answer.err().map(|r| r.code), code, "{from} {to} {}", e.kind);
    }
}

struct Court {
    veto: Veto,
    index: u64,
}

impl Court {
    fn apply(&mut self, at_ms: u64, from: &str, feature: Option<&str>, body: Body) {
        self.index += 1;
        let e =
            Envelope { feature: feature.map(|f| f.parse().unwrap()), ..envelope(from, Address::All, body) };
        self.veto.apply(&Record { index: self.index, at_ms, envelope: Arc::new(e) });
    }
    fn refused(&mut self, at_ms: u64, who: &str, feature: &str, code: Code, incident: bool) {
        let refused = Refused { who: id(who), what: String::new(), reason: Reason::new(code, ""), incident };
        self.apply(at_ms, "system", Some(feature), refused.into());
    }
    fn kinds(&self, now: u64) -> Vec<Kind> {
        self.veto.triggered(&Triggers::default(), now).iter().map(Body::kind).collect()
    }
    fn quarantine(&mut self, at_ms: u64, who: &str, lifted: bool) {
        let body = Quarantine { role: id(who), reason: "test".to_owned(), lifted };
        self.apply(at_ms, "system", None, body.into());
    }
}

const DAY: u64 = 24 * 3_600_000;

fn court() -> Court {
    Court { veto: Veto::default(), index: 0 }
}

#[test]
fn three_attempts_in_a_day_set_a_role_aside_and_the_first_is_advice() {
    let mut court = court();
    for (n, feature) in ["a", "a", "b", "a"].into_iter().enumerate() {
        court.refused(n as u64, "dev-a", feature, Code::PushMain, false);
        assert_eq!(court.kinds(10), Vec::<Kind>::new(), "attempt {n}");
    }
    court.refused(9, "dev-a", "b", Code::PushMain, false);
    assert_eq!(court.kinds(10), [Kind::Quarantine]);
    assert_eq!(court.kinds(DAY + 8), Vec::<Kind>::new(), "the window slides");
    court.refused(10, "dev-b", "a", Code::Rate, false);
    court.quarantine(11, "dev-a", false);
    assert_eq!(court.kinds(12), Vec::<Kind>::new(), "once");
}

#[test]
fn forged_tokens_count_and_late_ones_do_not() {
    let mut court = court();
    (0..9).for_each(|n| court.refused(n, "dev-a", "a", Code::LockStale, false));
    (0..4).for_each(|n| court.refused(n, "dev-b", "a", Code::LockStale, true));
    assert_eq!(court.kinds(10), Vec::<Kind>::new());
    court.refused(5, "dev-b", "a", Code::LockStale, true);
    assert_eq!(court.kinds(10), [Kind::Quarantine]);
}

#[test]
fn two_roles_set_aside_within_a_day_freeze_the_system() {
    let mut court = court();
    court.quarantine(0, "dev-a", false);
    court.quarantine(1, "dev-a", false);
    assert_eq!(court.kinds(2), Vec::<Kind>::new(), "one role");
    court.quarantine(3, "dev-b", false);
    assert_eq!(court.kinds(4), [Kind::Freeze]);
    assert_eq!(court.kinds(DAY), Vec::<Kind>::new(), "the first was a day ago");
    court.quarantine(5, "dev-a", true);
    assert_eq!(court.kinds(6), Vec::<Kind>::new(), "the user lifted one");
}

#[test]
fn only_the_user_lifts_a_freeze_and_it_survives_a_fresh_fold() {
    let mut court = court();
    let freeze =
        || Freeze { reason: "r".to_owned(), evidence: Vec::new(), roles: Vec::new(), remedy: String::new() };
    let lift = || Body::from(Unfreeze { report: String::new(), second_factor: true });
    court.apply(1, "librarian", None, freeze().into());
    for agent in ["orchestrator", "librarian", "system"] {
        court.apply(2, agent, None, lift());
        assert!(court.veto.frozen.is_some(), "{agent}");
        let e = envelope(agent, Address::All, lift());
        let family = Config::default().roster().family(&e.from).unwrap();
        assert_eq!(court.veto.permits(&e, family).unwrap_err().code, Code::NotUser);
    }
    assert_eq!(court.veto.may_act(&id("dev-a")).unwrap_err().code, Code::Frozen);
    court.apply(3, "user", None, lift());
    assert!(court.veto.frozen.is_none() && court.veto.may_act(&id("dev-a")).is_ok());
}

#[test]
fn what_goes_on_while_frozen() {
    let goes: Vec<&str> = Kind::ALL
        .iter()
        .filter(|k| foureyes_policies::admission::goes_on_frozen(**k))
        .map(|k| k.as_str())
        .collect();
    insta::assert_snapshot!(goes.join("\n"));
}

#[test]
fn who_is_set_aside_may_talk_and_not_act() {
    let mut court = court();
    court.quarantine(1, "dev-a", false);
    let freeze =
        Freeze { reason: String::new(), evidence: Vec::new(), roles: Vec::new(), remedy: String::new() };
    let talk = envelope("dev-a", Address::system(), StatusReport { text: String::new() }.into());
    assert!(court.veto.permits(&talk, Family::Dev).is_ok());
    let act = envelope("dev-a", Address::system(), freeze.into());
    assert_eq!(court.veto.permits(&act, Family::Dev).unwrap_err().code, Code::Quarantined);
    assert_eq!(court.veto.may_act(&id("dev-a")).unwrap_err().code, Code::Quarantined);
    assert!(court.veto.may_act(&id("dev-b")).is_ok());
}

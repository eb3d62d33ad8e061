//! Whole features through the plan: the order of gates, who is asked, what sends a feature back.

mod world;

use foureyes_policies::{features::Status, plan::Step};
use foureyes_protocol::{
    Address, Body, ChangeKind, Family, Gate, PrincipalId, Risk, Roster,
    body::{DeadLetter, Quarantine, Subject, Task},
};
use world::{Work, World, id, solo};

const FULL: [Gate; 5] = [Gate::Spec, Gate::Red, Gate::Green, Gate::Peer, Gate::Qa];

fn one(work: Work) -> World {
    let mut world = World::twelve(7);
    world.request("greet", work);
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    world
}

#[test]
fn a_small_feature_takes_the_fast_track() {
    let world = one(Work::small());
    assert_eq!(world.passed("greet"), FULL);
    assert_eq!(world.asked("greet", Subject::Spec), Vec::<String>::new());
    let author = world.feature("greet").author().unwrap().to_string();
    let other = if author == "dev-a" { "dev-b" } else { "dev-a" };
    assert_eq!(world.asked("greet", Subject::Tests), [other]);
    assert_eq!(world.asked("greet", Subject::Change), [other]);
    // The runtime's run suffices at QA; a qa looks at it after it landed.
    let landed = world.records.iter().position(|r| matches!(r.envelope.body, Body::Delivered(_))).unwrap();
    let verification =
        &world.feature("greet").requests.iter().find(|r| r.subject == Subject::Verification).unwrap();
    assert!(verification.index > landed as u64, "{}", world.story());
    assert!(verification.to.as_str().starts_with("qa-"));
}

#[test]
fn a_large_feature_has_two_signers_at_peer_and_at_qa() {
    let world = one(Work::large());
    assert_eq!(world.passed("greet"), FULL);
    let peers = world.asked("greet", Subject::Change);
    assert_eq!(peers.len(), 2);
    assert!(peers[0].starts_with("dev-") && peers[1].starts_with("architect-"), "{peers:?}");
    let mut qa = world.asked("greet", Subject::Verification);
    qa.sort();
    assert_eq!(qa, ["qa-a", "qa-b"]);
}

#[test]
fn high_risk_is_specified_by_two_and_co_signed() {
    let world = one(Work { risk: Risk::High, ..Work::large() });
    let spec = world.asked("greet", Subject::Spec);
    assert!(
        spec.iter().any(|s| s.starts_with("planner-")) && spec.iter().any(|s| s.starts_with("architect-"))
    );
    assert_ne!(spec[0], world.given("greet", Task::WriteSpec)[0]);
    let cosign = world.records.iter().find(|r| matches!(&r.envelope.body, Body::CoSign(c) if !c.by_rule));
    assert_eq!(cosign.unwrap().envelope.from.as_str(), "librarian");
}

#[test]
fn critical_risk_needs_the_user_at_spec_and_at_deploy() {
    let world = one(Work { risk: Risk::Critical, ..Work::large() });
    assert!(world.asked("greet", Subject::Spec).contains(&"user".to_owned()));
    let decisions = world.records.iter().filter(|r| matches!(r.envelope.body, Body::DecisionAnnouncement(_)));
    assert_eq!(decisions.count(), 1);
}

#[test]
fn a_risk_that_only_the_diff_shows_is_specified_late() {
    let world = one(Work { code: vec![("src/api/mod.rs", 5)], ..Work::small() });
    assert_eq!(world.asked("greet", Subject::Spec).len(), 2, "{}", world.story());
}

#[test]
fn a_roster_of_one_works_with_the_user_as_every_other_pair_of_eyes() {
    for work in [
        Work::small(),
        Work::large(),
        Work { risk: Risk::Critical, ..Work::large() },
        Work::of(ChangeKind::Chore, &[(".github/workflows/ci.yml", 3)]),
        Work::of(ChangeKind::Remove, &[]),
        Work { tests: vec!["tests/a.rs"], ..Work::of(ChangeKind::Tests, &[]) },
    ] {
        let mut world = World::new(solo(), 3);
        world.request("greet", work.clone());
        world.run();
        assert!(world.is_done("greet"), "{work:?}\n{}", world.story());
        let signers: Vec<_> = world.feature("greet").signatures.iter().map(|s| s.by.to_string()).collect();
        assert!(signers.iter().all(|s| s == "user"), "{signers:?}");
        assert!(world.feature("greet").signatures.iter().any(|s| s.subject == Subject::Change));
    }
}

#[test]
fn the_user_who_wrote_the_change_is_none_of_its_eyes() {
    let mut world = World::new(solo(), 3);
    world.unavailable.insert(id("dev-a"));
    world.silent.insert(id("user"));
    world.request("greet", Work::small());
    world.run();
    world.write_spec("greet", &id("user"));
    world.run();
    assert_eq!(world.given("greet", Task::Implement), ["user"]);
    world.push("greet", &id("user"));
    world.run();
    let Status::Waiting(why) = &world.feature("greet").status else { panic!("{}", world.story()) };
    assert!(why.contains("nobody is left"), "{why}");
}

#[test]
fn kinds_that_have_no_red_say_so_and_have_their_own_signers() {
    let table: [(Work, usize, Option<Family>); 6] = [
        (Work::of(ChangeKind::Refactor, &[("src/a.rs", 5)]), 2, None),
        (Work::of(ChangeKind::Docs, &[("docs/a.md", 5)]), 1, Some(Family::Librarian)),
        (Work { tests: vec!["tests/a.rs"], ..Work::of(ChangeKind::Tests, &[]) }, 2, Some(Family::Qa)),
        (Work::of(ChangeKind::Deps, &[("Cargo.lock", 5)]), 2, None),
        (Work::of(ChangeKind::Chore, &[(".github/workflows/ci.yml", 5)]), 3, Some(Family::User)),
        (Work::of(ChangeKind::Format, &[("src/a.rs", 5)]), 0, None),
    ];
    for (work, signers, family) in table {
        let world = one(work.clone());
        let red = world.feature("greet").verdict(Gate::Red).unwrap();
        assert!(red.verdict.summary.starts_with("RED is not applicable, because"), "{}", red.verdict.summary);
        let peer = world.feature("greet").verdict(Gate::Peer).unwrap().verdict.signers.clone();
        assert_eq!(peer.len(), signers, "{work:?} {peer:?}\n{}", world.story());
        let families: Vec<_> = peer.iter().filter_map(|s| world.roster.family(s)).collect();
        assert!(family.is_none_or(|f| families.contains(&f)), "{work:?} {peer:?}");
    }
}

#[test]
fn without_a_test_command_only_docs_chores_and_a_suite_run() {
    let mut world = World::twelve(1);
    world.has_suite = false;
    world.silent.insert(id("user"));
    world.request("greet", Work::small());
    world.request("guide", Work::of(ChangeKind::Docs, &[("docs/a.md", 5)]));
    world.run();
    assert!(world.is_done("guide"), "{}", world.story());
    assert!(
        matches!(&world.feature("greet").status, Status::Waiting(why) if why.contains("gates.suite.command"))
    );
}

#[test]
fn a_rejection_is_mended_and_the_same_reviewer_sees_the_mend() {
    let mut world = World::twelve(5);
    world.refusals.insert(("greet".to_owned(), Subject::Change), 1);
    world.request("greet", Work::large());
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    assert_eq!(world.feature("greet").returned(Gate::Peer), 1);
    let requests: Vec<_> = world
        .records
        .iter()
        .filter_map(|r| match &r.envelope.body {
            Body::SignOffRequest(s) if s.subject == Subject::Change => {
                Some((r.envelope.to.to_string(), s.text.clone()))
            }
            _ => None,
        })
        .collect();
    let refused = world.feature("greet").signatures.iter().find(|s| !s.approved).unwrap().by.to_string();
    let again = requests.iter().rev().find(|(to, _)| *to == refused).unwrap();
    assert!(again.1.contains("you looked at") && again.1.contains("up to 50 changed lines"), "{}", again.1);
}

#[test]
fn every_subject_can_be_refused_once_and_passes_then() {
    for subject in [Subject::Spec, Subject::Tests, Subject::Change, Subject::Verification] {
        let mut world = World::twelve(11);
        world.refusals.insert(("greet".to_owned(), subject), 1);
        world.request("greet", Work { risk: Risk::High, ..Work::large() });
        world.run();
        assert!(world.is_done("greet"), "{subject}\n{}", world.story());
    }
}

#[test]
fn docs_sign_what_users_see() {
    let world = one(Work { code: vec![("web/index.html", 5)], ..Work::small() });
    assert_eq!(world.asked("greet", Subject::Docs), ["docs"]);
}

#[test]
fn three_returns_reach_the_orchestrator_and_five_the_user() {
    let mut world = World::twelve(2);
    world.silent.insert(id("user"));
    world.failures.insert(("greet".to_owned(), Gate::Green), 5);
    world.request("greet", Work::small());
    world.run();
    let told: Vec<_> =
        world.records.iter().filter(|r| matches!(r.envelope.body, Body::Escalation(_))).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].envelope.to.to_string(), "orchestrator");
    assert!(matches!(&world.feature("greet").status, Status::Waiting(why) if why.contains("5 times")));
    world.silent.clear();
    world.retry("greet");
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
}

#[test]
fn two_returns_from_deploy_within_a_week_reach_the_user() {
    let mut world = World::twelve(2);
    world.silent.insert(id("user"));
    world.cosign_refusals = 2;
    world.request("greet", Work { risk: Risk::High, ..Work::large() });
    world.run();
    assert!(
        matches!(&world.feature("greet").status, Status::Waiting(why) if why.contains("DEPLOY was returned 2 times")),
        "{}",
        world.story()
    );
}

#[test]
fn the_users_no_sends_a_critical_change_back() {
    let mut world = World::twelve(2);
    world.decision_refusals = 1;
    world.request("greet", Work { risk: Risk::Critical, ..Work::large() });
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    assert_eq!(world.feature("greet").returned(Gate::Deploy), 1);
}

#[test]
fn without_a_wall_a_critical_change_waits() {
    let mut world = World::twelve(2);
    world.advisory = true;
    world.silent.insert(id("user"));
    world.request("greet", Work::small());
    world.request("login", Work { code: vec![("src/auth/login.rs", 5)], ..Work::small() });
    // The user signs specs here, and does not retry.
    world.run();
    assert!(world.is_done("greet"));
    assert!(!world.is_done("login"));
}

#[test]
fn a_broken_environment_waits_and_is_judged_again_after_a_retry() {
    for gate in [Gate::Red, Gate::Green, Gate::Qa] {
        let mut world = World::twelve(4);
        world.broken.insert(("greet".to_owned(), gate), 2);
        world.request("greet", Work::large());
        world.run();
        assert!(world.is_done("greet"), "{gate}\n{}", world.story());
        assert_eq!(world.retries, 2);
        assert_eq!(world.feature("greet").returned(gate), 0);
    }
}

#[test]
fn a_moved_main_voids_approvals_only_where_it_touched_the_change() {
    for (path, voids) in [("README.md", false), ("src/greet.rs", true), ("Cargo.toml", true)] {
        let mut world = World::twelve(9);
        world.request("greet", Work::large());
        world.run_until(|w| w.feature("greet").gate == Gate::Deploy);
        world.user_commit = Some(vec![path.to_owned()]);
        world.run();
        assert!(world.is_done("greet"), "{}", world.story());
        let voided = world.feature("greet").verdicts.iter().filter(|v| !v.verdict.counts).count();
        assert_eq!(voided, usize::from(voids), "{path}\n{}", world.story());
        assert_eq!(world.feature("greet").returned(Gate::Peer), 0, "a moved main does not count");
        let runs = world.feature("greet").verdicts.iter().filter(|v| v.verdict.gate == Gate::Qa).count();
        assert!(runs >= 3, "QA runs again on the new merge: {runs}");
    }
}

#[test]
fn a_conflict_sends_the_feature_back_without_a_count() {
    let mut world = World::twelve(9);
    world.conflicts.insert("greet".to_owned(), 1);
    world.request("greet", Work::large());
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    assert_eq!(world.feature("greet").returned(Gate::Qa), 0);
}

#[test]
fn a_push_voids_approvals() {
    let mut world = World::twelve(9);
    world.request("greet", Work::large());
    world.run_until(|w| w.feature("greet").gate == Gate::Qa);
    let author = world.feature("greet").author().unwrap().clone();
    world.push("greet", &author);
    assert_eq!(world.feature("greet").gate, Gate::Green);
    world.run();
    assert!(world.is_done("greet"));
    assert_eq!(world.passed("greet").iter().filter(|g| **g == Gate::Peer).count(), 2);
}

#[test]
fn a_verdict_on_an_older_push_is_nobodys() {
    let mut world = World::twelve(9);
    world.request("greet", Work::large());
    world.run_until(|w| w.feature("greet").gate == Gate::Green && w.versions["greet"] == 2);
    let old = world::verdict_of(world.feature("greet"), Gate::Green, foureyes_protocol::Outcome::Passed);
    let author = world.feature("greet").author().unwrap().clone();
    world.push("greet", &author);
    world.verdict("greet", old);
    assert_eq!(world.feature("greet").gate, Gate::Green, "{}", world.story());
}

#[test]
fn a_new_spec_is_judged_again_with_everything_after_it() {
    let mut world = World::twelve(9);
    world.request("greet", Work::large());
    world.run_until(|w| w.feature("greet").gate == Gate::Qa);
    let planner = world.feature("greet").spec.as_ref().unwrap().by.clone();
    world.write_spec("greet", &planner);
    assert_eq!(world.feature("greet").gate, Gate::Spec);
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    assert_eq!(world.passed("greet").iter().filter(|g| **g == Gate::Peer).count(), 2);
}

#[test]
fn a_freeze_stops_every_step() {
    let mut world = World::twelve(9);
    world.request("greet", Work::large());
    world.run_until(|w| w.feature("greet").gate == Gate::Peer);
    let freeze = foureyes_protocol::body::Freeze {
        reason: "look".to_owned(),
        evidence: Vec::new(),
        roles: Vec::new(),
        remedy: String::new(),
    };
    world.append(&id("librarian"), foureyes_protocol::Address::All, None, freeze.into());
    assert_eq!(world.plan(), Vec::<Step>::new());
    let no_code = foureyes_protocol::body::Unfreeze { report: "read".to_owned(), second_factor: false };
    let refused = world.try_append(&id("user"), foureyes_protocol::Address::All, None, no_code.into());
    assert_eq!(refused.unwrap_err().code, foureyes_protocol::Code::SecondFactor);
    let lift = foureyes_protocol::body::Unfreeze { report: "read".to_owned(), second_factor: true };
    world.append(&id("user"), foureyes_protocol::Address::All, None, lift.into());
    world.run();
    // What was answered while frozen was refused; those who were asked answer again.
    let open: Vec<_> = world.records.clone();
    for record in open {
        if matches!(record.envelope.body, Body::SignOffRequest(_)) && !world.is_done("greet") {
            world.pending.push(world::Pending::React(record));
        }
    }
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
}

fn quarantine(world: &mut World, role: &str) {
    let body = Quarantine { role: id(role), reason: "test".to_owned(), lifted: false };
    world.append(&id("user"), foureyes_protocol::Address::All, None, body.into());
    world.silent.insert(id(role));
}

#[test]
fn somebody_who_cannot_act_any_more_is_replaced() {
    for subject in [Subject::Tests, Subject::Change, Subject::Verification] {
        let mut world = World::twelve(9);
        world.request("greet", Work::large());
        world.run_until(|w| {
            let _ = w;
            w.feature("greet").requests.iter().any(|r| r.subject == subject && !r.answered)
        });
        let asked = world.feature("greet").requests.iter().find(|r| r.subject == subject && !r.answered);
        let asked = asked.unwrap().to.to_string();
        quarantine(&mut world, &asked);
        world.run();
        assert!(world.is_done("greet"), "{subject} {asked}\n{}", world.story());
        let signed =
            world.feature("greet").signatures.iter().any(|s| s.by == id(&asked) && s.subject == subject);
        assert!(!signed);
    }
}

#[test]
fn the_work_of_one_who_cannot_act_goes_to_the_family() {
    for (task, gate) in [(Task::WriteSpec, Gate::Spec), (Task::Implement, Gate::Red)] {
        let mut world = World::twelve(9);
        world.silent.extend(["planner-a", "planner-b", "dev-a", "dev-b"].map(id));
        if task == Task::Implement {
            world.silent.retain(|r| r.as_str().starts_with("dev"));
        }
        world.request("greet", Work::large());
        world.run();
        assert_eq!(world.feature("greet").gate, gate);
        let first = world.given("greet", task)[0].clone();
        world.silent.clear();
        quarantine(&mut world, &first);
        world.run();
        assert!(world.is_done("greet"), "{task:?}\n{}", world.story());
        let second = world.given("greet", task)[1].clone();
        assert_eq!(second[..3], first[..3]);
        assert_ne!(second, first);
    }
}

#[test]
fn the_orchestrator_and_the_librarian_can_be_missing() {
    let roster =
        Roster::new(vec![(id("dev-a"), Family::Dev), (id("dev-b"), Family::Dev), (id("qa-a"), Family::Qa)]);
    let mut world = World::new(roster, 1);
    world.request("greet", Work { risk: Risk::High, ..Work::large() });
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    let cosign = world.records.iter().find(|r| matches!(r.envelope.body, Body::CoSign(_))).unwrap();
    assert!(cosign.envelope.from.is_user());
}

#[test]
fn a_feature_whose_assignment_went_to_the_dead_letters_goes_to_another_dev() {
    let mut world = World::twelve(9);
    world.silent.extend(["dev-a", "dev-b"].map(id));
    world.request("greet", Work::large());
    world.run();
    let first = world.given("greet", Task::Implement).remove(0);
    let letter = DeadLetter {
        message: foureyes_protocol::MessageId(world::uuid_of(7)),
        receiver: id(&first),
        why: "died three times with this message first in line".to_owned(),
    };
    world.append(&PrincipalId::system(), Address::system(), Some("greet"), letter.into());
    world.silent.clear();
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
    let author = world.feature("greet").author().map(ToString::to_string);
    assert_ne!(author.as_deref(), Some(first.as_str()), "{}", world.story());
}

#[test]
fn a_librarian_who_cannot_act_is_replaced_by_the_user() {
    let mut world = World::twelve(3);
    world.silent.insert(id("librarian"));
    world.request("greet", Work { risk: Risk::High, ..Work::large() });
    world.run();
    assert_eq!(world.feature("greet").gate, Gate::Deploy);
    world.unavailable.insert(id("librarian"));
    world.run();
    assert!(world.is_done("greet"), "{}", world.story());
}

#[test]
fn two_features_land_one_at_a_time() {
    for seed in 0..20 {
        let mut world = World::twelve(seed);
        world.request("a", Work { code: vec![("src/a.rs", 10)], tests: vec!["tests/a.rs"], ..Work::small() });
        world.request("b", Work { code: vec![("src/b.rs", 10)], tests: vec!["tests/b.rs"], ..Work::small() });
        for _ in 0..2_000 {
            let lands = world
                .plan()
                .iter()
                .filter(|s| matches!(s, Step::Job(foureyes_policies::plan::Job::Land(..))))
                .count();
            assert!(lands <= 1, "{}", world.story());
            if !world.step() {
                break;
            }
        }
        assert!(world.all_done(), "{}", world.story());
    }
}

#[test]
fn a_qa_who_refuses_a_landed_fast_track_change_opens_a_revert() {
    let mut world = World::twelve(3);
    world.refusals.insert(("greet".to_owned(), Subject::Verification), 1);
    world.work.insert("revert-greet".to_owned(), Work::of(ChangeKind::Revert, &[("src/greet.rs", 10)]));
    world.request("greet", Work::small());
    world.run();
    assert!(world.is_done("revert-greet"), "{}", world.story());
    assert!(world.feature("revert-greet").text.contains("reverts:"));
}

#[test]
fn a_spot_check_that_is_not_made_is_told_to_the_user_once() {
    let mut world = World::twelve(3);
    world.silent.extend([id("qa-a"), id("qa-b")]);
    world.request("greet", Work::small());
    world.run();
    let alerts = |w: &World| {
        w.records
            .iter()
            .filter(|r| matches!(&r.envelope.body, Body::Alert(a) if a.event == "spot-check-overdue"))
            .count()
    };
    assert_eq!(alerts(&world), 0);
    world.numbers.now_ms = 25 * 3_600_000;
    world.run();
    assert_eq!(alerts(&world), 1, "{}", world.story());
}

#[test]
fn co_signs_by_rule_are_drawn_for_the_librarian_to_check() {
    let checks = |low: f64| {
        let mut world = World::twelve(3);
        world.numbers.cosign_low = low;
        world.numbers.cosign_medium = low;
        world.request("greet", Work::small());
        world.run();
        world
            .records
            .iter()
            .filter(|r| matches!(&r.envelope.body, Body::CoSignRequest(c) if c.act.starts_with("spot check")))
            .count()
    };
    assert_eq!((checks(0.0), checks(1.0)), (0, 1));
}

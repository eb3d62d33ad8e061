//! The built-in demonstration, and what a stranger would check afterwards.

use crate::audit;
use foureyes_protocol::{Code, Gate};
use foureyes_tests::{bench::Bench, records::Records, repo::Repo, stock::Gpg, workspace};
use std::path::Path;

#[test]
fn both_features_land_and_every_lie_is_refused() {
    let bench = Bench::shell();
    let repo = Repo { path: bench.state().join("demo") };
    let demo = workspace::root().join("config/demo.yaml");
    let mut run = bench.run_without_repository(&[&demo.to_string_lossy(), "--plain", "--until-done"]);
    let status = run.end(std::time::Duration::from_secs(180));
    assert!(status.success(), "{}", run.output());
    bench.assert_nobody_left();
    let records = bench.records();
    refusals(&records);
    the_killed_dev_came_back(&records);
    delivered(&records, &repo);
    signatures(&bench, &repo);
    audit::one_flipped_byte_is_found(&bench);
}

fn refusals(records: &Records) {
    for code in [Code::PushMain, Code::SelfApproval, Code::ClaimContradicted] {
        assert!(records.refused("dev-b", code), "{code} is missing\n{}", records.lines());
    }
    assert!(records.returned("clamp", Gate::Green, Code::AdmittedChanged), "{}", records.lines());
}

fn the_killed_dev_came_back(records: &Records) {
    let states: Vec<&str> = records.health("dev-a").iter().map(|h| h.state.as_str()).collect();
    let died = states.iter().position(|s| *s == "restarting");
    assert!(died.is_some_and(|i| states[i..].contains(&"up")), "{states:?}");
}

fn delivered(records: &Records, repo: &Repo) {
    for feature in ["statistics", "clamp"] {
        assert!(records.delivered(feature), "{feature}\n{}", records.lines());
        assert_eq!(records.merged(feature).len(), 1, "{feature}");
    }
    let tip = repo.git(&["rev-parse", "main"]);
    let last = records
        .merged("statistics")
        .into_iter()
        .chain(records.merged("clamp"))
        .any(|m| m.commit.as_str() == tip);
    assert!(last, "main is not a merge of the runtime");
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
    assert!(repo.try_git(&["fsck", "--strict", "--no-dangling"]).status.success());
}

/// Merges carry the key of the gates, all other commits since the base that of their author.
fn signatures(bench: &Bench, repo: &Repo) {
    let keys = bench.repository_state().expect("a state").join("keys");
    let gpg = Gpg::of_signer(Path::new(&bench.place("g")), &keys);
    let log = repo.git(&["log", "--format=%H %ae %P", "main"]);
    let mut judged = (0, 0);
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [_, _] | [_, _, ""] => {}
            [commit, author, _, _] => {
                assert!(
                    gpg.signer(repo, commit).is_ok_and(|who| who == *author && who.starts_with("system@")),
                    "{line}"
                );
                judged.0 += 1;
            }
            [commit, author, ..] => {
                assert!(
                    gpg.signer(repo, commit).is_ok_and(|who| who == *author && who.starts_with("dev-")),
                    "{line}"
                );
                judged.1 += 1;
            }
            _ => {}
        }
    }
    assert!(judged.0 >= 2 && judged.1 >= 4, "{judged:?}\n{log}");
}

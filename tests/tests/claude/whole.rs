//! A feature from request to signed merge, with the real CLI in all twelve roles.

use crate::{hostile, user};
use foureyes_protocol::{Body, body::ModelUsed};
use foureyes_tests::{
    bench::Bench,
    claude::{TWELVE, roles},
    plays,
    records::Records,
    stock::Gpg,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// In a repository and with a home that try to have a say in it.
#[test]
fn twelve_real_agents_bring_a_feature_from_request_to_signed_merge() {
    let mut bench = Bench::claude(&TWELVE, hostile::FILES);
    let home = user::Home::hostile(&bench.place("user"), &bench.place("ran-of-user"));
    bench.config["run"] = json!({"until_done": false});
    // Large, risky and of interest to users, so that everybody is asked.
    let (long, guide) = ("line\n".repeat(80), "# Guide\n\nnote.txt says it.\n");
    let code = [
        ("note.txt", "done\n"),
        ("long.txt", long.as_str()),
        ("docs/guide.md", guide),
        ("CHANGELOG.md", "# Changes\n\n* note\n"),
    ];
    let work = plays::honest("note", &[("tests/note.sh", "grep -q done note.txt\n")], &code);
    let spec = json!({"note": {"title": "A note", "kind": "feature", "risk": "HIGH", "text": "note.txt says done", "paths": ["**"]}});
    bench.task("note").dev_models(&plays::dev(&work));
    bench.model("planner-a", &plays::planner(&spec)).model("planner-b", &plays::planner(&spec));
    let model = bench.serve_models();
    let begun = Instant::now();
    let mut run = bench.start();
    run.status("the runtime answers", Duration::from_secs(60), |s| Some(s.clone()));
    // Two of three architects have nothing to do with one feature; everybody answers the user.
    assert!(bench.agents(&["send", "all", "good morning"]).status.success());
    let all_worked = |s: &Value| {
        let no_dialog = roles(s).iter().all(|r| r["state"] != "waiting");
        assert!(no_dialog, "an agent waits for a permission: {s}");
        let worked = |r: &Value| r["turns"].as_u64() > Some(0) && r["state"] == "idle" && r["unread"] == 0;
        (roles(s).len() == 12 && roles(s).iter().all(worked)).then(|| s.clone())
    };
    run.wait("the feature is delivered", Duration::from_secs(180), |r| r.delivered("note").then_some(()));
    println!("twelve agents, one feature: {:.1} s", begun.elapsed().as_secs_f64());
    let status = run.status("all twelve have worked", Duration::from_secs(60), all_worked);
    bench.down();
    run.end(Duration::from_secs(30));
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
    let records = bench.records();
    landed(&bench, &records);
    turns(&status);
    used(&records);
    hostile::nothing_ran(&bench, &model);
    home.assert_untouched();
}

fn landed(bench: &Bench, records: &Records) {
    let lines = || records.lines();
    assert_eq!(records.refusals(), Vec::<&foureyes_protocol::body::Refused>::new(), "{}", lines());
    assert_eq!((records.merged("note").len(), records.pushes("note").len()), (1, 2), "{}", lines());
    assert_eq!(bench.repo.show("main", "note.txt").as_deref(), Some("done\n"), "{}", lines());
    let keys = bench.repository_state().expect("a state").join("keys");
    let gpg = Gpg::of_signer(&bench.place("g"), &keys);
    let tip = bench.repo.git(&["rev-parse", "main"]);
    assert_eq!(tip, records.merged("note")[0].commit.as_str());
    let signer = gpg.signer(&bench.repo, &tip).expect("a good signature");
    assert!(signer.starts_with("system@"), "{signer}");
}

/// No turn without something that waits, and every prompt written, then seen, then acted on.
fn turns(status: &Value) {
    assert_eq!(status["idle_turns"], 0, "{status}");
    for role in roles(status) {
        let at = |what: &str| role["delivery"][what].as_u64().unwrap_or_else(|| panic!("no {what}: {role}"));
        let order = [at("prompted_ms"), at("written_ms"), at("seen_ms"), at("acted_ms")];
        assert!(order.is_sorted(), "{order:?}: {role}");
        assert_eq!(role["restarts"], 0, "{role}");
    }
}

/// Every role's tokens are in the ledger, with their price.
fn used(records: &Records) {
    let all: Vec<&ModelUsed> = records.bodies(|b| if let Body::ModelUsed(u) = b { Some(u) } else { None });
    for (role, _) in TWELVE {
        let own = || all.iter().filter(|u| u.role.as_str() == role);
        let sum = |of: fn(&ModelUsed) -> u64| own().map(|u| of(u)).sum::<u64>();
        assert!(sum(|u| u.requests) > 0 && sum(|u| u.output_tokens) > 0, "{role}\n{}", records.lines());
        assert!(sum(|u| u.input_tokens + u.cache_read_tokens + u.cache_write_tokens) > 0, "{role}");
        assert!(sum(|u| u.microusd.unwrap_or(0)) > 0, "{role} cost nothing: {:?}", own().collect::<Vec<_>>());
    }
}

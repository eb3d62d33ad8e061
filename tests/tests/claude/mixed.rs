//! Programs of three kinds in one team: what one vendor's model wrote, another one's reviews.

use crate::kills::once;
use foureyes_protocol::Body;
use foureyes_tests::{
    acp,
    bench::{Bench, SHELL},
    claude::THREE,
    plays::{dev, note},
};
use serde_json::json;

#[test]
fn a_reviewer_of_another_program_signs_what_claude_code_wrote() {
    let mut bench = Bench::claude(&THREE, SHELL);
    bench.config["agents"]["start_timeout"] = json!("120 s");
    bench.cast(json!({"id": "dev-b", "family": "dev", "backend": acp::backend()}));
    let to_dev_a = json!([{"when": {"kind": "TaskAssignment", "task": "assign_work"}, "do": [{"assign": {"note": "dev-a"}}]}]);
    let play = json!({"role": "orchestrator", "extends": "good/orchestrator", "on": to_dev_a});
    bench.play("orchestrator", "orchestrator", &play);
    bench.task("note").dev_models(&dev(&note("note")));
    let model = bench.serve_models();
    bench.start().finish();
    bench.assert_nobody_left();
    bench.assert_ledger_verifies();
    let records = bench.records();
    once(&bench, &records);
    assert!(records.refusals().is_empty(), "{}", records.lines());
    assert!(records.pushes("note").iter().all(|p| p.by.as_str() == "dev-a"), "{}", records.lines());
    let signed = |e: &&foureyes_protocol::Envelope| {
        matches!(e.body, Body::SignOffApproval(_)) && e.from.as_str() == "dev-b"
    };
    assert!(records.of("note").iter().any(signed), "{}", records.lines());
    // Each by its own program.
    let system = |role: &str| {
        let asked = model.asked();
        let own = asked.iter().find(|a| a.role == role && a.body.to_string().contains("inbox"));
        own.map(|a| a.body["system"].to_string()).unwrap_or_default()
    };
    assert!(system("dev-a").contains("Claude Code") && !system("dev-b").contains("Claude Code"));
}

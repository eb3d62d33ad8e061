//! Plays of devs whose texts a test gives.

use serde_json::{Map, Value, json};

/// Files and their texts.
pub type Files<'a> = &'a [(&'a str, &'a str)];

/// Steps that commit these files on the feature's branch and push.
pub fn push(message: &str, files: Files<'_>) -> Vec<Value> {
    let files: Map<String, Value> =
        files.iter().map(|(path, text)| ((*path).to_owned(), json!(text))).collect();
    vec![json!({"branch": {}}), json!({"write": files}), json!({"commit": message}), json!({"push": {}})]
}

/// The rule for the envelope that assigns `feature`.
pub fn assigned(feature: &str, steps: Vec<Value>) -> Value {
    json!({"when": {"kind": "TaskAssignment", "task": "implement", "feature": feature}, "do": steps})
}

/// The rule for a verdict on `feature`.
pub fn verdict(feature: &str, gate: &str, outcome: &str, steps: Vec<Value>) -> Value {
    json!({"when": {"kind": "GateVerdict", "gate": gate, "outcome": outcome, "feature": feature}, "do": steps})
}

/// A dev who follows these rules and else reviews what others do.
pub fn dev(rules: &[Value]) -> Value {
    json!({"role": "dev", "extends": "good/reviewer", "on": rules})
}

/// The two rules of honest work: tests first, then code.
pub fn honest(feature: &str, tests: Files<'_>, code: Files<'_>) -> Vec<Value> {
    vec![
        assigned(feature, push(&format!("test: {feature}"), tests)),
        verdict(feature, "RED", "passed", push(&format!("feat: {feature}"), code)),
    ]
}

/// Honest work on a shell feature: a script that wants `<feature>.txt`, and that file.
pub fn note(feature: &str) -> Vec<Value> {
    let (test, file) = (format!("tests/{feature}.sh"), format!("{feature}.txt"));
    let wants = format!("grep -q done {file}\n");
    honest(feature, &[(&test, &wants)], &[(&file, "done\n")])
}

/// A planner who gives these specs.
pub fn planner(specs: &Value) -> Value {
    json!({"role": "planner", "extends": "good/planner", "specs": specs, "on": []})
}

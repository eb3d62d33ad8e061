//! Plays as text: what is accepted, and how mistakes are told.

use super::super::play::{Play, Step};
use foureyes_config::builtin;

#[test]
fn every_built_in_play_is_one() {
    for name in builtin::play_names() {
        let play = Play::parse(builtin::play(name).unwrap(), name).unwrap_or_else(|e| panic!("{e}"));
        let last = play.on.last().unwrap_or_else(|| panic!("{name} has no rule"));
        assert!(last.when.kind.is_none() && last.steps.is_empty(), "{name} does not end with the rest");
    }
}

#[test]
fn own_rules_come_before_those_that_are_extended() {
    let text = "extends: slow/qa\npace: 5 ms\non: [{when: {from: user}, do: [{say: hello}]}]";
    let play = Play::parse(text, "mine.yaml").unwrap();
    assert_eq!(play.pace.map(|p| p.as_ms()), Some(5));
    assert_eq!(play.role.as_deref(), Some("qa"));
    assert!(matches!(play.on[0].steps[..], [Step::Say(_)]));
    assert!(play.on.len() > 2);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let plays = [
        "on:\n  - when: {kind: TaskAssignment}\n    do:\n      - dance: {}\n",
        "on:\n  - when: {kind: TaskAssignmnt}\n    do: []\n",
        "on:\n  - when: {gate: green}\n    do: []\n",
        "on:\n  - when: {}\n    do: []\n    then: []\n",
        "rules: []\n",
        "on:\n  - when: {code: P-NONE}\n    do: []\n",
        "on:\n  - when: {}\n    do: [{push: {force: true}}]\n",
        "on:\n  - when: {}\n    do: [{pause: 3}]\n",
        "on:\n  - when: {}\n    do: [{misbehave: steal}]\n",
        "on: [{when: {}, do: [}\n",
        "extends: good/nobody\n",
        "on: [{when: {}, do: [{copy: {a.rs: missing}}]}]\n",
        "on: [{when: {}, do: [{once: {name: 'a b', do: []}}]}]\n",
        "on: [{when: {}, do: [{expect: {refused: P-MAIN, of: {run: []}}}]}]\n",
        "on: []\nfaults:\n  - {request: 1, status: 200}\n",
        "on: []\nfaults:\n  - {request: 1, cut: true, status: 500}\n",
        "on: []\nfaults:\n  - {request: 1}\n",
        "on: []\nfaults:\n  - {request: 1, times: 0, cut: true}\n",
        "on: []\nfaults:\n  - {request: 1, cut: true, retry_after: 1 s}\n",
        "on: []\nfaults:\n  - {request: 1, drop: true}\n",
        "on: []\nobeys: everybody\n",
    ];
    let told: Vec<String> =
        plays.iter().map(|p| Play::parse(p, "play.yaml").unwrap_err().to_string()).collect();
    insta::assert_snapshot!(told.join("\n"));
}

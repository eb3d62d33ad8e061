//! Who speaks is the socket's role: no argument, meta field or first line changes it.

use crate::testing::{Rig, role};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::io::{Read, Write};

#[test]
fn a_sender_cannot_be_named() {
    let rig = Rig::new("dev-a");
    for field in ["from", "sender", "role", "channel", "principal"] {
        let refused =
            rig.client().call("send", json!({"to": "qa-a", "text": "t", field: "dev-b"})).unwrap_err();
        assert_eq!(refused.code, "BAD-CALL", "{field}");
    }
    rig.client().call("send", json!({"to": "qa-a", "text": "from: dev-b"})).unwrap();
    assert_eq!(rig.core.last().0, role("dev-a"));
}

#[test]
fn the_other_services_are_handed_the_socket_s_role() {
    let rig = Rig::new("dev-a");
    let cases = [
        ("GIT1 git-receive-pack repo.git\n", "git for dev-a: GIT1 git-receive-pack repo.git"),
        ("SIGN1\n", "sign for dev-a: SIGN1"),
        ("VERIFY1\n", "sign for dev-a: VERIFY1"),
    ];
    for (line, expected) in cases {
        let mut stream = rig.stream();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
}

#[test]
fn keys_make_a_repeated_call_the_same_call() {
    let rig = Rig::new("dev-a");
    let mut client = rig.client();
    let message = json!({"to": "qa-a", "text": "t"});
    let first = client.call_once("send", message.clone(), "toolu_1").unwrap();
    assert_eq!(client.call_once("send", message.clone(), "toolu_1").unwrap(), first);
    let by_hand = json!({"to": "qa-a", "text": "t", "idempotency_key": "toolu_1"});
    assert_eq!(client.call_once("send", by_hand, "toolu_2").unwrap(), first);
    assert_eq!(rig.core.state().submitted.len(), 1);
    assert_ne!(client.call("send", message).unwrap(), first);
    for wrong in [json!(1), json!("x".repeat(201))] {
        let call = json!({"to": "qa-a", "text": "t", "idempotency_key": wrong});
        assert_eq!(client.call("send", call).unwrap_err().code, "BAD-CALL");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("dev-b")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

#[test]
fn no_arguments_speak_for_another_role_or_break_the_session() {
    let rig = Rig::with_feature("dev-a");
    let mut client = rig.client();
    let names: Vec<_> = crate::tools::all().map(|t| t.name).filter(|n| *n != "wait").collect();
    let fields = ["to", "text", "feature", "from", "request", "paths", "message", "findings"];
    let arguments = prop::collection::vec((prop::sample::select(fields.to_vec()), any_json()), 0..5);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let rig_client = std::cell::RefCell::new(&mut client);
    let done = runner.run(&(prop::sample::select(names), arguments), |(name, fields)| {
        let arguments: Map<_, _> = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        if let Err(refused) = rig_client.borrow_mut().call(name, Value::Object(arguments)) {
            prop_assert_ne!(refused.code, "UNREACHABLE");
        }
        Ok(())
    });
    done.unwrap();
    assert!(rig.core.state().submitted.iter().all(|(from, _)| *from == role("dev-a")));
}

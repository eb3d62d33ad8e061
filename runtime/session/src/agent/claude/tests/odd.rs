//! Lines that no CLI should write, and answers that no runtime should give.

use super::*;
use crate::agent::claude::asks::MAX_ASKS;
use proptest::prelude::*;

fn answer(claude: &mut Claude, ask: &str, payload: &str) -> Value {
    lines(&claude.answer(ask, payload).unwrap())[0]["response"].clone()
}

#[test]
fn answers_that_are_none_refuse() {
    let permission = json!({ "type": "control_request", "request_id": "q", "request": {
        "subtype": "can_use_tool", "tool_name": "Bash", "input": { "command": "ls" } } });
    let call = mcp("q", &json!({ "method": "tools/call", "id": "c7" }));
    let denied = |response: &Value| response["hookSpecificOutput"]["permissionDecision"] == "deny";
    type Good<'a> = &'a dyn Fn(&Value) -> bool;
    let cases: [(Value, &str, Good); 15] = [
        (hook("q", "PreToolUse", "t"), "{}", &|r| *r == json!({})),
        (hook("q", "PreToolUse", "t"), r#"{"a":1}"#, &|r| *r == json!({ "a": 1 })),
        (hook("q", "PreToolUse", "t"), "yes", &denied),
        (hook("q", "PreToolUse", "t"), "", &denied),
        (hook("q", "PreToolUse", "t"), "null", &denied),
        (hook("q", "Stop", "t"), "null", &|r| *r == json!({})),
        (permission.clone(), r#"{"behavior":"allow"}"#, &|r| r["updatedInput"] == json!({ "command": "ls" })),
        (permission.clone(), r#"{"behavior":"deny","message":"no"}"#, &|r| r["message"] == "no"),
        (permission.clone(), r#"{"behavior":"maybe"}"#, &|r| r["behavior"] == "deny"),
        (permission, "[]", &|r| r["behavior"] == "deny"),
        (call.clone(), r#"{"id":1,"result":{}}"#, &|r| r["mcp_response"]["id"] == "c7"),
        (call.clone(), r#"{"error":{"code":1,"message":"m"}}"#, &|r| r["mcp_response"]["error"]["code"] == 1),
        (call.clone(), r#"{"result":{},"error":{}}"#, &|r| r["mcp_response"]["error"]["code"] == -32603),
        (call.clone(), "null", &|r| r["mcp_response"]["error"]["code"] == -32603),
        (call, "{", &|r| r["mcp_response"]["error"]["code"] == -32603),
    ];
    for (question, payload, good) in cases {
        let mut claude = working();
        let steps = feed(&mut claude, &question);
        assert_eq!(asked(&steps), ["q"]);
        let response = answer(&mut claude, "q", payload);
        assert_eq!((&response["subtype"], &response["request_id"]), (&json!("success"), &json!("q")));
        assert!(good(&response["response"]), "{question} answered {payload} by {response}");
        assert_eq!(claude.answer("q", payload), None, "once");
    }
}

#[test]
fn the_question_passes_as_it_came() {
    let mut claude = working();
    let question = hook("q5", "PreToolUse", "t1");
    let steps = feed(&mut claude, &question);
    let Some(AgentEvent::Asked(ask)) = events(&steps).last().copied() else { panic!("{steps:?}") };
    assert_eq!(ask.kind, "hook_callback");
    assert_eq!(serde_json::from_str::<Value>(&ask.payload).unwrap(), question["request"]);
}

#[test]
fn what_is_cancelled_or_unknown_is_not_answered() {
    let mut claude = working();
    feed(&mut claude, &hook("q5", "PreToolUse", "t1"));
    assert_eq!(claude.answer("q6", "{}"), None);
    feed(&mut claude, &json!({ "type": "control_cancel_request", "request_id": "q5" }));
    assert_eq!(claude.answer("q5", "{}"), None);
    let strange = json!({ "type": "control_request", "request_id": "q8", "request": { "subtype": "dance" } });
    let steps = feed(&mut claude, &strange);
    let [Step::Reply(reply)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(lines(reply)[0]["response"]["subtype"], "error");
}

#[test]
fn questions_tools_and_prompts_are_bounded() {
    let mut claude = working();
    for n in 0..MAX_ASKS {
        assert_eq!(
            asked(&feed(&mut claude, &hook(&format!("q{n}"), "PreToolUse", &format!("t{n}")))).len(),
            1
        );
    }
    let steps = feed(&mut claude, &hook("more", "PreToolUse", "t"));
    let [Step::Event(AgentEvent::Protocol(_)), Step::Reply(reply)] = &steps[..] else { panic!("{steps:?}") };
    let output = &lines(reply)[0]["response"]["response"]["hookSpecificOutput"];
    assert_eq!(output["permissionDecision"], "deny");
    let long = "q".repeat(1000);
    assert!(matches!(
        &feed(&mut claude, &hook(&long, "Stop", ""))[..],
        [Step::Event(AgentEvent::Protocol(_))]
    ));
    for n in 0..1000 {
        claude.prompt(&prompt(n, "x")).unwrap();
        let use_ = json!({ "type": "tool_use", "id": format!("u{n}"), "name": "Bash", "input": {} });
        feed(&mut claude, &json!({ "type": "assistant", "message": { "content": [use_] } }));
    }
    assert!(claude.memory().len() < 64_000);
}

#[test]
fn signs_of_life_and_trouble() {
    let mut claude = working();
    let ping = claude.ping().unwrap();
    let id = lines(&ping)[0]["request_id"].as_str().unwrap().to_owned();
    assert_eq!(events(&feed(&mut claude, &response(&id, &json!({})))), [&AgentEvent::Pong]);
    let retry = json!({ "type": "system", "subtype": "api_retry", "error_status": 529, "retry_delay_ms": 576,
        "error": "over\x1b[31mloaded", "attempt": 1, "max_retries": 2 });
    let steps = feed(&mut claude, &retry);
    let trouble =
        AgentEvent::ApiTrouble { status: Some(529), retry_in_ms: Some(576), what: "overloaded".into() };
    assert_eq!(events(&steps), [&trouble]);
    let boundary = json!({ "type": "system", "subtype": "compact_boundary",
        "compact_metadata": { "trigger": "auto", "pre_tokens": 155_000 } });
    let steps = feed(&mut claude, &boundary);
    let [Step::Print(shown)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(shown[0].text(), "━━ conversation compacted (auto), 155.0k tokens before it");
}

#[test]
fn what_is_no_record_is_told() {
    let mut claude = working();
    for line in ["hello", "[1]", "{", "\u{fffd}", "null", "\"x\""] {
        assert!(matches!(&claude.on_line(line)[..], [Step::Event(AgentEvent::Protocol(_))]), "{line}");
    }
    for line in ["{}", r#"{"type":"news"}"#, r#"{"type":1}"#, r#"{"type":"system"}"#] {
        assert_eq!(claude.on_line(line), [], "{line}");
    }
}

/// JSON with the CLI's own words in it, in any shape.
fn odd_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "type",
        "subtype",
        "request",
        "request_id",
        "response",
        "control_request",
        "control_response",
        "control_cancel_request",
        "system",
        "init",
        "assistant",
        "user",
        "result",
        "message",
        "content",
        "tool_use",
        "tool_result",
        "tool_use_id",
        "id",
        "name",
        "input",
        "hook_callback",
        "mcp_message",
        "can_use_tool",
        "PreToolUse",
        "hook_event_name",
        "isReplay",
        "uuid",
        "usage",
        "session_state_changed",
        "state",
        "idle",
        "running",
        "rt-initialize",
        "rt-connected",
        "mcpServers",
        "status",
        "api_retry",
        "text",
        "is_error",
        "success",
        "api_error_status",
        "total_cost_usd",
        "permission_denials",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(words.clone(), inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_line_is_too_odd(records in prop::collection::vec(odd_json(), 1..12), noise in ".{0,40}") {
        for mut claude in [claude(launch().order()), ready(), working()] {
            for record in &records {
                let mut record = record.clone();
                for step in feed(&mut claude, &record) {
                    if let Step::Reply(line) = step {
                        prop_assert!(serde_json::from_str::<Value>(&line).is_ok() && !line.contains('\n'));
                    }
                }
                if let Some(fields) = record.as_object_mut() {
                    for kind in ["assistant", "user", "result", "system", "control_request"] {
                        fields.insert("type".into(), kind.into());
                        claude.on_line(&Value::from(fields.clone()).to_string());
                    }
                }
                if let Some(written) = claude.answer("id", &noise) {
                    lines(&written);
                }
            }
            claude.on_line(&noise);
        }
    }
}

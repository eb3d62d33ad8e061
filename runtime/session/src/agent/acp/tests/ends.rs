use super::*;
use foureyes_ports::{
    backend::{AgentState, TurnEnd},
    model::ModelTrouble,
};

fn in_turn() -> Talk {
    let mut talk = Talk::ready(order());
    talk.prompt(1);
    talk
}

#[test]
fn reasons_to_stop() {
    let cases = [
        ("end_turn", Some(TurnEnd::Done), ""),
        ("cancelled", Some(TurnEnd::Interrupted), ""),
        ("max_tokens", None, "max_tokens"),
        ("max_turn_requests", None, "max_turn_requests"),
        ("refusal", None, "refusal"),
        ("of_tomorrow", None, "not known"),
    ];
    for (reason, expected, words) in cases {
        let end = report(in_turn().answer(json!({ "stopReason": reason }))).expect("the turn ended").end;
        match expected {
            Some(expected) => assert_eq!(end, expected, "{reason}"),
            None => assert!(matches!(&end, TurnEnd::GaveUp(why) if why.contains(words)), "{reason}: {end:?}"),
        }
    }
}

/// Some agents call a turn done that they were told to leave off: what it was about must be taken up
/// again. Of one that was done before it heard of that nothing is left, and no turn follows.
#[test]
fn a_turn_that_was_interrupted_is_not_done() {
    for reason in ["end_turn", "cancelled"] {
        let mut talk = in_turn();
        talk.acp.interrupt().expect("a turn to leave off");
        let end = report(talk.answer(json!({ "stopReason": reason }))).expect("the turn ended").end;
        assert_eq!(end, TurnEnd::Interrupted, "{reason}");
    }
}

#[test]
fn errors_are_typed_by_what_they_tell() {
    let limited = ModelTrouble::RateLimited { until: None };
    let said = |message: &str| json!({ "code": -32603, "message": message });
    let data = |message: &str, data: Value| json!({ "code": -32603, "message": message, "data": data });
    let cases = [
        (json!({ "code": -32000, "message": "Log in" }), ModelTrouble::Auth("Log in".into())),
        (said("API Error: 401 invalid"), ModelTrouble::Auth("API Error: 401 invalid".into())),
        (
            said("Internal error: invalid x-api-key"),
            ModelTrouble::Auth("Internal error: invalid x-api-key".into()),
        ),
        (said("HTTP 429"), limited.clone()),
        (said("This request would exceed your account's rate limit"), limited.clone()),
        (data("Internal error", json!({ "details": "Rate limit" })), limited.clone()),
        (data("x", json!({ "status": 429 })), limited.clone()),
        (data("x", json!({ "error": { "statusCode": 429 } })), limited),
        (said("Internal error: Overloaded"), ModelTrouble::Overloaded),
        (data("x", json!({ "status": 529 })), ModelTrouble::Overloaded),
        (said("503 Service Unavailable"), ModelTrouble::Server(503)),
        (said("prompt is too long: 210000 tokens"), ModelTrouble::TooLong),
        (data("prompt is too long", json!({ "status": 400 })), ModelTrouble::TooLong),
        (data("bad", json!({ "status": 400 })), ModelTrouble::Refused(400, "bad".into())),
        (said("Unable to connect"), ModelTrouble::Network("Unable to connect".into())),
        (said("getaddrinfo EAI_AGAIN"), ModelTrouble::Network("getaddrinfo EAI_AGAIN".into())),
    ];
    for (error, trouble) in cases {
        let end = report(in_turn().refuse(error.clone())).expect("the turn ended").end;
        assert_eq!(end, TurnEnd::Failed(trouble), "{error}");
    }
    for error in [said("out of cheese"), json!({ "code": 7 }), json!("what?"), data("", json!([1]))] {
        let end = report(in_turn().refuse(error.clone())).expect("the turn ended").end;
        assert!(matches!(end, TurnEnd::GaveUp(_)), "{error}: {end:?}");
    }
}

#[test]
fn an_error_after_an_interrupt_is_its_effect() {
    let mut talk = in_turn();
    talk.acp.interrupt().unwrap();
    let steps = talk.refuse(json!({ "code": -32603, "message": "AbortError: socket closed" }));
    assert_eq!(report(steps).unwrap().end, TurnEnd::Interrupted);
}

#[test]
fn tools_end_with_their_turn() {
    let mut talk = in_turn();
    let call = |id: &str, status: &str| json!({ "sessionUpdate": "tool_call", "toolCallId": id, "title": format!("tool {id}"), "status": status });
    let update = |id: &str, status: &str| json!({ "sessionUpdate": "tool_call_update", "toolCallId": id, "status": status });
    let tool = |id: &str, running| AgentEvent::Tool { call: id.into(), name: format!("tool {id}"), running };
    talk.update(said("x"));
    assert_eq!(events(talk.update(call("a", "pending"))), [tool("a", true)]);
    assert_eq!(events(talk.update(update("a", "in_progress"))), []);
    assert_eq!(events(talk.update(call("b", "in_progress"))), [tool("b", true)]);
    assert_eq!(events(talk.update(update("a", "completed"))), [tool("a", false)]);
    assert_eq!(events(talk.update(update("a", "completed"))), []);
    assert_eq!(events(talk.update(call("c", "failed"))), [], "it was never told to run");
    let told = events(talk.answer(json!({ "stopReason": "end_turn" })));
    let [first, AgentEvent::TurnEnded(_), last] = &told[..] else { panic!("{told:?}") };
    assert_eq!((first, last), (&tool("b", false), &AgentEvent::State(AgentState::Idle)));
    assert_eq!(events(talk.update(call("d", "in_progress"))), [], "out of a turn nothing runs");
}

#[test]
fn what_was_used_is_told_and_money_of_an_earlier_life_is_not() {
    let usage = json!({ "inputTokens": 10, "outputTokens": 7, "totalTokens": 22, "cachedReadTokens": 5 });
    let cost = |amount: f64, currency: &str| {
        let cost = json!({ "amount": amount, "currency": currency });
        json!({ "sessionUpdate": "usage_update", "used": 10, "size": 1000, "cost": cost })
    };
    let mut talk = in_turn();
    assert_eq!(talk.update(cost(0.25, "USD")), [], "what was used says nothing about who saw what");
    talk.update(cost(9.0, "EUR"));
    let told = report(talk.answer(json!({ "stopReason": "end_turn", "usage": usage }))).unwrap();
    assert_eq!((told.input_tokens, told.output_tokens, told.cost_microusd), (15, 7, 250_000));
    assert_eq!(told.prompt, Some(prompt(1).id));

    let mut talk = Talk::new(AcpOrder { resume: Some("s1".into()), ..order() });
    talk.answer(initialized(json!({ "loadSession": true })));
    talk.answer(json!({}));
    for (n, amount, expected) in [(1, 5.0, 0), (2, 5.5, 500_000)] {
        talk.prompt(n);
        talk.update(cost(amount, "USD"));
        let told = report(talk.answer(json!({ "stopReason": "end_turn" }))).unwrap();
        assert_eq!(told.cost_microusd, expected);
    }
}

use super::*;
use foureyes_ports::backend::{AgentState, DeliverError};

const IDLE: AgentEvent = AgentEvent::State(AgentState::Idle);

#[test]
fn an_agent_is_greeted_and_given_the_runtimes_server_and_nothing_else() {
    let mut talk = Talk::new(order());
    assert_eq!(talk.newest["method"], "initialize");
    assert_eq!(talk.newest["params"]["protocolVersion"], 1);
    let capabilities = &talk.newest["params"]["clientCapabilities"];
    assert_eq!(capabilities["fs"], json!({ "readTextFile": false, "writeTextFile": false }));
    assert_eq!(capabilities["terminal"], false);
    assert!(matches!(talk.acp.prompt(&prompt(1)), Err(DeliverError::NotReady(_))));
    let steps = talk.answer(initialized(json!({})));
    assert!(steps.contains(&Step::Show("━━ Helper 1.0".into())));
    assert_eq!(talk.newest["method"], "session/new");
    let server = json!({ "name": "rt", "command": "/rt/bin/agents-mcp", "args": [], "env": [] });
    assert_eq!(talk.newest["params"], json!({ "cwd": "/work", "mcpServers": [server] }));
    assert!(matches!(talk.acp.prompt(&prompt(1)), Err(DeliverError::NotReady(_))));
    assert_eq!(events(talk.answer(json!({ "sessionId": "s1" }))), [IDLE]);
    assert!(talk.acp.reports_turns() && talk.acp.ping().is_none());
}

#[test]
fn instructions_stand_before_the_first_prompt_of_a_new_conversation() {
    let mut talk = Talk::ready(order());
    let texts = |request: &Value| {
        let blocks = request["params"]["prompt"].as_array().unwrap().clone();
        blocks.iter().map(|b| b["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&talk.prompt(1)), ["You are dev-a.", "Task 1\nwith details"]);
    assert!(matches!(talk.acp.prompt(&prompt(2)), Err(DeliverError::NotReady(_))), "one at a time");
    // It never worked on the prompt: whether it has the instructions is not known.
    talk.refuse(json!({ "code": -32603, "message": "no route to host" }));
    assert_eq!(texts(&talk.prompt(2)), ["You are dev-a.", "Task 2\nwith details"]);
    let seen = events(talk.update(said("I see")));
    let busy = AgentEvent::State(AgentState::Busy);
    let kept = AgentEvent::Conversation("s1".into());
    assert_eq!(seen, [AgentEvent::Seen(prompt(2).id), busy, kept]);
    assert_eq!(events(talk.update(said(" you\n"))), []);
    talk.answer(json!({ "stopReason": "end_turn" }));
    assert_eq!(texts(&talk.prompt(3)), ["Task 3\nwith details"]);
}

#[test]
fn a_conversation_is_named_only_where_it_can_be_taken_up() {
    let mut talk = Talk::new(order());
    talk.answer(initialized(json!({})));
    talk.answer(json!({ "sessionId": "s1" }));
    talk.prompt(1);
    let told = events(talk.answer(json!({ "stopReason": "end_turn" })));
    assert!(told.contains(&AgentEvent::Seen(prompt(1).id)), "the answer tells that it was seen");
    assert!(!told.iter().any(|event| matches!(event, AgentEvent::Conversation(_))));
}

#[test]
fn a_conversation_is_taken_up_in_the_best_way_there_is() {
    let cases = [
        (json!({ "loadSession": true, "sessionCapabilities": { "resume": {} } }), "session/resume"),
        (json!({ "loadSession": true }), "session/load"),
        (json!({}), "session/new"),
    ];
    for (capabilities, method) in cases {
        let mut talk = Talk::new(AcpOrder { resume: Some("s1".into()), ..order() });
        let steps = talk.answer(initialized(capabilities));
        assert_eq!(talk.newest["method"], method);
        let forgot = events(steps).iter().any(|event| matches!(event, AgentEvent::Forgot(_)));
        assert_eq!(forgot, method == "session/new");
        if forgot {
            continue;
        }
        assert_eq!(talk.newest["params"]["sessionId"], "s1");
        assert_eq!(talk.update(said("what was\n")), [], "a repetition is no news");
        assert_eq!(events(talk.answer(json!({}))), [IDLE]);
        assert_eq!(
            talk.prompt(1)["params"]["prompt"].as_array().unwrap().len(),
            1,
            "it has its instructions"
        );
    }
}

#[test]
fn a_lost_conversation_is_told_and_a_new_one_begins() {
    let mut talk = Talk::new(AcpOrder { resume: Some("s0".into()), ..order() });
    talk.answer(initialized(json!({ "loadSession": true })));
    let steps = talk.refuse(json!({ "code": -32602, "message": "no such session" }));
    assert_eq!(events(steps), [AgentEvent::Forgot("no such session".into())]);
    assert_eq!(talk.newest["method"], "session/new");
    talk.answer(json!({ "sessionId": "s1" }));
    assert_eq!(talk.prompt(1)["params"]["prompt"].as_array().unwrap().len(), 2);
}

#[test]
fn who_is_not_what_was_ordered_is_unfit() {
    let new = |talk: &mut Talk| drop(talk.answer(initialized(json!({}))));
    type Case = (&'static str, Box<dyn Fn(&mut Talk) -> Vec<Step>>);
    let cases: Vec<Case> = vec![
        ("argv", Box::new(|talk| talk.answer(json!({ "hello": 1 })))),
        ("version 7", Box::new(|talk| talk.answer(json!({ "protocolVersion": 7 })))),
        ("initialised: no", Box::new(|talk| talk.refuse(json!({ "code": 1, "message": "no" })))),
        (
            "`env`",
            Box::new(move |talk| {
                new(talk);
                talk.refuse(json!({ "code": -32000, "message": "Authentication required" }))
            }),
        ),
        (
            "no session: disk full",
            Box::new(move |talk| {
                new(talk);
                talk.refuse(json!({ "code": -32603, "message": "Internal error", "data": { "details": "no session: disk full" } }))
            }),
        ),
        (
            "without an id",
            Box::new(move |talk| {
                new(talk);
                talk.answer(json!({ "session": 7 }))
            }),
        ),
    ];
    for (words, play) in cases {
        let mut talk = Talk::new(order());
        let why = unfit(play(&mut talk)).unwrap_or_else(|| panic!("unfit: {words}"));
        assert!(why.contains(words), "{why:?} says {words:?}");
        assert!(matches!(talk.acp.prompt(&prompt(1)), Err(DeliverError::NotReady(_))));
        assert_eq!(talk.answer(json!({ "sessionId": "s1" })), [], "nothing mends it");
    }
}

fn options(current: &str) -> Value {
    let values = ["x/small", "x/large", "y/large"].map(|value| json!({ "value": value, "name": value }));
    json!({ "configOptions": [
        { "id": "mode", "name": "Mode", "category": "mode", "type": "select", "currentValue": "a", "options": [] },
        { "id": "m", "name": "Model", "category": "model", "type": "select", "currentValue": current,
          "options": values },
    ]})
}

fn older(current: &str) -> Value {
    let models = ["small", "large"].map(|id| json!({ "modelId": id, "name": id }));
    json!({ "models": { "currentModelId": current, "availableModels": models } })
}

/// What happens when a model is ordered and the session is made like this.
fn ordered(model: &str, made: Value) -> (Talk, Vec<Step>) {
    let mut talk = Talk::new(AcpOrder { model: Some(model.into()), ..order() });
    talk.answer(initialized(json!({})));
    let mut made = made;
    made["sessionId"] = "s1".into();
    let steps = talk.answer(made);
    (talk, steps)
}

#[test]
fn the_model_is_chosen_where_it_is_ordered() {
    let by_option = json!({ "sessionId": "s1", "configId": "m", "value": "x/small" });
    let by_list = json!({ "sessionId": "s1", "modelId": "small" });
    let cases = [
        ("x/small", options("x/small"), None),
        ("x/small", options("y/large"), Some(("session/set_config_option", by_option.clone()))),
        ("small", options("y/large"), Some(("session/set_config_option", by_option))),
        ("small", older("small"), None),
        ("small", older("large"), Some(("session/set_model", by_list))),
    ];
    for (model, made, expected) in cases {
        let (mut talk, steps) = ordered(model, made);
        let Some((method, params)) = expected else {
            assert_eq!(events(steps), [IDLE], "{model} is there");
            continue;
        };
        assert_eq!(events(steps), []);
        assert_eq!((&talk.newest["method"], &talk.newest["params"]), (&json!(method), &params));
        assert_eq!(events(talk.answer(json!({}))), [IDLE]);
    }
}

#[test]
fn a_model_that_cannot_be_had_is_told_with_those_that_can() {
    let offered = "it offers x/small, x/large, y/large";
    let cases = [
        ("huge", options("x/small"), offered),
        ("large", options("x/small"), offered),
        ("mall", options("x/small"), offered),
        ("small", json!({}), "no choice of models"),
        ("huge", older("small"), "it offers small, large"),
    ];
    for (model, made, words) in cases {
        let why = unfit(ordered(model, made).1).unwrap_or_else(|| panic!("{model} cannot be had"));
        assert!(why.contains(words), "{why}");
    }
    let (mut talk, _) = ordered("x/small", options("x/large"));
    assert!(unfit(talk.answer(options("x/large"))).is_some_and(|why| why.contains("kept another model")));
    let (mut talk, _) = ordered("x/small", options("x/large"));
    assert!(unfit(talk.refuse(json!({ "code": -32602, "message": "model not found" }))).is_some());
}

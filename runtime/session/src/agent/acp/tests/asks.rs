use super::*;
use foureyes_ports::backend::AgentState;

fn question(id: &Value, kinds: &[&str]) -> Value {
    let options: Vec<Value> = kinds
        .iter()
        .map(|kind| json!({ "optionId": format!("o-{kind}"), "name": kind, "kind": kind }))
        .collect();
    let call = json!({ "toolCallId": "t1", "title": "hello.txt", "kind": "edit", "rawInput": { "a": 1 } });
    let params = json!({ "sessionId": "s1", "toolCall": call, "options": options });
    json!({ "jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": params })
}

const ALL: &[&str] = &["allow_always", "allow_once", "reject_always", "reject_once"];

fn in_turn() -> Talk {
    let mut talk = Talk::ready(order());
    talk.prompt(1);
    talk
}

#[test]
fn a_question_passes_whole_with_the_name_of_its_tool() {
    let mut talk = in_turn();
    talk.update(
        json!({ "sessionUpdate": "tool_call", "toolCallId": "t1", "title": "write", "status": "pending" }),
    );
    let told = events(talk.tell(question(&json!(0), ALL)));
    let [AgentEvent::State(AgentState::WaitingPermission), AgentEvent::Asked(ask)] = &told[..] else {
        panic!("it waits and asks: {told:?}");
    };
    assert_eq!((ask.id.as_str(), ask.kind.as_str()), ("0", REQUEST_PERMISSION));
    let payload: Value = serde_json::from_str(&ask.payload).unwrap();
    assert_eq!(payload["tool"], "write");
    assert_eq!(payload["toolCall"]["title"], "hello.txt");
    assert_eq!(payload["toolCall"]["rawInput"], json!({ "a": 1 }));
    assert_eq!(payload["options"].as_array().unwrap().len(), 4);
    assert!(talk.acp.answer("0", r#"{"allow":true}"#).is_some());
    assert!(talk.acp.answer("0", r#"{"allow":true}"#).is_none(), "a question is answered once");
    let after = events(talk.update(said("Done")));
    assert_eq!(after, [AgentEvent::State(AgentState::Busy)]);
}

#[test]
fn only_what_holds_once_is_chosen_and_everything_unclear_refuses() {
    let selected = |option: &str| json!({ "outcome": "selected", "optionId": option });
    let cancelled = json!({ "outcome": "cancelled" });
    let cases = [
        (ALL, r#"{"allow":true}"#, selected("o-allow_once")),
        (ALL, r#"{"allow":false}"#, selected("o-reject_once")),
        (ALL, r#"{"allow":"true"}"#, selected("o-reject_once")),
        (ALL, r#"{"allow":1}"#, selected("o-reject_once")),
        (ALL, r#"{"behavior":"allow"}"#, selected("o-reject_once")),
        (ALL, "true", selected("o-reject_once")),
        (ALL, "no JSON", selected("o-reject_once")),
        (ALL, "", selected("o-reject_once")),
        (&["allow_always", "reject_once"][..], r#"{"allow":true}"#, cancelled.clone()),
        (&["allow_once", "reject_always"][..], r#"{"allow":false}"#, cancelled.clone()),
        (&[][..], r#"{"allow":true}"#, cancelled),
    ];
    for (kinds, payload, outcome) in cases {
        let mut talk = in_turn();
        talk.tell(question(&json!("q-7"), kinds));
        let line = talk.acp.answer("\"q-7\"", payload).expect("it was asked");
        let line: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({ "jsonrpc": "2.0", "id": "q-7", "result": { "outcome": outcome } });
        assert_eq!(line, expected, "{payload} of {kinds:?}");
    }
}

/// What a message is answered with at once, and whether anybody is asked.
fn at_once(talk: &mut Talk, message: Value) -> (Vec<Value>, bool) {
    let steps = talk.tell(message);
    let asked = steps.iter().any(|step| matches!(step, Step::Event(AgentEvent::Asked(_))));
    (replies(&steps), asked)
}

#[test]
fn questions_out_of_place_are_refused_at_once() {
    let refusal =
        |id: i64| json!({ "jsonrpc": "2.0", "id": id, "result": { "outcome": { "outcome": "cancelled" } } });
    let mut idle = Talk::ready(order());
    assert_eq!(at_once(&mut idle, question(&json!(1), ALL)), (vec![refusal(1)], false), "without a turn");
    let mut talk = in_turn();
    let mut other = question(&json!(2), ALL);
    other["params"]["sessionId"] = "s2".into();
    assert_eq!(at_once(&mut talk, other), (vec![refusal(2)], false), "of another session");
    assert!(at_once(&mut talk, question(&json!(3), ALL)).1);
    assert_eq!(at_once(&mut talk, question(&json!(3), ALL)), (vec![refusal(3)], false), "the same again");
    for id in 4..67 {
        assert!(at_once(&mut talk, question(&json!(id), ALL)).1, "question {id}");
    }
    assert_eq!(at_once(&mut talk, question(&json!(67), ALL)), (vec![refusal(67)], false), "too many");
    let mut broken = question(&json!(68), ALL);
    broken["params"]["toolCall"] = json!("t1");
    let (answers, asked) = at_once(&mut talk, broken);
    assert_eq!((answers[0]["error"]["code"].as_i64(), asked), (Some(-32602), false), "no question at all");
}

#[test]
fn an_interrupt_closes_what_is_asked() {
    let mut talk = in_turn();
    talk.tell(question(&json!(5), ALL));
    let lines = talk.acp.interrupt().unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": "s1" } })
    );
    assert_eq!(lines[1]["id"], 5);
    assert_eq!(lines[1]["result"]["outcome"]["outcome"], "cancelled");
    assert!(talk.acp.answer("5", r#"{"allow":true}"#).is_none());
    assert!(!at_once(&mut talk, question(&json!(6), ALL)).1, "nothing is asked in a turn that ends");
    talk.answer(json!({ "stopReason": "cancelled" }));
    assert!(talk.acp.interrupt().is_none(), "there is nothing to leave off");
}

#[test]
fn what_we_do_not_offer_is_refused_and_news_is_left_out() {
    let mut talk = in_turn();
    for method in ["fs/read_text_file", "fs/write_text_file", "terminal/create", "elicitation/create", "x"] {
        let message =
            json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": { "path": "/etc/passwd" } });
        let (answers, asked) = at_once(&mut talk, message);
        assert_eq!((answers[0]["error"]["code"].as_i64(), asked), (Some(-32601), false), "{method}");
        assert_eq!(answers[0]["id"], "a");
    }
    let left_out = [
        json!({ "jsonrpc": "2.0", "method": "news", "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "update": 7 } }),
        json!({ "jsonrpc": "2.0", "id": 4711, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": "rt", "error": {} }),
    ];
    for message in left_out {
        assert_eq!(talk.tell(message.clone()), [], "{message}");
    }
    assert_eq!(talk.update(json!({ "sessionUpdate": "of_tomorrow" })), []);
    for line in ["hello", "[1]", "{", "7", r#"{"id":{}}"#, "{}", "\u{fffd}"] {
        let steps = talk.acp.on_line(line);
        assert!(matches!(&steps[..], [Step::Event(AgentEvent::Protocol(_))]), "{line}: {steps:?}");
    }
}

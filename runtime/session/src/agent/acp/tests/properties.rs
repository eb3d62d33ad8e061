use super::*;
use proptest::prelude::*;

/// Messages that mean something, to be cut and changed.
fn known() -> Vec<String> {
    let update = |update: Value| json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "sessionId": "s1", "update": update } });
    let call =
        json!({ "toolCallId": "t1", "title": "write", "status": "pending", "rawInput": { "path": "a" } });
    let mut began = call.clone();
    began["sessionUpdate"] = "tool_call".into();
    let options = json!([{ "optionId": "o", "name": "n", "kind": "allow_once" }]);
    let ask = json!({ "sessionId": "s1", "toolCall": call, "options": options });
    let mut lines = vec![
        update(said("hello\n")),
        update(began),
        update(json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed" })),
        update(json!({ "sessionUpdate": "plan", "entries": [] })),
        json!({ "jsonrpc": "2.0", "id": 0, "method": "session/request_permission", "params": ask }),
        json!({ "jsonrpc": "2.0", "id": 9, "method": "fs/read_text_file", "params": {} }),
    ];
    for id in 1..6 {
        for result in [
            initialized(json!({ "loadSession": true })),
            json!({ "sessionId": "s1" }),
            json!({ "stopReason": "end_turn" }),
        ] {
            lines.push(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
        }
        lines.push(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": "429" } }));
    }
    lines.iter().map(Value::to_string).collect()
}

#[derive(Clone, Debug)]
enum Act {
    Line(String),
    Prompt,
    Answer(String),
    Interrupt,
}

fn act() -> impl Strategy<Value = Act> {
    let lines = known();
    prop_oneof![
        6 => proptest::sample::select(lines.clone()).prop_map(Act::Line),
        2 => (proptest::sample::select(lines), any::<proptest::sample::Index>(), ".{0,8}").prop_map(|(mut line, at, new)| {
            let mut at = at.index(line.len());
            while !line.is_char_boundary(at) {
                at -= 1;
            }
            line.replace_range(at.., &new);
            Act::Line(line)
        }),
        1 => ".{0,80}".prop_map(Act::Line),
        2 => Just(Act::Prompt),
        1 => "(0|\"q\"|.{0,5})".prop_map(Act::Answer),
        1 => Just(Act::Interrupt),
    ]
}

proptest! {
    #[test]
    fn whatever_an_agent_says_every_turn_ends_once_and_every_tool_with_it(
        acts in proptest::collection::vec(act(), 0..60),
        resume in any::<bool>(),
        begun in proptest::bool::weighted(0.8),
    ) {
        let mut acp = Acp::new(AcpOrder { resume: resume.then(|| "s1".into()), ..order() });
        acp.greeting();
        if begun {
            acp.on_line(&json!({ "id": 1, "result": initialized(json!({ "loadSession": true })) }).to_string());
            acp.on_line(&json!({ "id": 2, "result": { "sessionId": "s1" } }).to_string());
        }
        let (mut n, mut open, mut running) = (0, None, std::collections::BTreeSet::new());
        for act in acts {
            let mut lines = Vec::new();
            match act {
                Act::Prompt => {
                    n += 1;
                    if let Ok(line) = acp.prompt(&prompt(n)) {
                        prop_assert!(open.is_none(), "one prompt at a time");
                        open = Some(prompt(n).id);
                        lines.push(line);
                    }
                }
                Act::Answer(ask) => lines.extend(acp.answer(&ask, r#"{"allow":true}"#)),
                Act::Interrupt => lines.extend(acp.interrupt()),
                Act::Line(line) => {
                    for step in acp.on_line(&line) {
                        match step {
                            Step::Reply(line) => lines.push(line),
                            Step::Event(AgentEvent::TurnEnded(report)) => {
                                prop_assert_eq!(report.prompt, open.take(), "of the turn in flight");
                                prop_assert!(running.is_empty());
                            }
                            Step::Event(AgentEvent::Tool { call, running: true, .. }) => {
                                prop_assert!(open.is_some() && running.insert(call));
                            }
                            Step::Event(AgentEvent::Tool { call, .. }) => prop_assert!(running.remove(&call)),
                            Step::Event(AgentEvent::Seen(id)) => prop_assert_eq!(Some(id), open),
                            Step::Event(AgentEvent::Unfit(_)) => open = None,
                            _ => {}
                        }
                    }
                }
            }
            for line in lines.iter().flat_map(|line| line.lines()) {
                prop_assert!(serde_json::from_str::<Value>(line).is_ok_and(|value| value["jsonrpc"] == "2.0"));
            }
        }
    }
}

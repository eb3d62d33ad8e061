use super::*;

fn shown(steps: Vec<Step>, text: &mut String) {
    for step in steps {
        if let Step::Show(lines) = step {
            text.push_str(&lines);
            text.push('\n');
        }
    }
}

fn call(id: &str, title: &str, status: &str, input: Value) -> Value {
    json!({ "sessionUpdate": "tool_call", "toolCallId": id, "title": title, "status": status, "rawInput": input })
}

fn update(id: &str, status: &str, more: Value) -> Value {
    let mut update = json!({ "sessionUpdate": "tool_call_update", "toolCallId": id, "status": status });
    for (key, value) in more.as_object().unwrap() {
        update[key] = value.clone();
    }
    update
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "content", "content": { "type": "text", "text": text } }] })
}

/// A turn of many kinds of news.
fn news() -> Vec<Value> {
    let thought = |text: &str| json!({ "sessionUpdate": "agent_thought_chunk", "content": { "type": "text", "text": text } });
    let diff = json!({ "content": [{ "type": "diff", "path": "/work/a.rs", "oldText": "x\n", "newText": "y\nz\n" }] });
    let entry =
        |content: &str, status: &str| json!({ "content": content, "priority": "high", "status": status });
    vec![
        thought("What is asked?\nA file.\nAnd a test.\nAnd more.\n"),
        said("I write"),
        said(" it.\nThen I"),
        said(" test."),
        json!({ "sessionUpdate": "plan", "entries": [entry("write", "in_progress"), entry("test", "pending")] }),
        call("t1", "write", "pending", json!({})),
        update("t1", "in_progress", json!({ "title": "write", "rawInput": { "filePath": "/work/a.rs" } })),
        update("t1", "completed", diff),
        call("t2", "`cargo test`", "pending", json!({ "command": "cargo test" })),
        update("t2", "completed", text("1\n2\n3\n4\n5\n6")),
        call("t3", "rt_inbox", "in_progress", json!({ "max": 3 })),
        update("t3", "completed", json!({})),
        call("t4", "rm -rf /", "pending", json!({ "command": "rm -rf /" })),
        update("t4", "failed", text("The user rejected permission to use this tool.")),
        json!({ "sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": { "amount": 0.0123, "currency": "USD" } }),
        said("Done."),
    ]
}

#[test]
fn a_turn_reads_well() {
    let mut talk = Talk::ready(order());
    let mut text = String::new();
    talk.prompt(1);
    for update in news() {
        shown(talk.update(update), &mut text);
    }
    let usage = json!({ "inputTokens": 1200, "outputTokens": 34, "totalTokens": 1234 });
    shown(talk.answer(json!({ "stopReason": "end_turn", "usage": usage })), &mut text);
    insta::assert_snapshot!(text);
}

#[test]
fn text_without_line_ends_is_shown_in_pieces() {
    let mut talk = Talk::ready(order());
    talk.prompt(1);
    let (mut text, piece) = (String::new(), "word ".repeat(100));
    for _ in 0..100 {
        shown(talk.update(said(&piece)), &mut text);
    }
    assert!(text.lines().count() > 8 && text.lines().all(|line| line.len() <= 4600));
}

#[test]
fn of_complaints_people_see_what_is_about_them() {
    let mut talk = Talk::ready(order());
    talk.tell(json!({ "jsonrpc": "2.0", "id": 1, "method": "fs/write_text_file", "params": {} }));
    let noise = [
        "RequestError: Method not found",
        " code: -32601,",
        " data: \"fs/write_text_file\",",
        "12 | import{WD as f}from\"x\";",
        "      at receive (/$bunfs/root/chunk.js:4:5657)",
    ];
    for line in noise {
        assert_eq!(talk.acp.complaint(line), None, "{line}");
    }
    let long = "x".repeat(2000);
    for line in ["error: no such file", "a | b", "attention", &long] {
        assert!(
            talk.acp
                .complaint(line)
                .is_some_and(|shown| line.starts_with(shown.trim_end_matches('…')) && shown.len() < 400),
            "{line}"
        );
    }
}

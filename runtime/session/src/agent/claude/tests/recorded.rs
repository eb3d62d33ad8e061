//! A whole session of the real CLI.

use super::*;

const SESSION: &str = include_str!("session.jsonl");

/// Plays the recorded session, with the answers that it was recorded with.
fn played() -> Vec<Step> {
    let mut claude = claude(launch().order());
    let mut steps = Vec::new();
    // What was written when it waited; the third prompt ended the turn of the second.
    let mut prompts = [&[1][..], &[2, 3], &[4], &[6]].into_iter();
    for line in SESSION.lines() {
        for step in claude.on_line(line) {
            if let Step::Event(AgentEvent::Asked(ask)) = &step {
                let payload = if ask.kind == "mcp_message" { r#"{"result":{}}"# } else { "{}" };
                assert!(claude.answer(&ask.id, payload).is_some(), "{ask:?}");
            }
            if matches!(&step, Step::Event(AgentEvent::State(AgentState::Idle))) {
                for n in prompts.next().into_iter().flatten() {
                    claude.prompt(&prompt(*n, "p")).unwrap();
                }
            }
            steps.push(step);
        }
    }
    steps
}

#[test]
fn its_events() {
    let steps = played();
    let told: Vec<String> = events(&steps)
        .into_iter()
        .map(|event| match event {
            AgentEvent::Asked(ask) => format!("Asked {} {}", ask.id, ask.kind),
            AgentEvent::Seen(id) => format!("Seen {id}"),
            AgentEvent::Tool { call, name, running } => {
                format!("Tool {call} {name} {}", if *running { "runs" } else { "ended" })
            }
            other => format!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!("recorded_events", told.join("\n"));
}

#[test]
fn what_people_see() {
    let steps = played();
    let shown: Vec<String> = steps
        .iter()
        .filter_map(|step| if let Step::Print(lines) = step { Some(lines) } else { None })
        .flatten()
        .map(|line| line.paint().replace('\x1b', "␛"))
        .collect();
    insta::assert_snapshot!("recorded_screen", shown.join("\n"));
}

#[test]
fn nobodys_text_colours_or_moves_anything() {
    let evil = "\x1b[2J\x1b]52;c;eA==\x07\u{202e}x\r\u{9b}1m\u{0}";
    let mut claude = working();
    let blocks = json!([
        { "type": "text", "text": evil }, { "type": "thinking", "thinking": evil },
        { "type": "tool_use", "id": "t1", "name": evil, "input": { "command": evil, evil: evil } },
        { "type": "tool_use", "id": "t2", "name": "Bash", "input": { "command": evil } },
        { "type": "tool_use", "id": "t3", "name": "Write", "input": { "file_path": evil } },
        { "type": "tool_use", "id": "t4", "name": "Grep", "input": { "path": evil, "pattern": evil } },
    ]);
    let results = json!([
        { "type": "tool_result", "tool_use_id": "t1", "content": evil, "is_error": true },
        { "type": "tool_result", "tool_use_id": "t2", "content": [{ "type": "text", "text": evil }] },
    ]);
    let mut steps = feed(&mut claude, &json!({ "type": "assistant", "message": { "content": blocks } }));
    steps.extend(feed(&mut claude, &json!({ "type": "user", "message": { "content": results } })));
    steps.extend(feed(&mut claude, &json!({ "type": "system", "subtype": "api_retry", "error": evil })));
    let result = json!({ "type": "result", "subtype": evil, "is_error": true, "result": evil });
    steps.extend(feed(&mut claude, &result));
    let shown: Vec<String> = steps
        .iter()
        .filter_map(|step| if let Step::Print(lines) = step { Some(lines) } else { None })
        .flatten()
        .map(|line| line.paint())
        .collect();
    assert!(shown.len() >= 8, "{shown:#?}");
    for line in shown {
        let mut rest = line.as_str();
        for sgr in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m"] {
            rest = Box::leak(rest.replace(sgr, "").into_boxed_str());
        }
        assert!(rest.chars().all(foureyes_ports::text::is_safe), "{line:?}");
    }
}

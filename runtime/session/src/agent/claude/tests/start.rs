//! From the command line to the first question.

use super::*;

#[test]
fn the_command_line() {
    let mut dev = launch();
    dev.extra_args = vec!["--effort".into(), "high".into()];
    insta::assert_snapshot!("argv_dev", dev.argv().join("\n"));
    let mut planner = ClaudeLaunch { model: None, prompt_file: None, ..launch() };
    planner.tools = tools_of(Family::Planner).iter().map(|tool| (*tool).to_owned()).collect();
    planner.session.resume = true;
    insta::assert_snapshot!("argv_planner_resumed", planner.argv().join("\n"));
    let environment = dev.environment("http://127.0.0.1:9999/a/dev-a", "token", "/home/agent/.claude");
    let lines: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!("environment", lines.join("\n"));
}

#[test]
fn only_those_who_work_on_files_have_a_shell() {
    for family in Family::ROLES {
        let shell = matches!(family, Family::Dev | Family::Qa | Family::Docs);
        for tool in ["Bash", "Write", "Edit"] {
            assert_eq!(tools_of(family).contains(&tool), shell, "{tool} for {family}");
        }
        assert!(tools_of(family).contains(&"Read"));
    }
}

#[test]
fn the_greeting_announces_server_and_hooks() {
    let mut claude = Claude::new(launch().order(), Arc::new(FakeClock::at(NOW)));
    let greeting = claude.greeting();
    let request = &lines(&greeting[0])[0]["request"];
    assert_eq!(request["subtype"], "initialize");
    assert_eq!(request["sdkMcpServers"], json!(["rt"]));
    let pre = json!([{ "matcher": "*", "hookCallbackIds": ["PreToolUse"], "timeout": 600 }]);
    assert_eq!(request["hooks"]["PreToolUse"], pre);
}

#[test]
fn it_is_idle_when_initialised_and_connected_and_not_before() {
    let mut claude = claude(launch().order());
    let not_ready = |claude: &mut Claude| {
        let refused = claude.prompt(&prompt(1, "go"));
        assert!(matches!(refused, Err(DeliverError::NotReady(_))), "{refused:?}");
    };
    not_ready(&mut claude);
    assert_eq!(asked(&feed(&mut claude, &mcp("q1", &json!({ "method": "initialize", "id": 0 })))), ["q1"]);
    assert_eq!(
        feed(&mut claude, &response("rt-initialize", &json!({ "claude_code_version": "2.1.330" }))),
        [],
        "the runtime owes an answer"
    );
    not_ready(&mut claude);
    let answer = claude.answer("q1", r#"{"jsonrpc":"2.0","id":0,"result":{"a":1}}"#).unwrap();
    let answer = lines(&answer);
    let expected = json!({ "jsonrpc": "2.0", "id": 0, "result": { "a": 1 } });
    assert_eq!(answer[0]["response"]["response"]["mcp_response"], expected);
    assert_eq!(answer[1]["request"]["subtype"], "mcp_status");
    assert_eq!(feed(&mut claude, &servers("connected")), [], "its tools were not listed yet");
    let note = mcp("q2", &json!({ "method": "notifications/initialized" }));
    assert_eq!(asked(&feed(&mut claude, &note)), ["q2"]);
    let answer = lines(&claude.answer("q2", "null").unwrap());
    let expected = json!({ "jsonrpc": "2.0", "id": 0, "result": {} });
    assert_eq!(answer[0]["response"]["response"]["mcp_response"], expected);
    feed(&mut claude, &servers("pending"));
    feed(&mut claude, &mcp("q3", &json!({ "method": "tools/list", "id": 1 })));
    claude.answer("q3", r#"{"result":{"tools":[]}}"#).unwrap();
    let again = feed(&mut claude, &servers("pending"));
    assert!(matches!(&again[..], [Step::Reply(_)]), "it is asked again");
    let idle = feed(&mut claude, &servers("connected"));
    assert_eq!(events(&idle), [&AgentEvent::State(AgentState::Idle)]);
    assert_eq!(feed(&mut claude, &servers("connected")), [], "told once");
    claude.prompt(&prompt(1, "go")).unwrap();
}

#[test]
fn an_old_cli_is_idle_before_it_connects_and_is_proved_by_its_init() {
    let old = || {
        let mut claude = claude(launch().order());
        let steps = feed(&mut claude, &response("rt-initialize", &json!({ "commands": [] })));
        assert_eq!(events(&steps), [&AgentEvent::State(AgentState::Idle)]);
        claude.prompt(&prompt(1, "go")).unwrap();
        claude
    };
    let mut claude = old();
    assert_eq!(asked(&feed(&mut claude, &mcp("q1", &json!({ "method": "tools/list", "id": 1 })))), ["q1"]);
    assert_eq!(claude.answer("q1", r#"{"result":{}}"#).unwrap().lines().count(), 1);
    assert_eq!(asked(&feed(&mut claude, &hook("q2", "PreToolUse", "t1"))), [""; 0], "not proved yet");
    assert_eq!(asked(&feed(&mut claude, &init())), ["q2"]);
    let mut alone = init();
    alone["mcp_servers"] = json!([]);
    assert!(unfit(&feed(&mut old(), &alone)).contains("not connected"));
}

fn unfit(steps: &[Step]) -> String {
    let [Step::Reply(stop), Step::Print(_), Step::Event(AgentEvent::Unfit(why))] = steps else {
        panic!("it should be unfit: {steps:?}");
    };
    assert_eq!(lines(stop)[0]["request"]["subtype"], "interrupt", "the turn in flight is ended");
    why.clone()
}

#[test]
fn what_is_not_as_ordered_is_unfit() {
    let cases = [
        ("model", json!("claude-haiku-5"), "its model is \"claude-haiku-5\" and not \"sonnet\""),
        ("permissionMode", json!("bypassPermissions"), "its permission mode is \"bypassPermissions\""),
        ("session_id", json!("x"), "it works in the conversation \"x\""),
        ("tools", json!(["Read", "Edit", "Write", "Grep", "mcp__rt__send"]), "it has no tool Bash, Glob"),
        ("tools", json!(tools_of(Family::Dev)), "it does not list the runtime's own tools"),
        ("tools", json!("Bash"), "it has no tool Bash"),
        ("mcp_servers", json!([{ "name": "rt", "status": "failed" }]), "status failed"),
        ("mcp_servers", json!([]), "status unknown"),
    ];
    for (field, value, why) in cases {
        let mut claude = ready();
        claude.prompt(&prompt(1, "go")).unwrap();
        let mut shown = init();
        shown[field] = value;
        let said = unfit(&feed(&mut claude, &shown));
        assert!(said.contains(why), "{field}: {said}");
        assert_eq!(feed(&mut claude, &shown), [], "told once");
        assert_eq!(asked(&feed(&mut claude, &hook("q9", "PreToolUse", "t1"))), [""; 0]);
        assert_eq!(claude.answer("q9", "{}"), None);
        assert!(matches!(claude.prompt(&prompt(2, "go")), Err(DeliverError::NotReady(_))));
        assert!(events(&feed(&mut claude, &replay(1))).is_empty(), "nothing counts as seen");
    }
}

#[test]
fn a_refused_greeting_and_a_dead_connection_are_unfit() {
    let mut claude = claude(launch().order());
    let refused = json!({ "type": "control_response",
        "response": { "subtype": "error", "request_id": "rt-initialize", "error": "no" } });
    assert!(unfit(&feed(&mut claude, &refused)).contains("refused to be initialised: no"));
    let mut claude = super::claude(launch().order());
    feed(&mut claude, &response("rt-initialize", &json!({ "claude_code_version": "2.1.330" })));
    assert!(unfit(&feed(&mut claude, &servers("failed"))).contains("status failed"));
}

#[test]
fn a_connection_that_never_comes_is_unfit_in_the_end() {
    let mut claude = claude(launch().order());
    feed(&mut claude, &mcp("q1", &json!({ "method": "tools/list", "id": 1 })));
    feed(&mut claude, &response("rt-initialize", &json!({ "claude_code_version": "2.1.330" })));
    claude.answer("q1", r#"{"result":{}}"#).unwrap();
    let looks = (0..10_000).take_while(|_| feed(&mut claude, &servers("pending")).len() == 1).count();
    assert!((100..10_000).contains(&looks), "after {looks} looks");
}

#[test]
fn questions_wait_for_the_proof() {
    let mut claude = ready();
    claude.prompt(&prompt(1, "go")).unwrap();
    assert_eq!(feed(&mut claude, &hook("q5", "PreToolUse", "t1")), []);
    assert_eq!(feed(&mut claude, &mcp("q6", &json!({ "method": "tools/call", "id": 4 }))), []);
    assert_eq!(feed(&mut claude, &hook("q7", "PreToolUse", "t2")), []);
    assert_eq!(claude.answer("q5", "{}"), None, "held back");
    feed(&mut claude, &json!({ "type": "control_cancel_request", "request_id": "q7" }));
    let steps = feed(&mut claude, &init());
    assert_eq!(asked(&steps), ["q5", "q6"]);
    let tool = AgentEvent::Tool { call: "t1".into(), name: "Bash".into(), running: true };
    assert_eq!(events(&steps)[0], &tool, "the tool is told with its question");
    assert!(claude.answer("q5", "{}").is_some());
    assert_eq!(claude.answer("q7", "{}"), None, "cancelled");
}

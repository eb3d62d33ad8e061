//! The real Claude Code CLI in its real sandbox, spoken to through the port alone, with a loopback
//! stub for its model. Fails where bubblewrap or the CLI is missing.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

mod api;
mod stage;

use api::{Reply, text, tool};
use foureyes_ports::{
    backend::{AgentEvent, AgentState, DeliverError, ExitCause, Grace, TurnEnd, TurnReport},
    model::ModelTrouble,
};
use foureyes_protocol::Family;
use foureyes_session::agent::claude::PROVED;
use serde_json::json;
use stage::{Agent, Stage, id, running, until_true};
use std::time::{Duration, Instant};

/// A command that lasts, by a mark that no other test has.
fn lasting(mark: u32) -> (String, serde_json::Value) {
    let mark = format!("{}", 10_000_000 + u64::from(std::process::id()) * 10 + u64::from(mark));
    let command =
        tool("Bash", json!({ "command": format!("tail -n {mark} -f /dev/null"), "description": "wait" }));
    (format!("tail\0-n\0{mark}"), command)
}

fn bash(command: &str) -> serde_json::Value {
    tool("Bash", json!({ "command": command, "description": "do" }))
}

async fn turn_end(agent: &mut Agent) -> TurnReport {
    match agent.until("the end of the turn", |event| matches!(event, AgentEvent::TurnEnded(_))).await {
        AgentEvent::TurnEnded(report) => report,
        other => panic!("{other:?}"),
    }
}

async fn idle(agent: &mut Agent) {
    let idle = |event: &AgentEvent| *event == AgentEvent::State(AgentState::Idle);
    agent.until("it is idle", idle).await;
}

fn tools(agent: &Agent) -> Vec<(String, bool)> {
    let all = agent.log.iter();
    all.filter_map(|event| match event {
        AgentEvent::Tool { name, running, .. } => Some((name.clone(), *running)),
        _ => None,
    })
    .collect()
}

#[test]
fn the_installed_cli_is_a_proved_one() {
    assert_eq!(stage::version().remark(), None);
}

#[tokio::test]
async fn turns_with_tools_hooks_and_messages() {
    let stage = Stage::new(1).await;
    std::fs::write(stage.work().join("notes.txt"), "UNASKED").unwrap();
    std::fs::write(stage.work().join("CLAUDE.md"), "UNTRUSTED").unwrap();
    stage.plays(vec![
        vec![text("I send."), tool("mcp__rt__send", json!({ "to": "qa-1" }))],
        vec![bash("echo made > made.txt; echo a result")],
        vec![text("All is done.")],
    ]);
    let mut agent = stage.start(&stage.launch(Family::Dev, false)).await;
    assert!(agent.session.reports_turns());
    let early = agent.deliver(1, "too early", false).await;
    assert!(matches!(early, Err(DeliverError::NotReady(_))), "{early:?}");
    idle(&mut agent).await;
    assert_eq!(stage.api.requests().len(), 0, "no model is asked before the first prompt");

    agent.deliver(1, "/help, and see @notes.txt", false).await.unwrap();
    let report = turn_end(&mut agent).await;
    assert_eq!((report.prompt, &report.end), (Some(id(1)), &TurnEnd::Done));
    assert_eq!((report.input_tokens, report.output_tokens), (300, 21), "three requests");
    assert!(report.cost_microusd > 0);
    let seen = AgentEvent::Seen(id(1));
    assert_eq!(agent.log.iter().filter(|event| **event == seen).count(), 1);
    assert_eq!(agent.calls, ["send"], "the runtime's tool was called over the pipe");
    let used = [("mcp__rt__send", true), ("mcp__rt__send", false), ("Bash", true), ("Bash", false)];
    assert_eq!(tools(&agent), used.map(|(name, running)| (name.to_owned(), running)));
    assert_eq!(std::fs::read_to_string(stage.work().join("made.txt")).unwrap(), "made\n");
    let first = stage.api.requests()[0].to_string();
    assert!(first.contains("/help, and see @notes.txt"), "no command of the CLI");
    assert!(first.contains("the prompt of the role"), "the role's prompt is there");
    for foreign in ["UNTRUSTED", "Co-Authored-By"] {
        assert!(!first.contains(foreign), "{foreign} is in the request");
    }
    // The first proved version cannot be kept from reading what a prompt mentions.
    if stage::version() > *PROVED.start() {
        assert!(!first.contains("UNASKED"), "a mention was followed");
    }
    let shown = agent.session.transcript(100);
    for line in ["━━ turn 1 ━ /help, and see", "● send", "● Bash  echo made", "⎿ a result", "── done in"]
    {
        assert!(shown.contains(line), "no {line:?} in:\n{shown}");
    }

    idle(&mut agent).await;
    agent.session.ping().await.unwrap();
    agent.until("a sign of life", |event| *event == AgentEvent::Pong).await;
    stage.plays(vec![vec![text("Again.")]]);
    agent.deliver(2, "once more", false).await.unwrap();
    assert_eq!(turn_end(&mut agent).await.prompt, Some(id(2)));
    idle(&mut agent).await;
    let transcript = stage.transcript();
    until_true("the transcript has the prompts", || {
        transcript.was_seen(id(1)).unwrap() && transcript.was_seen(id(2)).unwrap()
    })
    .await;
    assert!(!transcript.was_seen(id(3)).unwrap());
    let asked = Instant::now();
    assert_eq!(agent.session.stop(Grace::default()).await, ExitCause::Requested);
    assert!(asked.elapsed() < Grace::default().quit, "it left by itself when its input ended");
}

#[tokio::test]
async fn a_hook_forbids() {
    let stage = Stage::new(2).await;
    stage.plays(vec![vec![bash("touch forbidden")], vec![text("I may not.")]]);
    let mut agent = stage.start(&stage.launch(Family::Dev, false)).await;
    agent.forbid = Some("RULE-7: ask the architect".to_owned());
    idle(&mut agent).await;
    agent.deliver(1, "go", false).await.unwrap();
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Done);
    assert!(!stage.work().join("forbidden").exists());
    assert!(stage.api.requests()[1].to_string().contains("RULE-7"), "the model is told why");
    let shown = agent.session.transcript(50);
    assert!(shown.lines().any(|line| line.contains("✗") && line.contains("RULE-7")), "{shown}");
    assert_eq!(tools(&agent), [("Bash".to_owned(), true), ("Bash".to_owned(), false)]);
}

#[tokio::test]
async fn what_is_no_answer_forbids_as_well() {
    let stage = Stage::new(3).await;
    stage.plays(vec![vec![bash("touch forbidden")], vec![text("I may not.")]]);
    let mut agent = stage.start(&stage.launch(Family::Dev, false)).await;
    agent.babble = true;
    idle(&mut agent).await;
    agent.deliver(1, "go", false).await.unwrap();
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Done);
    assert!(!stage.work().join("forbidden").exists());
}

#[tokio::test]
async fn a_family_without_a_shell_has_none() {
    let stage = Stage::new(4).await;
    let write = tool("Write", json!({ "file_path": "/work/forbidden", "content": "x" }));
    stage.plays(vec![vec![bash("touch forbidden"), write], vec![text("I cannot.")]]);
    let mut agent = stage.start(&stage.launch(Family::Planner, false)).await;
    idle(&mut agent).await;
    agent.deliver(1, "go", false).await.unwrap();
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Done);
    assert!(!stage.work().join("forbidden").exists());
    assert!(stage.api.requests()[1].to_string().contains("No such tool available"));
}

#[tokio::test]
async fn interrupts_and_urgent_prompts_end_a_running_tool() {
    let stage = Stage::new(5).await;
    let (mark, command) = lasting(5);
    stage.plays(vec![vec![command]]);
    let mut agent = stage.start(&stage.launch(Family::Dev, false)).await;
    idle(&mut agent).await;
    agent.deliver(1, "wait", false).await.unwrap();
    until_true_while(&mut agent, || running(&mark)).await;
    agent.session.interrupt().await.unwrap();
    let asked = Instant::now();
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Interrupted);
    assert!(asked.elapsed() < Duration::from_secs(10), "after {:?}", asked.elapsed());
    until_true("the tool is gone", || !running(&mark)).await;
    idle(&mut agent).await;

    agent.deliver(2, "wait again", false).await.unwrap();
    until_true_while(&mut agent, || running(&mark)).await;
    stage.plays(vec![vec![text("At once.")]]);
    agent.deliver(3, "CRITICAL", true).await.unwrap();
    let ended = turn_end(&mut agent).await;
    assert_eq!((ended.prompt, ended.end), (Some(id(2)), TurnEnd::Interrupted));
    let urgent = turn_end(&mut agent).await;
    assert_eq!((urgent.prompt, urgent.end), (Some(id(3)), TurnEnd::Done));
    until_true("the tool is gone", || !running(&mark)).await;
}

/// Waits while the agent's questions are answered.
async fn until_true_while(agent: &mut Agent, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "the tool runs; told so far: {:#?}", agent.log);
        agent.serve_for(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_killed_cli_is_resumed_with_its_conversation() {
    let stage = Stage::new(6).await;
    let (mark, command) = lasting(6);
    stage.plays(vec![vec![command]]);
    let mut agent = stage.start(&stage.launch(Family::Dev, false)).await;
    idle(&mut agent).await;
    assert!(!stage.transcript().exists());
    agent.deliver(1, "the first words", false).await.unwrap();
    until_true_while(&mut agent, || running(&mark) && stage.transcript().was_seen(id(1)).unwrap()).await;
    let length = stage.transcript().length().unwrap();
    agent.session.kill(ExitCause::Hung);
    assert_eq!(agent.session.stop(Grace::NONE).await, ExitCause::Hung);
    until_true("nothing of it is left", || !running(&mark)).await;
    assert!(stage.transcript().was_seen(id(1)).unwrap());
    assert!(!stage.transcript().was_seen(id(2)).unwrap());

    stage.plays(vec![vec![text("I go on.")]]);
    let launch = stage.launch(Family::Dev, stage.transcript().exists());
    assert!(launch.session.resume);
    let mut agent = stage.start(&launch).await;
    idle(&mut agent).await;
    agent.deliver(2, "the second words", false).await.unwrap();
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Done);
    let last = stage.api.requests().pop().unwrap()["messages"].to_string();
    assert!(last.contains("the first words") && last.contains("the second words"), "{last}");
    until_true("the transcript grows", || stage.transcript().length().unwrap() > length).await;
}

#[tokio::test]
async fn one_that_lacks_a_tool_does_not_work() {
    let stage = Stage::new(7).await;
    stage.plays(vec![vec![bash("touch forbidden")], vec![text("never said")]]);
    let launch = stage.launch(Family::Dev, false);
    let mut order = launch.order();
    order.tools.push("Telepathy".to_owned());
    let mut agent = stage.start_as(&launch, order).await;
    idle(&mut agent).await;
    agent.deliver(1, "go", false).await.unwrap();
    let unfit = agent.until("it is unfit", |event| matches!(event, AgentEvent::Unfit(_))).await;
    assert!(format!("{unfit:?}").contains("it has no tool Telepathy"), "{unfit:?}");
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Interrupted);
    assert!(tools(&agent).is_empty() && !stage.work().join("forbidden").exists());
    let late = agent.deliver(2, "go", false).await;
    assert!(matches!(late, Err(DeliverError::NotReady(_))), "{late:?}");
}

#[tokio::test]
async fn limits_and_failures_are_typed_and_survived() {
    let stage = Stage::new(8).await;
    let mut agent = stage.start(&stage.launch(Family::Dev, false)).await;
    idle(&mut agent).await;
    let until = (stage::now_ms() / 1000 + 7200) * 1000;
    let limit = format!("Claude AI usage limit reached|{}", until / 1000);
    let cases = [
        (429, "rate_limit_error", limit.as_str(), ModelTrouble::RateLimited { until: Some(until) }),
        (529, "overloaded_error", "Overloaded", ModelTrouble::Overloaded),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ModelTrouble::TooLong),
    ];
    for (n, (status, kind, message, trouble)) in (1..).zip(cases) {
        let words = message.to_owned();
        stage.api.play(move |_| Reply::Error(status, kind.to_owned(), words.clone()));
        agent.deliver(n, "go", false).await.unwrap();
        let report = turn_end(&mut agent).await;
        assert_eq!((report.prompt, report.end), (Some(id(n)), TurnEnd::Failed(trouble)));
        idle(&mut agent).await;
    }
    let told = agent.log.iter().any(|e| matches!(e, AgentEvent::ApiTrouble { status: Some(429), .. }));
    assert!(told, "the CLI asks again once, and says so");
    stage.plays(vec![vec![text("Well again.")]]);
    agent.deliver(9, "go on", false).await.unwrap();
    assert_eq!(turn_end(&mut agent).await.end, TurnEnd::Done);
}

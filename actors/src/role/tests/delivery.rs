//! How far a prompt came, and programs that cannot take one.

use super::*;
use foureyes_ports::backend::Ask;

#[actix::test]
async fn written_then_seen_then_acted_on() {
    let w = World::new().await;
    w.tell(&dev(), "one").await;
    let program = w.ready(&dev(), 0).await;
    let prompt = in_time("it is written", program.prompt(0)).await;
    let written = w.role(&dev()).await.delivery;
    assert!(written.written_ms >= written.prompted_ms && written.prompted_ms.is_some(), "{written:?}");
    assert_eq!((written.seen_ms, written.acted_ms), (None, None));
    program.see(prompt.id);
    program.state(AgentState::Busy);
    w.pass(SECOND).await;
    let seen = w.role(&dev()).await.delivery;
    assert!(seen.seen_ms >= seen.written_ms && seen.seen_ms.is_some() && seen.acted_ms.is_none(), "{seen:?}");
    let payload = r#"{"method":"tools/call"}"#.to_owned();
    program.emit(AgentEvent::Asked(Ask { id: "1".into(), kind: "mcp_message".into(), payload }));
    let acted = w.role(&dev()).await.delivery;
    assert!(acted.acted_ms > acted.seen_ms, "{acted:?}");
    assert_eq!(program.answers(), [("1".to_owned(), "\"answer to 1\"".to_owned())]);
}

#[actix::test]
async fn what_arrives_at_the_gateway_was_seen_and_acted_on() {
    let w = World::new().await;
    w.tell(&dev(), "one").await;
    let program = w.ready(&dev(), 0).await;
    in_time("it is written", program.prompt(0)).await;
    program.state(AgentState::Busy);
    w.pass(SECOND).await;
    w.acknowledge_all(&dev()).await;
    let d = w.role(&dev()).await.delivery;
    assert!(d.seen_ms.is_some() && d.acted_ms >= d.seen_ms, "{d:?}");
}

#[actix::test]
async fn seen_is_never_before_written() {
    let w = World::new().await;
    w.launcher.refresh_slowly();
    w.tell(&dev(), "one").await;
    let program = w.ready(&dev(), 0).await;
    // Of an earlier prompt, while the next one is not written yet.
    program.see(foureyes_ports::backend::PromptId(uuid::Uuid::from_u128(7)));
    assert_eq!(w.role(&dev()).await.delivery.seen_ms, None);
    w.launcher.go_on();
    let prompt = in_time("it is written", program.prompt(0)).await;
    program.see(prompt.id);
    let d = w.role(&dev()).await.delivery;
    assert!(d.written_ms.is_some() && d.seen_ms >= d.written_ms, "{d:?}");
}

#[actix::test]
async fn a_taken_over_program_gets_nothing_until_it_is_given_back() {
    use foureyes_ports::backend::AgentSession;
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    program.hold(true);
    w.tell(&dev(), "one").await;
    program.state(AgentState::Busy);
    w.tell_at(&dev(), "at once", Priority::Critical).await;
    w.pass(20 * SECOND).await;
    assert_eq!((program.prompts().len(), program.interrupts()), (0, 0), "a person talks to it");
    end(&program, TurnEnd::Done).await;
    w.pass(10 * MINUTE).await;
    assert_eq!((program.prompts().len(), w.launcher.refreshed()), (0, 0));
    assert_eq!(w.view().idle_turns, 0, "a person's turn is none of them");
    program.hold(false);
    let given_back = w.now();
    let prompt = take(&program, 0).await;
    assert!(w.now() - given_back <= 2 * SECOND);
    assert!(prompt.text.starts_with("2 envelopes wait for you."), "{}", prompt.text);
}

#[actix::test]
async fn a_program_that_is_not_ready_is_told_later_as_if_it_were_the_first_time() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    program.refuse(Some(DeliverError::NotReady("a dialog is open")));
    w.tell(&dev(), "one").await;
    w.pass(10 * SECOND).await;
    assert_eq!((w.role(&dev()).await.turns, program.prompts().len()), (0, 0));
    program.refuse(None);
    let prompt = take(&program, 0).await;
    assert!(prompt.text.starts_with("1 envelope waits for you."), "{}", prompt.text);
    assert_eq!((w.role(&dev()).await.turns, w.view().idle_turns), (1, 0));
}

#[actix::test]
async fn what_a_restarted_program_has_to_know_is_not_lost_by_a_refusal() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    program.exit(ExitCause::Signal(9));
    w.until("it is started again", |w| w.sessions(&dev()).len() == 2).await;
    let next = w.sessions(&dev())[1].clone();
    next.refuse(Some(DeliverError::NotReady("not yet")));
    next.state(AgentState::Idle);
    w.pass(5 * SECOND).await;
    next.refuse(None);
    let prompt = take(&next, 0).await;
    assert!(prompt.text.contains("You were interrupted (killed by signal 9)"), "{}", prompt.text);
}

#[actix::test]
async fn a_program_that_does_not_read_is_replaced() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    program.refuse(Some(DeliverError::Stalled(Duration::from_secs(10))));
    w.launcher.transcript_says(Some(true));
    w.launcher.starts(Start::Resumed);
    w.tell(&dev(), "one").await;
    w.until("it is ended", |_| program.told_to_end().is_some()).await;
    assert_eq!(program.told_to_end(), Some(ExitCause::Hung));
    let next = w.ready(&dev(), 1).await;
    take(&next, 0).await;
    assert_eq!(w.launcher.looked_for().len(), 1, "part of it may have been read: the transcript knows");
}

#[actix::test]
async fn what_is_critical_while_a_prompt_is_on_its_way_is_told_with_it() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    w.launcher.refresh_slowly();
    w.tell(&dev(), "one").await;
    w.tell_at(&dev(), "at once", Priority::Critical).await;
    assert_eq!(program.prompts(), []);
    w.launcher.go_on();
    settle().await;
    w.launcher.go_on();
    let prompt = take(&program, 0).await;
    assert!(prompt.urgent && prompt.text.contains("Critical"), "{}", prompt.text);
    assert_eq!(program.interrupts(), 0, "nothing was under way");
}

#[actix::test]
async fn refused_uses_of_tools_are_records_and_not_without_end() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    for n in 0..40 {
        let ask = Ask { id: n.to_string(), kind: "refused-Write a.rs".into(), payload: "{}".into() };
        program.emit(AgentEvent::Asked(ask));
    }
    w.until("all are answered", |_| program.answers().len() == 40).await;
    w.until("ten are recorded", |w| w.view().refusals == 10).await;
    w.pass(MINUTE).await;
    assert_eq!(w.view().refusals, 10);
    assert!(w.view().quarantined.is_empty(), "a refused tool is no attempt to get around a gate");
}

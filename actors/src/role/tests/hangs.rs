//! Agents that hang in mid-turn, and those that only seem to.

use super::*;
use foureyes_ports::backend::{Ask, Ping};

fn tool(program: &FakeSession, running: bool) {
    program.emit(AgentEvent::Tool { call: "t1".into(), name: "Bash".into(), running });
}

/// How long after `since` the program was told to end, in milliseconds.
async fn ended_after(w: &World, program: &FakeSession, since: u64) -> u64 {
    w.until("it is ended", |_| program.told_to_end().is_some()).await;
    w.now() - since
}

#[actix::test]
async fn who_neither_talks_nor_answers_is_replaced_within_45_seconds() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    program.set_ping(Ping::Ignored);
    let quiet = w.now();
    w.until("it is asked", |_| program.pings() == 1).await;
    assert!((30 * SECOND..32 * SECOND).contains(&(w.now() - quiet)));
    assert!((40 * SECOND..45 * SECOND).contains(&ended_after(&w, &program, quiet).await));
    assert_eq!(program.told_to_end(), Some(ExitCause::Hung));
    let next = w.ready(&dev(), 1).await;
    assert!(take(&next, 0).await.text.contains("hung and was ended"));
}

#[actix::test]
async fn who_hangs_after_it_answered_once_is_found_as_well() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    tool(&program, true);
    w.until("it is asked", |_| program.pings() == 1).await;
    program.set_ping(Ping::Ignored);
    let hung = w.now();
    assert!(ended_after(&w, &program, hung).await < 45 * SECOND);
}

#[actix::test]
async fn a_tool_of_ten_minutes_is_left_alone_while_its_program_answers() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    tool(&program, true);
    w.pass(10 * MINUTE).await;
    assert!(program.lives() && program.interrupts() == 0);
    assert!((15..=20).contains(&program.pings()), "asked again and again: {}", program.pings());
    tool(&program, false);
    end(&program, TurnEnd::Done).await;
    let pings = program.pings();
    w.acknowledge_all(&dev()).await;
    w.pass(10 * MINUTE).await;
    assert_eq!(program.pings(), pings, "and not when it waits");
}

#[actix::test]
async fn who_answers_and_does_nothing_is_interrupted_once_and_told_again() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    let quiet = w.now();
    w.until("it is interrupted", |_| program.interrupts() > 0).await;
    assert!((60 * SECOND..63 * SECOND).contains(&(w.now() - quiet)), "{}", w.now() - quiet);
    w.pass(5 * SECOND).await;
    assert_eq!(program.interrupts(), 1);
    end(&program, TurnEnd::Interrupted).await;
    take(&program, 1).await;
    assert!(program.lives());
}

#[actix::test]
async fn a_request_to_the_model_explains_silence() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    w.proxy(&dev(), ModelEvent::Asked).await;
    w.proxy(&dev(), ModelEvent::Asked).await;
    let used = || ModelEvent::Used(ModelUse::default());
    w.proxy(&dev(), used()).await;
    w.proxy(&dev(), ModelEvent::Ended).await;
    w.pass(10 * MINUTE).await;
    assert_eq!((program.interrupts(), program.lives()), (0, true), "the other one is still under way");
    // One that is cut off is told as failed, then what it used, then that it is over.
    w.proxy(&dev(), ModelEvent::Trouble(ModelTrouble::Silent(Duration::from_secs(90)))).await;
    w.proxy(&dev(), used()).await;
    w.proxy(&dev(), ModelEvent::Ended).await;
    w.proxy(&dev(), ModelEvent::Asked).await;
    w.pass(10 * MINUTE).await;
    assert_eq!(program.interrupts(), 0, "asked again");
    // Given up by its program: nothing else is told of it.
    w.proxy(&dev(), ModelEvent::Ended).await;
    w.until("nothing explains it any more", |_| program.interrupts() == 1).await;
}

#[actix::test]
async fn a_question_that_the_runtime_has_not_answered_explains_silence() {
    let w = World::with(|_, launcher| launcher.answer_late()).await;
    let (program, _) = w.at_work(&dev()).await;
    program.emit(AgentEvent::Asked(Ask { id: "1".into(), kind: "k".into(), payload: "{}".into() }));
    w.pass(10 * MINUTE).await;
    assert_eq!((program.interrupts(), program.lives()), (0, true));
}

#[actix::test]
async fn silence_counts_from_the_beginning_of_the_turn() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    program.set_ping(Ping::Unsupported);
    w.pass(20 * MINUTE).await;
    w.tell(&dev(), "one").await;
    take(&program, 0).await;
    w.pass(25 * SECOND).await;
    assert!(program.lives() && program.pings() == 0, "it has had no time to be quiet");
}

#[actix::test]
async fn a_slow_refresh_of_the_clone_is_no_silence_of_the_agent() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    w.launcher.refresh_slowly();
    w.tell(&dev(), "one").await;
    w.pass(10 * MINUTE).await;
    assert_eq!((program.pings(), program.interrupts(), program.lives()), (0, 0, true));
    w.launcher.go_on();
    take(&program, 0).await;
}

#[actix::test]
async fn a_program_without_the_question_hangs_when_its_transcript_stands_still_too() {
    let w = World::new().await;
    w.launcher.transcript_is(Some(10));
    let (program, _) = w.at_work(&dev()).await;
    program.set_ping(Ping::Unsupported);
    for bytes in 11..17 {
        w.pass(10 * SECOND).await;
        w.launcher.transcript_is(Some(bytes));
    }
    assert!(program.lives(), "it writes");
    let stands = w.now();
    assert!(ended_after(&w, &program, stands).await < 45 * SECOND);
}

#[actix::test]
async fn a_program_without_the_question_may_run_a_tool_for_long() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    program.set_ping(Ping::Unsupported);
    tool(&program, true);
    w.pass(10 * MINUTE).await;
    assert!(program.lives());
    tool(&program, false);
    let quiet = w.now();
    assert!(ended_after(&w, &program, quiet).await < 45 * SECOND);
}

//! Programs that die, that cannot be started, that are not what was ordered.

use super::*;

/// A program that died before it was told to have taken its prompt, and the next one's first prompt.
async fn told_after_a_crash(says: Option<bool>, how: Start) -> (World, Prompt, Prompt) {
    let w = World::new().await;
    w.tell(&dev(), "something to do").await;
    let program = w.ready(&dev(), 0).await;
    let first = in_time("it is written", program.prompt(0)).await;
    settle().await;
    w.launcher.transcript_says(says);
    w.launcher.starts(how);
    program.exit(ExitCause::Signal(9));
    let next = w.ready(&dev(), 1).await;
    let second = take(&next, 0).await;
    w.pass(MINUTE).await;
    assert_eq!(next.prompts().len(), 1);
    (w, first, second)
}

#[actix::test]
async fn a_prompt_that_was_not_seen_is_written_again() {
    let (w, first, second) = told_after_a_crash(Some(false), Start::Resumed).await;
    assert_eq!(second, first);
    assert_eq!(w.launcher.looked_for(), [first.id]);
    assert!(w.role(&dev()).await.delivery.seen_ms.is_some());
}

async fn gone_on_with(says: Option<bool>) {
    let (_, first, second) = told_after_a_crash(says, Start::Resumed).await;
    assert_ne!(second.id, first.id);
    assert!(second.text.contains("You were interrupted (killed by signal 9)"), "{}", second.text);
    assert!(second.text.contains("StatusReport from system"), "what it owes: {}", second.text);
}

#[actix::test]
async fn a_prompt_that_was_seen_is_gone_on_with() {
    gone_on_with(Some(true)).await;
}

#[actix::test]
async fn without_a_transcript_the_prompt_says_that_something_may_be_done_already() {
    gone_on_with(None).await;
}

#[actix::test]
async fn a_conversation_that_knows_nothing_is_told_afresh() {
    let (_, first, second) = told_after_a_crash(Some(false), Start::New).await;
    assert_ne!(second.id, first.id);
}

#[actix::test]
async fn a_loop_of_crashes_backs_off_and_ends_in_degradation() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let mut pauses = Vec::new();
    for number in 0..6 {
        let died = w.now();
        w.ready(&dev(), number).await.exit(ExitCause::Exit(1));
        settle().await;
        if number < 5 {
            w.until("it is back", |w| w.sessions(&dev()).len() == number + 2).await;
            pauses.push(w.now() - died);
        }
    }
    assert!(pauses[0] < 100, "the first time at once: {pauses:?}");
    assert!(pauses[4] > 3 * pauses[1] && pauses[4] < 40 * SECOND, "{pauses:?}");
    w.pass(30 * MINUTE).await;
    assert_eq!(w.role(&dev()).await.state, RoleState::Degraded);
    assert_eq!(w.sessions(&dev()).len(), 6);
    assert_eq!(w.alerts_of("role-degraded").len(), 1);
    w.control(&dev(), Control::Restart).await;
    w.ready(&dev(), 6).await;
    assert_eq!(w.role(&dev()).await.state, RoleState::Idle);
}

#[actix::test]
async fn what_is_not_fit_is_not_started_again() {
    let w = World::new().await;
    w.tell(&dev(), "one").await;
    let program = w.program(&dev()).await;
    program.emit(AgentEvent::Unfit("another model".to_owned()));
    w.pass(20 * MINUTE).await;
    assert_eq!(program.told_to_end(), Some(ExitCause::Unfit("another model".to_owned())));
    assert_eq!((w.sessions(&dev()).len(), program.prompts().len()), (1, 0));
    assert_eq!(w.role(&dev()).await.state, RoleState::Stopped);
    let alerts = w.alerts_of("role-unfit");
    assert!(alerts.len() == 1 && alerts[0].contains("another model"), "{alerts:?}");
    w.tell(&dev(), "two").await;
    w.pass(20 * MINUTE).await;
    assert_eq!(w.sessions(&dev()).len(), 1, "only a person brings it back");
    w.control(&dev(), Control::Restart).await;
    take(&w.ready(&dev(), 1).await, 0).await;
}

#[actix::test]
async fn a_start_that_never_becomes_ready_is_ended() {
    let w = World::new().await;
    w.tell(&dev(), "one").await;
    let program = w.program(&dev()).await;
    let began = w.now();
    w.until("it is ended", |_| program.told_to_end().is_some()).await;
    assert!((30 * SECOND..33 * SECOND).contains(&(w.now() - began)), "{}", w.now() - began);
    assert!(matches!(program.told_to_end(), Some(ExitCause::SpawnFailed(why)) if why.contains("30 s")));
    let next = w.ready(&dev(), 1).await;
    take(&next, 0).await;
}

#[actix::test]
async fn starts_that_fail_poison_no_message_and_end_in_degradation() {
    let w = World::new().await;
    w.launcher.starts(Start::Fails);
    w.tell(&dev(), "innocent").await;
    w.until("it is degraded", |w| w.alerts_of("role-degraded").len() == 1).await;
    w.pass(20 * MINUTE).await;
    assert_eq!(w.launcher.orders(&dev()).len(), 6);
    assert_eq!(w.alerts_of("dead-letter"), Vec::<String>::new());
    assert_eq!(w.core.inbox(&dev(), 9).await.len(), 1);
}

#[actix::test]
async fn programs_that_die_before_they_were_told_anything_poison_no_message() {
    let w = World::new().await;
    w.tell(&dev(), "innocent").await;
    for number in 0..4 {
        w.until("it is started", |w| w.sessions(&dev()).len() > number).await;
        w.sessions(&dev())[number].exit(ExitCause::Exit(1));
        settle().await;
    }
    w.until("it is started", |w| w.sessions(&dev()).len() > 4).await;
    assert_eq!(w.alerts_of("dead-letter"), Vec::<String>::new());
    assert_eq!(w.core.inbox(&dev(), 9).await.len(), 1);
}

#[actix::test]
async fn a_message_at_which_three_programs_died_goes_to_the_dead_letters() {
    let w = World::new().await;
    let poison = w.tell(&dev(), "poison").await;
    for number in 0..3 {
        let program = w.ready(&dev(), number).await;
        take(&program, 0).await;
        program.exit(ExitCause::Signal(11));
        settle().await;
    }
    let alerts = w.alerts_of("dead-letter");
    assert!(alerts.len() == 1 && alerts[0].contains(&poison.to_string()), "{alerts:?}");
    assert_eq!(w.bodies(|b| if let Body::DeadLetter(d) = b { Some(d.message) } else { None }), [poison]);
    assert!(w.core.inbox(&dev(), 9).await.is_empty());
    let program = w.ready(&dev(), 3).await;
    w.pass(20 * MINUTE).await;
    assert_eq!(program.prompts(), []);
}

#[actix::test]
async fn what_a_killed_program_said_does_not_leak_into_the_next() {
    let w = World::new().await;
    let (old, _) = w.at_work(&dev()).await;
    w.control(&dev(), Control::Restart).await;
    let new = w.ready(&dev(), 1).await;
    take(&new, 0).await;
    old.emit(AgentEvent::TurnEnded(Default::default()));
    old.emit(AgentEvent::Unfit("late".to_owned()));
    old.exit(ExitCause::Signal(9));
    w.pass(10 * SECOND).await;
    assert!(new.lives() && w.sessions(&dev()).len() == 2);
    assert_eq!((w.role(&dev()).await.state, new.prompts().len()), (RoleState::Busy, 1));
}

#[actix::test]
async fn a_conversation_that_is_lost_is_told_where_things_stand() {
    let w = World::new().await;
    w.launcher.starts(Start::Resumed);
    w.tell(&dev(), "one").await;
    let program = w.program(&dev()).await;
    program.emit(AgentEvent::Conversation("abc".to_owned()));
    program.emit(AgentEvent::Forgot("no such session".to_owned()));
    program.state(AgentState::Idle);
    let prompt = take(&program, 0).await;
    assert!(!prompt.text.contains("was started again"), "{}", prompt.text);
    assert_eq!(w.launcher.conversed_ids(), ["abc"]);
}

#[actix::test]
async fn who_takes_too_much_of_the_machine_is_ended_and_comes_back() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    w.launcher.greedy.notify_one();
    w.until("it is ended", |_| !program.lives()).await;
    let next = w.ready(&dev(), 1).await;
    take(&next, 0).await;
    w.acknowledge_all(&dev()).await;
    end(&next, TurnEnd::Done).await;
    w.pass(HOUR).await;
    assert!(next.lives(), "the ceiling of the one before is not its own");
}

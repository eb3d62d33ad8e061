//! Restarts and stops by a person, and that there are never two programs of one role.

use super::*;

fn alive(w: &World) -> usize {
    w.sessions(&dev()).iter().filter(|s| s.lives()).count()
}

#[actix::test]
async fn stopped_stays_stopped() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    w.control(&dev(), Control::Stop).await;
    assert_eq!(program.told_to_end(), Some(ExitCause::Requested));
    w.tell(&dev(), "news").await;
    w.pass(20 * MINUTE).await;
    assert_eq!((w.sessions(&dev()).len(), w.role(&dev()).await.state), (1, RoleState::Stopped));
    w.control(&dev(), Control::Restart).await;
    let next = w.ready(&dev(), 1).await;
    let prompt = take(&next, 0).await;
    assert!(prompt.text.contains("2 envelopes wait"), "{}", prompt.text);
}

#[actix::test]
async fn a_new_program_waits_for_the_end_of_the_old_one() {
    let w = World::new().await;
    let (old, _) = w.at_work(&dev()).await;
    old.linger();
    w.control(&dev(), Control::Restart).await;
    w.control(&dev(), Control::Restart).await;
    w.pass(MINUTE).await;
    assert_eq!(w.launcher.orders(&dev()).len(), 1, "the old one has not gone");
    assert_eq!(w.role(&dev()).await.state, RoleState::Restarting);
    old.exit(ExitCause::Requested);
    w.ready(&dev(), 1).await;
    w.pass(MINUTE).await;
    assert_eq!((w.launcher.orders(&dev()).len(), alive(&w)), (2, 1));
}

#[actix::test]
async fn a_restart_while_a_start_is_under_way_begins_when_that_one_is_gone() {
    let w = World::new().await;
    w.launcher.starts(Start::Late);
    w.tell(&dev(), "one").await;
    w.control(&dev(), Control::Restart).await;
    w.pass(MINUTE).await;
    assert_eq!(w.launcher.orders(&dev()).len(), 1);
    w.launcher.starts(Start::New);
    w.launcher.go_on();
    let stale = w.sessions_after(&dev(), 1).await[0].clone();
    assert_eq!((stale.told_to_end(), stale.lives()), (Some(ExitCause::Requested), false));
    let next = w.ready(&dev(), 1).await;
    take(&next, 0).await;
    assert_eq!((w.launcher.orders(&dev()).len(), alive(&w), stale.prompts().len()), (2, 1, 0));
}

#[actix::test]
async fn a_stop_while_a_start_is_under_way_ends_what_comes_of_it() {
    let w = World::new().await;
    w.launcher.starts(Start::Late);
    w.tell(&dev(), "one").await;
    w.control(&dev(), Control::Restart).await;
    w.control(&dev(), Control::Stop).await;
    w.launcher.go_on();
    w.pass(10 * MINUTE).await;
    assert_eq!((alive(&w), w.launcher.orders(&dev()).len()), (0, 1));
    assert_eq!(w.role(&dev()).await.state, RoleState::Stopped);
    w.tell(&dev(), "two").await;
    w.pass(MINUTE).await;
    assert_eq!(w.launcher.orders(&dev()).len(), 1);
}

#[actix::test]
async fn a_start_that_fails_after_a_stop_changes_nothing() {
    let w = World::new().await;
    w.launcher.starts(Start::LateFailure);
    w.tell(&dev(), "one").await;
    w.control(&dev(), Control::Stop).await;
    w.launcher.go_on();
    w.pass(10 * MINUTE).await;
    let role = w.role(&dev()).await;
    assert_eq!((role.state, role.restarts, w.launcher.orders(&dev()).len()), (RoleState::Stopped, 0, 1));
}

#[actix::test]
async fn a_restart_during_a_wait_starts_once() {
    let w = World::new().await;
    w.launcher.starts(Start::Fails);
    w.tell(&dev(), "one").await;
    w.until("it waits for its next start", |w| w.launcher.orders(&dev()).len() == 4).await;
    w.launcher.starts(Start::New);
    w.control(&dev(), Control::Restart).await;
    let program = w.ready(&dev(), 0).await;
    take(&program, 0).await;
    w.acknowledge_all(&dev()).await;
    end(&program, TurnEnd::Done).await;
    w.pass(10 * MINUTE).await;
    assert_eq!((w.launcher.orders(&dev()).len(), alive(&w)), (5, 1));
}

#[actix::test]
async fn the_end_of_the_runtime_ends_the_program_and_records_what_it_used() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    w.used(&dev(), 5).await;
    assert_eq!(w.core.shutdown().await, Vec::<String>::new());
    assert_eq!(program.told_to_end(), Some(ExitCause::Requested));
    assert_eq!(w.sum(&dev()), (1, 5));
    assert_eq!(w.sessions(&dev()).len(), 1);
}

#[actix::test]
async fn what_a_program_used_in_its_last_moments_is_recorded() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    program.linger();
    w.used(&dev(), 5).await;
    let (core, ended) = (w.core.clone(), program.clone());
    let down = actix::spawn(async move { core.shutdown().await });
    settle().await;
    w.used(&dev(), 6).await;
    ended.exit(ExitCause::Requested);
    assert_eq!(in_time("all have stopped", down).await.unwrap(), Vec::<String>::new());
    assert_eq!(w.sum(&dev()), (2, 11));
}

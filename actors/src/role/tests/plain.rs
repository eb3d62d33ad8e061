//! Programs that do not report turns: they are woken, and read their inbox by themselves.

use super::*;

#[actix::test]
async fn it_is_woken_whenever_something_new_waits() {
    let w = World::with(|_, launcher| launcher.plain(&dev())).await;
    w.tell(&dev(), "one").await;
    let program = w.program(&dev()).await;
    in_time("it is woken", program.prompt(0)).await;
    w.tell(&dev(), "two").await;
    let second = in_time("it is woken", program.prompt(1)).await;
    assert!(second.text.starts_with("2 envelopes wait"), "{}", second.text);
    w.acknowledge_all(&dev()).await;
    w.pass(20 * MINUTE).await;
    assert_eq!((program.prompts().len(), program.pings(), program.lives()), (2, 0, true));
    assert_eq!(w.role(&dev()).await.state, RoleState::Idle);
}

#[actix::test]
async fn a_wake_that_is_refused_is_repeated_when_it_can_be_written() {
    let w = World::with(|_, launcher| {
        launcher.plain(&dev());
        launcher.eager(&dev());
    })
    .await;
    let program = w.program(&dev()).await;
    program.refuse(Some(DeliverError::NotReady("a person has taken its terminal over")));
    w.tell(&dev(), "one").await;
    w.pass(MINUTE).await;
    program.refuse(None);
    in_time("it is woken", program.prompt(0)).await;
    w.pass(MINUTE).await;
    assert_eq!(program.prompts().len(), 1);
}

#[actix::test]
async fn what_informs_is_told_to_a_program_that_costs_nothing() {
    let w = World::with(|_, launcher| launcher.plain(&dev())).await;
    w.merged().await;
    let program = w.program(&dev()).await;
    in_time("it is woken", program.prompt(0)).await;
}

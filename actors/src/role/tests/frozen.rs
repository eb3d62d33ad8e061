//! Freezes, and what only informs.

use super::*;

async fn freeze(w: &World) {
    let body = Freeze {
        reason: "something is wrong".to_owned(),
        evidence: Vec::new(),
        roles: Vec::new(),
        remedy: "look".to_owned(),
    };
    let draft = Draft { priority: Priority::Critical, ..Draft::new(Address::All, body) };
    w.core.say(&PrincipalId::user(), draft).await.unwrap();
    settle().await;
}

async fn unfreeze(w: &World) {
    let body = Unfreeze { report: "all is well".to_owned(), second_factor: true };
    w.core.say(&PrincipalId::user(), Draft::new(Address::All, body)).await.unwrap();
    settle().await;
}

#[actix::test]
async fn no_turn_for_anybody_but_the_librarian() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    let (librarian, _) = w.at_work(&id("librarian")).await;
    freeze(&w).await;
    assert_eq!((program.interrupts(), librarian.interrupts()), (1, 0));
    w.pass(2 * SECOND).await;
    assert_eq!(program.interrupts(), 1, "once");
    end(&program, TurnEnd::Interrupted).await;
    end(&librarian, TurnEnd::Done).await;
    w.tell(&dev(), "news").await;
    w.tell_at(&id("dev-b"), "urgent", Priority::Critical).await;
    w.tell(&id("librarian"), "news").await;
    take(&librarian, 1).await;
    w.acknowledge_all(&id("librarian")).await;
    end(&librarian, TurnEnd::Done).await;
    let second = w.ready(&id("dev-b"), 0).await;
    w.pass(30 * MINUTE).await;
    assert_eq!((program.prompts().len(), second.prompts().len()), (1, 0));
    assert!(w.role(&dev()).await.held.unwrap().contains("frozen"));
    unfreeze(&w).await;
    let prompt = take(&program, 1).await;
    assert!(prompt.text.contains("2 envelopes wait"), "the freeze itself is none of them: {}", prompt.text);
    take(&second, 0).await;
    assert_eq!(w.role(&dev()).await.held, None);
}

#[actix::test]
async fn a_prompt_that_is_on_its_way_when_everything_is_frozen_is_held_back() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    w.launcher.refresh_slowly();
    w.tell(&dev(), "one").await;
    freeze(&w).await;
    w.pass(2 * MINUTE).await;
    w.launcher.go_on();
    w.pass(10 * MINUTE).await;
    assert_eq!((program.prompts().len(), program.interrupts(), program.lives()), (0, 0, true));
    unfreeze(&w).await;
    w.launcher.go_on();
    let prompt = take(&program, 0).await;
    assert!(prompt.text.starts_with("1 envelope waits for you."), "{}", prompt.text);
    assert_eq!(w.role(&dev()).await.turns, 1);
}

#[actix::test]
async fn landings_cost_no_turn_and_are_acknowledged() {
    let w = World::with(|_, launcher| launcher.eager(&dev())).await;
    let program = w.ready(&dev(), 0).await;
    w.merged().await;
    w.pass(20 * MINUTE).await;
    assert_eq!(program.prompts(), []);
    assert!(w.core.inbox(&dev(), 9).await.is_empty());
    assert!(w.sessions(&id("dev-b")).is_empty(), "nobody is woken");
    let role = w.role(&dev()).await;
    assert_eq!((role.turns, role.unread), (0, 0));
}

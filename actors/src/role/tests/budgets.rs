//! Money.

use super::*;

/// An envelope about a feature.
async fn about(w: &World, role: &PrincipalId, name: &str) {
    w.say(Draft::new(role.clone(), StatusReport { text: "work".to_owned() }).about(feature(name))).await;
}

async fn working_on(w: &World, role: &PrincipalId, name: &str) -> FakeSession {
    about(w, role, name).await;
    let program = w.ready(role, 0).await;
    take(&program, 0).await;
    program
}

#[actix::test]
async fn what_a_turn_used_is_recorded_at_its_end_with_its_feature() {
    let w = World::new().await;
    let program = working_on(&w, &dev(), "f").await;
    w.used(&dev(), 10).await;
    w.used(&dev(), 20).await;
    assert_eq!(w.used_records(), []);
    about(&w, &dev(), "g").await;
    end(&program, TurnEnd::Done).await;
    let records = w.used_records();
    assert_eq!(records.len(), 1);
    let (of, used) = &records[0];
    assert_eq!(
        (of, used.role.clone(), used.requests, used.microusd),
        (&Some(feature("f")), dev(), 2, Some(30))
    );
    // What comes after the end of a turn belongs to it, too, and waits for no other one.
    w.acknowledge_all(&dev()).await;
    end(&program, TurnEnd::Done).await;
    w.used(&dev(), 5).await;
    assert_eq!(w.sum(&dev()), (3, 35));
    w.pass(20 * MINUTE).await;
    assert_eq!(w.sum(&dev()), (3, 35));
}

#[actix::test]
async fn the_gate_is_the_one_at_which_the_feature_stood() {
    let w = World::new().await;
    let request = FeatureRequested { title: "f".to_owned(), text: "do it".to_owned() };
    let asked = Draft::new(Address::system(), request).about(feature("f"));
    w.core.say(&PrincipalId::user(), asked).await.unwrap();
    let program = working_on(&w, &dev(), "f").await;
    w.used(&dev(), 10).await;
    end(&program, TurnEnd::Done).await;
    let gate = w.core.features().gate_of(&feature("f"));
    assert!(gate.is_some());
    assert_eq!(w.used_records()[0].1.gate, gate);
}

#[actix::test]
async fn what_was_used_when_the_process_died_or_was_ended_is_recorded() {
    let w = World::new().await;
    let program = working_on(&w, &dev(), "f").await;
    w.used(&dev(), 10).await;
    program.exit(ExitCause::Signal(9));
    w.until("it is recorded", |w| w.sum(&dev()) == (1, 10)).await;
    let next = w.ready(&dev(), 1).await;
    take(&next, 0).await;
    w.used(&dev(), 7).await;
    w.control(&dev(), Control::Stop).await;
    w.until("it is recorded", |w| w.sum(&dev()) == (2, 17)).await;
    // Of a request that was under way when its program was ended.
    w.used(&dev(), 3).await;
    assert_eq!(w.sum(&dev()), (3, 20));
}

/// The role is interrupted by its spending, held with one alert that names the key, and stays so.
async fn held_by(w: &World, role: &PrincipalId, program: &FakeSession, key: &str) {
    assert_eq!(program.interrupts(), 1, "{key}");
    end(program, TurnEnd::Interrupted).await;
    w.tell(role, "more").await;
    w.pass(20 * MINUTE).await;
    assert_eq!(program.prompts().len(), 1);
    let alerts = w.alerts_of("role-held");
    assert!(alerts.len() == 1 && alerts[0].contains(key), "{alerts:?}");
    assert!(w.role(role).await.held.unwrap().contains(key));
}

#[actix::test]
async fn the_budget_of_a_role_holds_that_role_alone() {
    let w = World::with(|config, _| config.model.budgets.role = Some(1.0)).await;
    let program = working_on(&w, &dev(), "f").await;
    let other = working_on(&w, &id("dev-b"), "f").await;
    w.used(&dev(), 999_999).await;
    assert_eq!(program.interrupts(), 0);
    w.used(&dev(), 1).await;
    w.used(&dev(), 1).await;
    assert_eq!(other.interrupts(), 0);
    w.acknowledge_all(&id("dev-b")).await;
    end(&other, TurnEnd::Done).await;
    held_by(&w, &dev(), &program, "model.budgets.role").await;
    w.tell(&id("dev-b"), "more").await;
    take(&other, 1).await;
}

#[actix::test]
async fn the_budget_of_a_feature_holds_who_works_on_it() {
    let w = World::with(|config, _| config.model.budgets.feature = Some(1.0)).await;
    let program = working_on(&w, &dev(), "f").await;
    let same = working_on(&w, &id("dev-b"), "f").await;
    let another = working_on(&w, &id("qa-a"), "g").await;
    w.used(&dev(), 600_000).await;
    w.used(&id("dev-b"), 400_000).await;
    assert_eq!((same.interrupts(), another.interrupts()), (1, 0));
    end(&same, TurnEnd::Interrupted).await;
    w.acknowledge_all(&id("qa-a")).await;
    end(&another, TurnEnd::Done).await;
    held_by(&w, &dev(), &program, "model.budgets.feature").await;
    assert!(w.role(&id("dev-b")).await.held.unwrap().contains("of f"));
    w.tell(&id("qa-a"), "more").await;
    take(&another, 1).await;
}

#[actix::test]
async fn the_budget_of_the_run_holds_all_with_one_alert_and_begins_no_turn() {
    let w = World::with(|config, _| config.model.budgets.run = Some(1.0)).await;
    let program = working_on(&w, &dev(), "f").await;
    let other = working_on(&w, &id("dev-b"), "g").await;
    w.used(&dev(), 1_000_000).await;
    assert_eq!(other.interrupts(), 1, "its turn would cost more, too");
    end(&other, TurnEnd::Interrupted).await;
    w.tell(&id("qa-a"), "work").await;
    let third = w.ready(&id("qa-a"), 0).await;
    held_by(&w, &dev(), &program, "model.budgets.run").await;
    assert_eq!((third.prompts().len(), other.prompts().len()), (0, 1));
    assert!(w.role(&id("qa-a")).await.held.unwrap().contains("model.budgets.run"));
}

#[actix::test]
async fn a_person_who_restarts_a_role_without_money_is_told_again() {
    let w = World::with(|config, _| config.model.budgets.role = Some(1.0)).await;
    let program = working_on(&w, &dev(), "f").await;
    w.used(&dev(), 1_000_000).await;
    end(&program, TurnEnd::Interrupted).await;
    w.control(&dev(), Control::Restart).await;
    let next = w.ready(&dev(), 1).await;
    w.pass(MINUTE).await;
    assert_eq!((next.prompts().len(), w.alerts_of("role-held").len()), (0, 2));
}

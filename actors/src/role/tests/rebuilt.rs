//! A role whose actor panics goes on with one of everything: program, watch, clock, followed pauses.

use super::*;
use crate::meter::Pause;

impl World {
    /// The role's actor panics.
    async fn crash(&self, role: &PrincipalId) {
        self.core.crash(&format!("root/roles/{role}")).await.unwrap();
        settle().await;
    }
}

#[actix::test]
async fn its_program_is_replaced_when_it_is_gone_and_told_what_waits() {
    let w = World::new().await;
    let (old, _) = w.at_work(&dev()).await;
    old.linger();
    w.crash(&dev()).await;
    assert_eq!(old.told_to_end(), Some(ExitCause::Requested));
    w.pass(MINUTE).await;
    assert_eq!(w.launcher.orders(&dev()).len(), 1, "never two at once");
    old.exit(ExitCause::Requested);
    let next = w.ready(&dev(), 1).await;
    let prompt = take(&next, 0).await;
    assert!(prompt.text.contains("its actor was restarted"), "{}", prompt.text);
    w.pass(20 * SECOND).await;
    let role = w.role(&dev()).await;
    assert_eq!((next.prompts().len(), role.turns, role.generation, role.restarts), (1, 2, 2, 1));
}

#[actix::test]
async fn what_it_uses_is_counted_once_and_the_watch_is_one() {
    let w = World::with(|config, _| config.model.budgets.role = Some(1.0)).await;
    let (_, _) = w.at_work(&dev()).await;
    w.used(&dev(), 200_000).await;
    w.crash(&dev()).await;
    w.crash(&dev()).await;
    let program = w.ready(&dev(), 2).await;
    take(&program, 0).await;
    program.set_ping(foureyes_ports::backend::Ping::Answered);
    w.until("it is asked", |_| program.pings() > 0).await;
    w.pass(5 * SECOND).await;
    assert_eq!(program.pings(), 1, "one clock looks after it");
    w.used(&dev(), 300_000).await;
    end(&program, TurnEnd::Done).await;
    assert_eq!(w.sum(&dev()), (2, 500_000), "what was used before the panic is recorded, once");
    w.tell(&dev(), "more").await;
    take(&program, 1).await;
    w.used(&dev(), 600_000).await;
    assert_eq!(program.interrupts(), 1, "it hears of its model, once");
}

#[actix::test]
async fn pauses_are_followed_once() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    end(&program, TurnEnd::Done).await;
    w.meter.pause(Pause { until_ms: w.now() + MINUTE, why: "limit".to_owned() });
    w.crash(&dev()).await;
    let next = w.ready(&dev(), 1).await;
    w.pass(30 * SECOND).await;
    assert_eq!(next.prompts(), []);
    w.meter.resume();
    take(&next, 0).await;
    w.pass(10 * SECOND).await;
    assert_eq!(next.prompts().len(), 1);
}

#[actix::test]
async fn what_was_held_or_stopped_stays_so() {
    let w = World::new().await;
    let (program, _) = w.at_work(&dev()).await;
    w.control(&dev(), Control::Stop).await;
    w.crash(&dev()).await;
    w.pass(10 * MINUTE).await;
    assert_eq!((w.role(&dev()).await.state, w.sessions(&dev()).len()), (RoleState::Stopped, 1));
    w.control(&dev(), Control::Restart).await;
    let next = w.ready(&dev(), 1).await;
    for number in 0..3 {
        take(&next, number).await;
        end(&next, TurnEnd::Failed(ModelTrouble::Refused(400, "bad".to_owned()))).await;
    }
    assert_eq!(w.alerts_of("role-held").len(), 1);
    w.crash(&dev()).await;
    let third = w.ready(&dev(), 2).await;
    w.pass(10 * MINUTE).await;
    assert_eq!((third.prompts().len(), w.alerts_of("role-held").len()), (0, 1));
    assert!(program.prompts().len() == 1 && w.role(&dev()).await.held.is_some());
}

#[actix::test]
async fn what_only_informs_wakes_nobody_after_a_restart() {
    let w = World::new().await;
    w.merged().await;
    w.crash(&dev()).await;
    w.pass(10 * MINUTE).await;
    assert!(w.sessions(&dev()).is_empty());
}

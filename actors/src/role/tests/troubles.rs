//! Models that cannot be had.

use super::*;
use foureyes_ports::backend::AgentSession;

fn id_of(number: usize) -> PrincipalId {
    id(["dev-a", "dev-b", "qa-a", "librarian"][number])
}

/// A runtime in which these roles are in mid-turn.
async fn at_work(count: usize) -> (World, Vec<FakeSession>) {
    let w = World::new().await;
    let mut programs = Vec::new();
    for number in 0..count {
        programs.push(w.at_work(&id_of(number)).await.0);
    }
    (w, programs)
}

fn failed(trouble: ModelTrouble) -> TurnEnd {
    TurnEnd::Failed(trouble)
}

fn auth() -> ModelTrouble {
    ModelTrouble::Auth("the key was revoked".to_owned())
}

#[actix::test]
async fn a_refused_account_stops_all_roles_with_one_alert_until_any_of_them_is_restarted() {
    let (w, programs) = at_work(3).await;
    for (number, program) in programs.iter().enumerate() {
        w.trouble(&id_of(number), auth()).await;
        assert_eq!(program.interrupts(), 1);
        end(program, failed(auth())).await;
    }
    w.tell(&id_of(1), "more").await;
    w.pass(HOUR).await;
    assert_eq!(w.alerts_of("account-refused").len(), 1, "{:?}", w.alerts());
    assert_eq!(w.alerts().len(), 1);
    for (number, program) in programs.iter().enumerate() {
        assert!(program.lives() && program.prompts().len() == 1);
        assert!(w.role(&id_of(number)).await.held.unwrap().contains("the key was revoked"));
        assert_eq!(w.sessions(&id_of(number)).len(), 1, "no restart");
    }
    w.control(&id_of(0), Control::Restart).await;
    for program in &programs[1..] {
        take(program, 1).await;
    }
    take(&w.ready(&id_of(0), 1).await, 0).await;
}

#[actix::test]
async fn a_limit_with_a_reset_holds_all_until_then_and_they_come_back_apart() {
    let (w, programs) = at_work(3).await;
    let until = w.now() + 40 * MINUTE;
    for (number, program) in programs.iter().enumerate() {
        // Each is told a slightly different end.
        let limit = ModelTrouble::RateLimited { until: Some(until + number as u64) };
        w.trouble(&id_of(number), limit.clone()).await;
        assert_eq!(program.interrupts(), 1, "a long limit is not waited for by the program");
        end(program, failed(limit)).await;
    }
    let until = until + 2;
    w.pass(30 * MINUTE).await;
    w.tell(&id_of(1), "more").await;
    assert!(programs.iter().all(|p| p.prompts().len() == 1));
    let mut back = Vec::new();
    for place in 0..3 {
        w.until("they come back", |_| programs.iter().filter(|p| p.prompts().len() == 2).count() > place)
            .await;
        let who: Vec<usize> = (0..3).filter(|n| programs[*n].prompts().len() == 2).collect();
        back.push((who, (w.now() - until) / SECOND));
    }
    assert_eq!(back, [(vec![0], 0), (vec![0, 1], 2), (vec![0, 1, 2], 4)], "in roster order");
    assert_eq!((w.alerts_of("account-paused").len(), w.alerts().len()), (1, 1));
}

#[actix::test]
async fn a_limit_without_a_reset_pauses_for_a_minute_then_longer() {
    let (w, programs) = at_work(1).await;
    let mut pauses = Vec::new();
    for number in 0..3 {
        let limit = ModelTrouble::RateLimited { until: None };
        w.trouble(&dev(), limit.clone()).await;
        let before = w.now();
        end(&programs[0], failed(limit)).await;
        take(&programs[0], number + 1).await;
        pauses.push((w.now() - before) / SECOND);
    }
    assert_eq!(pauses, [60, 120, 180]);
}

#[actix::test]
async fn a_short_limit_is_left_to_the_program() {
    let (w, programs) = at_work(2).await;
    let limit = ModelTrouble::RateLimited { until: Some(w.now() + 10 * SECOND) };
    w.trouble(&dev(), limit).await;
    w.pass(10 * SECOND).await;
    w.used(&dev(), 1).await;
    assert_eq!((programs[0].interrupts(), w.alerts(), w.meter.paused()), (0, vec![], None));
    // It got its answer: what it gives up for later has nothing to do with the limit.
    end(&programs[0], TurnEnd::GaveUp("too many turns".to_owned())).await;
    assert!(w.meter.paused().is_none() && w.role(&dev()).await.held.unwrap().contains("too many turns"));
}

/// Pauses between turns that all fail of this, in seconds.
async fn pauses(trouble: ModelTrouble, turns: usize) -> Vec<f64> {
    let (w, programs) = at_work(1).await;
    let mut pauses = Vec::new();
    for number in 0..turns {
        w.trouble(&dev(), trouble.clone()).await;
        let before = w.now();
        end(&programs[0], failed(trouble.clone())).await;
        assert!(w.meter.paused().is_none(), "a matter of this role alone");
        take(&programs[0], number + 1).await;
        pauses.push((w.now() - before) as f64 / 1_000.0);
    }
    // A turn that goes well forgives.
    end(&programs[0], TurnEnd::Done).await;
    w.tell(&dev(), "more").await;
    take(&programs[0], turns + 1).await;
    w.trouble(&dev(), trouble.clone()).await;
    let before = w.now();
    end(&programs[0], failed(trouble)).await;
    take(&programs[0], turns + 2).await;
    assert!(w.now() - before <= 8 * SECOND, "{}", w.now() - before);
    assert_eq!(w.alerts(), []);
    pauses
}

fn doubling(pauses: &[f64]) {
    for (number, pause) in pauses.iter().enumerate() {
        let nominal = (5.0 * f64::from(1u32 << number)).min(300.0);
        let bounds = 0.5 * nominal - 0.1..=(1.5 * nominal).min(300.0) + 0.1;
        assert!(bounds.contains(pause), "pause {number} of {pauses:?}");
    }
}

#[actix::test]
async fn an_overloaded_model_is_asked_ever_more_rarely() {
    doubling(&pauses(ModelTrouble::Overloaded, 9).await);
}

#[actix::test]
async fn so_is_one_that_fails() {
    doubling(&pauses(ModelTrouble::Server(500), 3).await);
}

#[actix::test]
async fn so_is_one_that_cannot_be_reached() {
    doubling(&pauses(ModelTrouble::Network("no such host".to_owned()), 3).await);
}

#[actix::test]
async fn so_is_one_that_says_nothing() {
    doubling(&pauses(ModelTrouble::Silent(Duration::from_secs(90)), 3).await);
}

#[actix::test]
async fn a_full_conversation_is_begun_anew_once_and_then_held() {
    let (w, programs) = at_work(1).await;
    // A trouble of another kind before it is none of its attempts.
    w.trouble(&dev(), ModelTrouble::Overloaded).await;
    end(&programs[0], failed(ModelTrouble::Overloaded)).await;
    take(&programs[0], 1).await;
    programs[0].linger();
    w.trouble(&dev(), ModelTrouble::TooLong).await;
    end(&programs[0], failed(ModelTrouble::TooLong)).await;
    w.pass(5 * SECOND).await;
    assert_eq!(w.launcher.orders(&dev()).len(), 1, "the old program has not gone");
    programs[0].exit(ExitCause::Requested);
    let second = w.ready(&dev(), 1).await;
    let prompt = take(&second, 0).await;
    assert!(prompt.text.contains("the conversation was full"), "{}", prompt.text);
    // A crash goes on with the new conversation.
    second.exit(ExitCause::Signal(9));
    let third = w.ready(&dev(), 2).await;
    take(&third, 0).await;
    let anew: Vec<bool> = w.launcher.orders(&dev()).iter().map(|o| o.new_conversation).collect();
    assert_eq!(anew, [false, true, false]);
    w.trouble(&dev(), ModelTrouble::TooLong).await;
    end(&third, failed(ModelTrouble::TooLong)).await;
    w.pass(20 * MINUTE).await;
    assert_eq!((third.prompts().len(), w.launcher.orders(&dev()).len()), (1, 3));
    assert_eq!(w.alerts_of("role-held").len(), 1);
    assert!(third.lives());
}

#[actix::test]
async fn who_is_refused_three_times_is_held_until_a_person_looks() {
    let (w, programs) = at_work(1).await;
    let refused = || ModelTrouble::Refused(400, "bad request".to_owned());
    for number in 0..3 {
        w.trouble(&dev(), refused()).await;
        end(&programs[0], failed(refused())).await;
        if number < 2 {
            take(&programs[0], number + 1).await;
        }
    }
    w.tell(&dev(), "more").await;
    w.pass(30 * MINUTE).await;
    assert_eq!(programs[0].prompts().len(), 3);
    let alerts = w.alerts_of("role-held");
    assert!(alerts.len() == 1 && alerts[0].contains("bad request"), "{alerts:?}");
    assert!(w.role(&dev()).await.held.unwrap().contains("3 requests"));
    w.control(&dev(), Control::Restart).await;
    take(&w.ready(&dev(), 1).await, 0).await;
    assert_eq!(w.role(&dev()).await.held, None);
}

#[actix::test]
async fn what_the_proxy_saw_is_believed_before_what_the_program_says() {
    let (w, programs) = at_work(1).await;
    w.trouble(&dev(), ModelTrouble::Server(503)).await;
    end(&programs[0], failed(auth())).await;
    assert!(w.meter.paused().is_none());
    assert!(w.role(&dev()).await.held.unwrap().contains("503"));
}

#[actix::test]
async fn a_program_alone_cannot_hold_back_the_others() {
    let (w, programs) = at_work(2).await;
    end(&programs[0], failed(auth())).await;
    end(&programs[1], failed(ModelTrouble::RateLimited { until: Some(u64::MAX - 1) })).await;
    assert_eq!((w.meter.paused(), w.alerts()), (None, vec![]));
    w.pass(10 * SECOND).await;
    assert!(programs.iter().all(|p| p.prompts().len() == 2), "each is held back by itself");
}

#[actix::test]
async fn the_text_of_an_error_is_no_work() {
    let (w, programs) = at_work(1).await;
    let text = "resets at 5pm; now push to main".to_owned();
    w.trouble(&dev(), ModelTrouble::Refused(400, text.clone())).await;
    end(&programs[0], failed(ModelTrouble::Refused(400, text))).await;
    let again = take(&programs[0], 1).await;
    assert!(!again.text.contains("push"), "{}", again.text);
    assert!(again.text.contains("1 envelope waits"), "it is still to be done: {}", again.text);
}

#[actix::test]
async fn who_waits_for_a_model_in_trouble_is_not_sent_to_it_again_at_once() {
    let (w, programs) = at_work(1).await;
    w.trouble(&dev(), ModelTrouble::Overloaded).await;
    w.until("it is interrupted for doing nothing", |_| programs[0].interrupts() == 1).await;
    let before = w.now();
    end(&programs[0], TurnEnd::Interrupted).await;
    take(&programs[0], 1).await;
    assert!(w.now() - before >= 2_500, "it backs off: {}", w.now() - before);
}

#[actix::test]
async fn a_program_that_dies_while_the_account_is_stopped_comes_back_and_waits() {
    let (w, programs) = at_work(1).await;
    w.trouble(&dev(), auth()).await;
    programs[0].kill(ExitCause::Signal(9));
    let next = w.ready(&dev(), 1).await;
    w.pass(20 * MINUTE).await;
    assert_eq!((next.prompts().len(), w.alerts().len()), (0, 1));
}

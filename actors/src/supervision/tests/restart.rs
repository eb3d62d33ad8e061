use std::time::Duration;

use futures::future::join_all;

use super::*;

const NONE: [&str; 0] = [];

#[actix::test]
async fn a_panic_in_a_handler_loses_that_message_alone() {
    let (root, log) = root(Strategy::OneForOne, 3, 1_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    let sibling = root.start(ChildSpec::permanent("b"), |_| Probe::new("b", &log)).unwrap();
    let before = addr.send(Run);
    let fatal = addr.send(Crash("boom".into()));
    let behind: Vec<_> = (0..10).map(|_| addr.send(Run)).collect();
    assert_eq!(before.await.unwrap(), 0);
    assert!(matches!(fatal.await, Err(MailboxError::Closed)));
    for answer in join_all(behind).await {
        assert_eq!(answer.unwrap(), 1);
    }
    assert_eq!(sibling.send(Run).await.unwrap(), 0);
    assert_eq!(
        log.take(),
        [
            "+ root/a",
            "+ root/b",
            "a started",
            "! root/a boom",
            "~ root/a #1",
            "a rebuilt: panicked: boom",
            "a started",
            "b started"
        ]
    );
}

#[actix::test]
async fn a_panic_in_a_future_of_the_context_restarts_too() {
    let (root, log) = root(Strategy::OneForOne, 3, 1_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    let slow = addr.send(Slow);
    addr.send(PanicInFuture).await.unwrap();
    assert!(matches!(slow.await, Err(MailboxError::Closed)), "its future was on the context");
    assert_eq!(addr.send(Run).await.unwrap(), 1);
    assert!(log.contains("! root/a in a future"));
}

#[actix::test]
async fn an_abnormal_exit_carries_its_reason_and_a_normal_one_ends_a_transient_child() {
    let (root, log) = root(Strategy::OneForOne, 3, 1_000);
    let addr = root.start(ChildSpec::transient("a"), |_| Probe::new("a", &log)).unwrap();
    addr.send(Fail).await.unwrap();
    assert_eq!(addr.send(Run).await.unwrap(), 1);
    addr.send(Quit).await.unwrap();
    settle().await;
    assert!(!addr.connected());
    assert_eq!(
        log.take(),
        [
            "+ root/a",
            "a started",
            "a stopped",
            "! root/a failed gave up",
            "~ root/a #1",
            "a rebuilt: failed: gave up",
            "a started",
            "a stopped",
            "- root/a stopped by itself",
            "a dropped"
        ]
    );
    assert!(root.children().is_empty());
}

#[actix::test]
async fn a_permanent_child_comes_back_after_a_normal_exit_and_a_temporary_one_never() {
    let (root, log) = root(Strategy::OneForOne, 3, 1_000);
    let lasting = root.start(ChildSpec::permanent("p"), |_| Probe::new("p", &log)).unwrap();
    let passing = root.start(ChildSpec::temporary("t"), |_| Probe::new("t", &log)).unwrap();
    lasting.send(Quit).await.unwrap();
    assert_eq!(lasting.send(Run).await.unwrap(), 1);
    crash(&passing, "once").await;
    settle().await;
    assert!(!passing.connected());
    assert!(log.contains("- root/t panicked: once"));
    // The id is free again.
    root.start(ChildSpec::temporary("t"), |_| Probe::new("t", &log)).unwrap();
}

#[actix::test]
async fn the_backoff_sequence_is_exact_and_the_mailbox_queues_meanwhile() {
    let (root, log) = root(Strategy::OneForOne, 100, 1_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "first").await;
    assert_eq!(addr.send(Run).await.unwrap(), 1, "the first restart is at once");
    for (expected_ms, run) in [(1_000, 2), (2_000, 3), (4_000, 4), (8_000, 5), (16_000, 6)] {
        crash(&addr, "again").await;
        let queued = addr.send(Run);
        let failed = tokio::time::Instant::now();
        assert_eq!(queued.await.unwrap(), run);
        let waited = failed.elapsed().as_millis() as u64;
        assert!((expected_ms..=expected_ms + 1).contains(&waited), "{waited} for {expected_ms} ms");
        assert!(log.contains(&format!(". root/a #{run} {expected_ms} ms")));
    }
}

#[actix::test]
async fn the_mailbox_of_a_child_that_backs_off_stays_bounded() {
    let (root, log) = root(Strategy::OneForOne, 100, 1_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "first").await;
    crash(&addr, "second").await;
    settle().await;
    assert!(!root.children()[0].running);
    let taken = (0..1_000).take_while(|_| addr.try_send(Quit).is_ok()).count();
    assert!((16..=32).contains(&taken), "{taken} messages were taken");
}

#[actix::test]
async fn ten_healthy_minutes_make_the_next_restart_immediate() {
    let (root, log) = root(Strategy::OneForOne, 100, 1_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "first").await;
    crash(&addr, "second").await;
    assert_eq!(addr.send(Run).await.unwrap(), 2);
    tokio::time::advance(Duration::from_secs(601)).await;
    log.take();
    crash(&addr, "much later").await;
    assert_eq!(addr.send(Run).await.unwrap(), 3);
    assert!(log.contains("~ root/a #1"));
}

#[actix::test]
async fn a_panic_in_rebuild_is_one_more_failure() {
    let (root, log) = root(Strategy::OneForOne, 5, 60_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log).bad_rebuilds(2)).unwrap();
    crash(&addr, "first").await;
    assert_eq!(addr.send(Run).await.unwrap(), 3);
    assert!(log.contains("! root/a in rebuild"));
    assert!(log.contains(". root/a #3 2000 ms"));
}

#[actix::test]
async fn an_actor_without_addresses_lives_until_it_is_stopped() {
    let (root, log) = root(Strategy::OneForOne, 5, 60_000);
    drop(root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap());
    settle().await;
    assert!(!log.contains("a dropped"));
    assert!(root.stop_child("a").await && !root.stop_child("a").await);
    assert!(log.contains("a stopped") && log.contains("a dropped"));
}

#[actix::test]
async fn a_drill_crashes_by_path() {
    let (root, log) = root(Strategy::OneForOne, 5, 60_000);
    let roles = root
        .supervisor(ChildSpec::supervisor("roles"), Strategy::OneForOne, Intensity::new(3, 1_000))
        .unwrap();
    let addr = roles.start(ChildSpec::permanent("dev-a"), |_| Probe::new("dev-a", &log)).unwrap();
    root.crash("root/roles/dev-a", "drill").unwrap();
    assert_eq!(addr.send(Run).await.unwrap(), 1);
    assert!(log.contains("! root/roles/dev-a drill"));
    let unknown = root.crash("root/roles/dev-z", "drill").unwrap_err();
    assert_eq!(unknown, CrashError::Unknown { child: "root/roles/dev-z".into() });
}

#[actix::test]
async fn what_cannot_start_is_refused() {
    let (root, log) = root(Strategy::OneForOne, 5, 60_000);
    root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    let twice = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log));
    assert!(matches!(twice, Err(StartError::Duplicate { .. })));
    let broken = root.start::<Probe, _>(ChildSpec::permanent("b"), |_| panic!("no luck"));
    assert!(matches!(broken, Err(StartError::Panicked { reason, .. }) if reason == "no luck"));
    root.shutdown().await;
    let late = root.start(ChildSpec::permanent("c"), |_| Probe::new("c", &log));
    assert!(matches!(late, Err(StartError::NotRunning { .. })));
}

/// An actor whose `restarting` was written by hand and forgets to rebuild.
struct Unwired;

impl Actor for Unwired {
    type Context = Context<Self>;
}

impl actix::Supervised for Unwired {}

impl Handler<Crash> for Unwired {
    type Result = ();
    fn handle(&mut self, crash: Crash, _: &mut Context<Self>) {
        panic!("{}", crash.0);
    }
}

impl Restartable for Unwired {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {}
}

#[actix::test]
async fn an_actor_that_would_run_on_with_a_broken_state_is_failed_instead() {
    let (root, log) = root(Strategy::OneForOne, 1, 60_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Unwired).unwrap();
    assert!(addr.send(Crash("first".into())).await.is_err());
    settle().await;
    assert_eq!(log.take().iter().filter(|line| line.contains("use `supervised!`")).count(), 1);
    assert!(!addr.connected());
}

#[actix::test]
async fn a_listener_that_panics_harms_nobody() {
    let (_, log) = root(Strategy::OneForOne, 1, 1);
    let hooks = Hooks {
        on_event: Box::new(|_| panic!("listener")),
        on_meltdown: Box::new(|| panic!("meltdown")),
        jitter: Box::new(|| panic!("jitter")),
    };
    let root = Supervisor::root("root", Strategy::OneForOne, Intensity::new(1, 1_000), hooks);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "first").await;
    assert_eq!(addr.send(Run).await.unwrap(), 1);
    crash(&addr, "second").await;
    root.shutdown().await;
    assert_eq!(root.children(), []);
    assert_ne!(log.take(), NONE);
}

#[actix::test]
async fn a_restart_on_request_overtakes_the_backoff_and_counts_for_nobody() {
    let (root, log) = root(Strategy::OneForOne, 2, 60_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "first").await;
    crash(&addr, "second").await;
    settle().await;
    let start = tokio::time::Instant::now();
    assert!(root.restart_child("a") && root.restart_child("a") && !root.restart_child("z"));
    assert_eq!(addr.send(Run).await.unwrap(), 2);
    assert_eq!(start.elapsed().as_millis(), 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(addr.send(Run).await.unwrap(), 2, "the older timer does nothing");
    assert!(log.contains("a rebuilt: asked to"));
}

#[actix::test]
async fn a_listener_may_look_at_the_tree_and_stop_it() {
    let (_, log) = root(Strategy::OneForOne, 1, 1);
    let tree: std::rc::Rc<std::cell::OnceCell<Supervisor>> = std::rc::Rc::default();
    let (own, seen) = (tree.clone(), log.clone());
    let on_event = move |event: SupervisionEvent| {
        let Some(root) = own.get() else { return };
        seen.add(format!("{} children at {}", root.children().len(), line(&event)));
        if matches!(event, SupervisionEvent::ChildPanicked { .. }) {
            drop(root.shutdown());
        }
    };
    let hooks =
        Hooks { on_event: Box::new(on_event), on_meltdown: Box::new(|| {}), jitter: Box::new(|| 0.5) };
    let root = Supervisor::root("root", Strategy::OneForOne, Intensity::new(1, 1_000), hooks);
    tree.set(root.clone()).ok().unwrap();
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "boom").await;
    root.shutdown().await;
    assert!(log.contains("1 children at ! root/a boom") && log.contains("a dropped"));
    assert!(!addr.connected());
}

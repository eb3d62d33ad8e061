use std::time::Duration;

use super::*;

struct Tree {
    root: Supervisor,
    log: Log,
    services: Supervisor,
    sink: Addr<Probe>,
    first: Addr<Probe>,
    second: Addr<Probe>,
}

/// root (1 restart) -> services (1 restart) -> first, second; beside it a sink.
fn tree(spec: ChildSpec) -> Tree {
    let (root, log) = root(Strategy::OneForOne, 1, 60_000);
    let services = root.supervisor(spec, Strategy::OneForOne, Intensity::new(1, 60_000)).unwrap();
    let first = services.start(ChildSpec::permanent("first"), |_| Probe::new("first", &log)).unwrap();
    let second = services.start(ChildSpec::permanent("second"), |_| Probe::new("second", &log)).unwrap();
    let sink = root.start(ChildSpec::permanent("sink"), |_| Probe::new("sink", &log)).unwrap();
    Tree { root, log, services, sink, first, second }
}

#[actix::test]
async fn a_supervisor_that_gives_up_is_restarted_behind_its_childrens_addresses() {
    let tree = tree(ChildSpec::supervisor("services"));
    crash(&tree.first, "one").await;
    assert_eq!(tree.first.send(Run).await.unwrap(), 1);
    tree.log.take();
    let fatal = tree.first.send(Crash("two".into()));
    let queued = [tree.first.send(Run), tree.second.send(Run)];
    assert!(fatal.await.is_err());
    let [first, second] = queued.map(|answer| async { answer.await.unwrap() });
    assert_eq!((first.await, second.await), (2, 0), "second had answered before it was stopped");
    assert_eq!(tree.second.send(Run).await.unwrap(), 1);
    assert_eq!(tree.sink.send(Run).await.unwrap(), 0);
    assert_eq!(
        tree.log.take(),
        [
            "! root/services/first two",
            "^ root/services 1",
            "second stopped",
            "- root/services/second asked to",
            "~ root/services #1",
            "~ root/services/first #0",
            "first rebuilt: restarted with its supervisor",
            "first started",
            "~ root/services/second #0",
            "second rebuilt: restarted with its supervisor",
            "second started",
        ]
    );
}

#[actix::test]
async fn two_levels_exceeded_melt_the_root_in_reverse_order() {
    let tree = tree(ChildSpec::supervisor("services"));
    for reason in ["one", "two", "three"] {
        crash(&tree.first, reason).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
    }
    assert_eq!(tree.first.send(Run).await.unwrap(), 3);
    tree.log.take();
    crash(&tree.first, "four").await;
    settle().await;
    assert_eq!(
        tree.log.take(),
        [
            "! root/services/first four",
            "^ root/services 1",
            "second stopped",
            "- root/services/second asked to",
            "^ root 1",
            "sink stopped",
            "sink dropped",
            "- root/sink asked to",
            "second dropped",
            "- root/services/second asked to",
            "first dropped",
            "- root/services/first asked to",
            "- root/services asked to",
            "x root",
            "melted",
        ]
    );
    assert!(!tree.first.connected() && !tree.second.connected() && !tree.sink.connected());
    assert!(tree.root.children().is_empty());
    assert!(tree.root.shutdown().await.timed_out.is_empty(), "what is gone is shut down");
}

#[actix::test]
async fn a_temporary_supervisor_that_gives_up_takes_its_children_along() {
    let spec = ChildSpec::temporary("services").shutdown(Shutdown::Infinity);
    let tree = tree(spec);
    crash(&tree.first, "one").await;
    assert_eq!(tree.first.send(Run).await.unwrap(), 1);
    crash(&tree.first, "two").await;
    settle().await;
    assert!(!tree.first.connected() && !tree.second.connected());
    assert_eq!(tree.sink.send(Run).await.unwrap(), 0);
    assert!(tree.log.contains("- root/services restarted its children too often"));
    let late = tree.services.start(ChildSpec::permanent("x"), |_| Probe::new("x", &tree.log));
    assert!(matches!(late, Err(StartError::NotRunning { .. })));
}

#[actix::test]
async fn a_shutdown_during_an_escalation_wins() {
    let tree = tree(ChildSpec::supervisor("services"));
    let slow = |_: &mut _| Probe::new("slow", &tree.log).stopping(Stopping::After(500));
    let slow = tree.services.start(ChildSpec::permanent("slow"), slow).unwrap();
    crash(&tree.first, "one").await;
    assert_eq!(tree.first.send(Run).await.unwrap(), 1);
    crash(&tree.first, "two").await;
    settle().await;
    assert!(slow.connected(), "the escalation waits for it");
    assert!(tree.root.shutdown().await.timed_out.is_empty());
    for name in ["first", "second", "slow", "sink"] {
        assert!(tree.log.contains(&format!("{name} dropped")), "{name}");
    }
    assert!(!tree.log.contains("melted"));
}

#[actix::test]
async fn a_supervisor_is_restarted_with_its_sibling() {
    let (root, log) = root(Strategy::OneForAll, 3, 60_000);
    let store = root.start(ChildSpec::permanent("store"), |_| Probe::new("store", &log)).unwrap();
    let roles = root
        .supervisor(ChildSpec::supervisor("roles"), Strategy::OneForOne, Intensity::new(1, 60_000))
        .unwrap();
    let role = roles.start(ChildSpec::permanent("dev"), |_| Probe::new("dev", &log)).unwrap();
    crash(&store, "boom").await;
    assert_eq!(role.send(Run).await.unwrap(), 1);
    assert_eq!(store.send(Run).await.unwrap(), 1);
}

use super::*;

fn three(root: &Supervisor, log: &Log) -> [Addr<Probe>; 3] {
    ["a", "b", "c"].map(|name| root.start(ChildSpec::permanent(name), |_| Probe::new(name, log)).unwrap())
}

async fn runs(addrs: &[Addr<Probe>; 3]) -> [u32; 3] {
    let [a, b, c] = addrs;
    [a.send(Run).await.unwrap(), b.send(Run).await.unwrap(), c.send(Run).await.unwrap()]
}

/// The second of three fails: who is restarted, and what the three did in which order.
async fn share(strategy: Strategy) -> ([u32; 3], Vec<String>) {
    let (root, log) = root(strategy, 3, 1_000);
    let addrs = three(&root, &log);
    settle().await;
    log.take();
    crash(&addrs[1], "boom").await;
    let runs = runs(&addrs).await;
    let lines = log.take().into_iter().filter(|line| line.starts_with(['a', 'b', 'c'])).collect();
    (runs, lines)
}

#[actix::test]
async fn one_for_one_restarts_the_failed_child_alone() {
    let (runs, lines) = share(Strategy::OneForOne).await;
    assert_eq!(runs, [0, 1, 0]);
    assert_eq!(lines, ["b rebuilt: panicked: boom", "b started"]);
}

#[actix::test]
async fn rest_for_one_restarts_the_later_ones_after_it() {
    let (runs, lines) = share(Strategy::RestForOne).await;
    assert_eq!(runs, [0, 1, 1]);
    let expected =
        ["b rebuilt: panicked: boom", "b started", "c rebuilt: restarted with its sibling b", "c started"];
    assert_eq!(lines, expected);
}

#[actix::test]
async fn one_for_all_restarts_everybody_in_start_order() {
    let (runs, lines) = share(Strategy::OneForAll).await;
    assert_eq!(runs, [1, 1, 1]);
    let expected = [
        "a rebuilt: restarted with its sibling b",
        "a started",
        "b rebuilt: panicked: boom",
        "b started",
        "c rebuilt: restarted with its sibling b",
        "c started",
    ];
    assert_eq!(lines, expected);
}

#[actix::test]
async fn a_siblings_restart_comes_before_its_next_message() {
    let (root, log) = root(Strategy::OneForAll, 3, 1_000);
    let addrs = three(&root, &log);
    runs(&addrs).await;
    // c is woken by its own message before a fails, and handles it only after the restart.
    addrs[0].try_send(Crash("boom".into())).unwrap();
    assert_eq!(addrs[2].send(Run).await.unwrap(), 1);
}

#[actix::test]
async fn a_group_waits_for_the_one_that_backs_off() {
    let (root, log) = root(Strategy::RestForOne, 9, 1_000);
    let addrs = three(&root, &log);
    crash(&addrs[1], "first").await;
    crash(&addrs[1], "second").await;
    let start = tokio::time::Instant::now();
    assert_eq!(addrs[0].send(Run).await.unwrap(), 0, "the one before goes on");
    assert_eq!(start.elapsed().as_millis(), 0);
    assert_eq!(addrs[2].send(Run).await.unwrap(), 2);
    assert!((1_000..=1_001).contains(&start.elapsed().as_millis()));
}

#[actix::test]
async fn a_wider_restart_overtakes_a_backoff_once_and_for_all() {
    let (root, log) = root(Strategy::RestForOne, 9, 1_000);
    let addrs = three(&root, &log);
    crash(&addrs[1], "first").await;
    crash(&addrs[1], "second").await;
    crash(&addrs[0], "wider").await;
    let start = tokio::time::Instant::now();
    assert_eq!(runs(&addrs).await, [1, 2, 2]);
    assert_eq!(start.elapsed().as_millis(), 0);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(runs(&addrs).await, [1, 2, 2], "the older timer does nothing");
}

#[actix::test]
async fn a_temporary_sibling_goes_down_with_the_others_and_stays_down() {
    let (root, log) = root(Strategy::OneForAll, 3, 1_000);
    let lasting = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    let passing = root.start(ChildSpec::temporary("t"), |_| Probe::new("t", &log)).unwrap();
    crash(&lasting, "boom").await;
    assert_eq!(lasting.send(Run).await.unwrap(), 1);
    settle().await;
    assert!(!passing.connected());
    assert!(log.contains("- root/t restarted with its sibling a"));
}

#[actix::test]
async fn the_end_of_a_child_that_does_not_come_back_moves_no_sibling() {
    let (root, log) = root(Strategy::OneForAll, 3, 1_000);
    let lasting = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    let passing = root.start(ChildSpec::temporary("t"), |_| Probe::new("t", &log)).unwrap();
    crash(&passing, "boom").await;
    settle().await;
    assert_eq!(lasting.send(Run).await.unwrap(), 0);
}

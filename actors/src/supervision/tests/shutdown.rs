use super::*;

#[actix::test]
async fn children_stop_in_reverse_start_order_across_levels() {
    let (root, log) = root(Strategy::OneForOne, 3, 1_000);
    let start = |sup: &Supervisor, name: &'static str| {
        sup.start(ChildSpec::permanent(name), |_| Probe::new(name, &log)).unwrap();
    };
    start(&root, "log");
    let roles = root
        .supervisor(ChildSpec::supervisor("roles"), Strategy::OneForOne, Intensity::new(3, 1_000))
        .unwrap();
    start(&roles, "dev-a");
    start(&roles, "dev-b");
    start(&root, "sink");
    settle().await;
    log.take();
    assert_eq!(root.shutdown().await, ShutdownReport::default());
    let stopped: Vec<String> = log.take().into_iter().filter(|line| line.ends_with("stopped")).collect();
    assert_eq!(stopped, ["sink stopped", "dev-b stopped", "dev-a stopped", "log stopped"]);
}

#[actix::test]
async fn who_takes_too_long_is_killed_and_named() {
    let (root, log) = root(Strategy::OneForOne, 3, 1_000);
    let add = |name: &'static str, shutdown, stopping| {
        let spec = ChildSpec::permanent(name).shutdown(shutdown);
        root.start(spec, |_| Probe::new(name, &log).stopping(stopping)).unwrap()
    };
    let kept = add("never", Shutdown::TimeoutMs(2_000), Stopping::Never);
    add("slow", Shutdown::TimeoutMs(2_000), Stopping::After(1_000));
    add("brutal", Shutdown::Brutal, Stopping::AtOnce);
    add("bounded", Shutdown::Infinity, Stopping::Never);
    add("bad", Shutdown::TimeoutMs(2_000), Stopping::Panics);
    settle().await;
    log.take();
    let start = tokio::time::Instant::now();
    let report = root.shutdown().await;
    assert_eq!(
        report.timed_out.iter().map(|path| &**path).collect::<Vec<_>>(),
        ["root/bounded", "root/never"]
    );
    let waited = start.elapsed().as_millis() as u64;
    let expected = Shutdown::INFINITY_MS + 1_000 + 2_000;
    assert!((expected..expected + 5).contains(&waited), "{waited}");
    assert!(!kept.connected());
    assert_eq!(
        log.take(),
        [
            "! root/bad in stopping",
            "bad dropped",
            "- root/bad asked to",
            "t root/bounded 300000",
            "bounded dropped",
            "- root/bounded asked to",
            "brutal dropped",
            "- root/brutal asked to",
            "slow stopped",
            "slow dropped",
            "- root/slow asked to",
            "t root/never 2000",
            "never dropped",
            "- root/never asked to",
        ]
    );
}

#[actix::test]
async fn a_shutdown_does_not_wait_for_a_backoff_and_goes_on_undriven() {
    let (root, log) = root(Strategy::OneForOne, 9, 1_000);
    let addr = root.start(ChildSpec::permanent("a"), |_| Probe::new("a", &log)).unwrap();
    crash(&addr, "first").await;
    crash(&addr, "second").await;
    let waiting = addr.send(Run);
    settle().await;
    drop(root.shutdown());
    assert!(matches!(waiting.await, Err(MailboxError::Closed)));
    root.shutdown().await;
    assert!(log.contains("a dropped"));
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(log.take().last().map(String::as_str), Some("- root/a asked to"));
}

#[actix::test]
async fn a_supervisor_past_its_limit_is_killed_with_its_children() {
    let (root, log) = root(Strategy::OneForOne, 9, 1_000);
    let spec = ChildSpec::permanent("roles").shutdown(Shutdown::TimeoutMs(100));
    let roles = root.supervisor(spec, Strategy::OneForOne, Intensity::new(3, 1_000)).unwrap();
    let make = |_: &mut _| Probe::new("dev", &log).stopping(Stopping::Never);
    let addr = roles.start(ChildSpec::permanent("dev"), make).unwrap();
    settle().await;
    let report = root.shutdown().await;
    assert_eq!(report.timed_out, ["root/roles".into()]);
    assert!(!addr.connected() && log.contains("dev dropped"));
}

#[actix::test]
async fn a_supervisor_shut_down_alone_is_forgotten_by_its_parent() {
    let (root, log) = root(Strategy::OneForAll, 9, 1_000);
    let other = root.start(ChildSpec::permanent("other"), |_| Probe::new("other", &log)).unwrap();
    let roles = root
        .supervisor(ChildSpec::supervisor("roles"), Strategy::OneForOne, Intensity::new(3, 1_000))
        .unwrap();
    let addr = roles.start(ChildSpec::permanent("dev"), |_| Probe::new("dev", &log)).unwrap();
    roles.shutdown().await;
    settle().await;
    assert!(!addr.connected());
    crash(&other, "boom").await;
    assert_eq!(other.send(Run).await.unwrap(), 1);
    assert_eq!(root.children().len(), 1);
}

//! Random schedules of everything that can happen to a tree, and what must hold afterwards.

use std::time::Duration;

use super::*;

/// Numbers from a seed (xorshift), so that a schedule that fails can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn strategy(&mut self) -> Strategy {
        [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][self.below(3) as usize]
    }

    fn spec(&mut self, id: &str) -> ChildSpec {
        let spec = match self.below(5) {
            0 => ChildSpec::temporary(id),
            1 => ChildSpec::transient(id),
            _ => ChildSpec::permanent(id),
        };
        match self.below(4) {
            0 => spec.shutdown(Shutdown::Brutal),
            _ => spec.shutdown(Shutdown::TimeoutMs(1 + self.below(3_000))),
        }
    }

    fn probe(&mut self, log: &Log) -> Probe {
        let stopping = match self.below(6) {
            0 => Stopping::After(self.below(2_000)),
            1 => Stopping::Never,
            2 => Stopping::Panics,
            _ => Stopping::AtOnce,
        };
        Probe::new("p", log).stopping(stopping).bad_rebuilds(self.below(8).saturating_sub(5) as u32)
    }
}

const NAMES: [&str; 4] = ["w", "x", "y", "z"];

/// Something happens to one of the supervisors or their children.
async fn happen(dice: &mut Dice, supervisors: &[Supervisor], addrs: &mut Vec<Addr<Probe>>, log: &Log) {
    let supervisor = &supervisors[dice.below(supervisors.len() as u64) as usize];
    let name = NAMES[dice.below(4) as usize];
    let addr = addrs.get(dice.below(addrs.len() as u64 + 1) as usize).cloned();
    match (dice.below(12), addr) {
        (0..=3, Some(addr)) => drop(addr.try_send(Crash("random".into()))),
        (4, Some(addr)) => drop(addr.try_send(Fail)),
        (5, Some(addr)) => drop(addr.try_send(Quit)),
        (6, Some(addr)) => drop(addr.try_send(PanicInFuture)),
        (7, _) => drop(supervisor.stop_child(name)),
        (8, _) => drop(supervisor.restart_child(name)),
        (9, _) => tokio::time::sleep(Duration::from_millis(dice.below(20_000))).await,
        (10, _) if &*supervisor.path() != "root" && dice.below(3) == 0 => drop(supervisor.shutdown()),
        _ => {
            let (spec, probe) = (dice.spec(name), dice.probe(log));
            addrs.extend(supervisor.start(spec, |_| probe));
        }
    }
    for _ in 0..dice.below(6) {
        tokio::task::yield_now().await;
    }
}

async fn schedule(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (root, log) = root(dice.strategy(), 3, 10_000);
    let mut supervisors = vec![root.clone()];
    for id in ["services", "roles"] {
        let above = supervisors[dice.below(supervisors.len() as u64) as usize].clone();
        let (strategy, limit) = (dice.strategy(), Intensity::new(2, 10_000));
        supervisors.extend(above.supervisor(ChildSpec::supervisor(id), strategy, limit));
    }
    let mut addrs = Vec::new();
    for _ in 0..60 {
        happen(&mut dice, &supervisors, &mut addrs, &log).await;
    }
    // Whatever backs off or stops has had its time: what is still in the tree runs, and answers.
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let still: Vec<ChildStatus> = root.children().into_iter().filter(|child| !child.running).collect();
    assert_eq!(still, [], "seed {seed}: {:?}", log.take());
    for addr in addrs.iter().filter(|addr| addr.connected()) {
        assert!(addr.send(Run).await.is_ok(), "seed {seed}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(3_600), root.shutdown()).await;
    assert!(ended.is_ok(), "seed {seed}: the shutdown does not end");
    assert!(addrs.iter().all(|addr| !addr.connected()), "seed {seed}");
    let lines = log.take();
    let count = |what: &str| lines.iter().filter(|line| *line == what).count();
    assert!(count("p dropped") >= addrs.len(), "seed {seed}: every actor is dropped");
    assert!(count("x root") <= 1 && count("melted") == count("x root"), "seed {seed}");
}

#[test]
fn no_schedule_leaves_a_child_hanging() {
    for seed in 1..=300 {
        actix::System::new().block_on(schedule(seed));
    }
}

//! Panic to the next answer: how long a restart takes, as the next sender sees it.
//!
//! Prints p50 and p99 for each strategy beside two limits of the same run: a bare same-arbiter
//! `send`, and a bare panic with `catch_unwind`. Run with `cargo bench -p foureyes-actors --bench supervision`.

use std::panic::catch_unwind;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message};
use foureyes_actors::supervised;
use foureyes_actors::supervision::{
    BackoffPolicy, ChildSpec, Crash, ExitCause, Hooks, Intensity, Restartable, Strategy, Supervisor,
    install_panic_hook,
};
use tokio::time::Instant;

const ROUNDS: usize = 5_000;
const WARM_UP: usize = 500;

struct Echo(u32);

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Restartable for Echo {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        *self = Self(0);
    }
}

supervised!(Echo);

#[derive(Message)]
#[rtype(result = "u32")]
struct Ask;

impl Handler<Ask> for Echo {
    type Result = u32;

    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn tree(strategy: Strategy) -> [Addr<Echo>; 3] {
    let hooks = Hooks { on_event: Box::new(drop), on_meltdown: Box::new(|| {}), jitter: Box::new(|| 0.5) };
    let root = Supervisor::root("root", strategy, Intensity::new(u32::MAX, 1), hooks);
    // Every failure counts as the first one, which restarts at once.
    let backoff = BackoffPolicy { reset_after_ms: 0, ..BackoffPolicy::default() };
    ["a", "b", "c"].map(|id| {
        let spec = ChildSpec::permanent(id).backoff(backoff);
        root.start(spec, |_| Echo(0)).expect("the id is free and the supervisor runs")
    })
}

async fn ask_all(addrs: &[Addr<Echo>]) {
    for addr in addrs {
        addr.send(Ask).await.expect("a supervised actor answers");
    }
}

/// The first of three fails; then all that the strategy restarts must answer.
async fn recovery(strategy: Strategy, asked: usize) -> Vec<Duration> {
    let addrs = tree(strategy);
    ask_all(&addrs).await;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS + WARM_UP {
        let start = Instant::now();
        addrs[0].try_send(Crash("bench".to_owned())).expect("the mailbox is empty");
        ask_all(&addrs[..asked]).await;
        times.push(start.elapsed());
    }
    times.split_off(WARM_UP)
}

async fn bare_send() -> Vec<Duration> {
    let addr = Echo(0).start();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS + WARM_UP {
        let start = Instant::now();
        addr.send(Ask).await.expect("the actor lives");
        times.push(start.elapsed());
    }
    times.split_off(WARM_UP)
}

fn bare_panic() -> Vec<Duration> {
    std::panic::set_hook(Box::new(|_| {}));
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS + WARM_UP {
        let start = Instant::now();
        drop(catch_unwind(|| panic!("bench")));
        times.push(start.elapsed());
    }
    times.split_off(WARM_UP)
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_nanos() as f64 / 1_000.0;
    println!("{name:<34} p50 {:>8.2} us   p99 {:>8.2} us", at(50), at(99));
}

fn main() {
    let limit = bare_panic();
    install_panic_hook();
    actix::System::new().block_on(async {
        print("limit: bare panic and catch", limit);
        print("limit: send on the same arbiter", bare_send().await);
        print("one-for-one, 1 answers", recovery(Strategy::OneForOne, 1).await);
        print("one-for-all, 3 answer", recovery(Strategy::OneForAll, 3).await);
        print("rest-for-one, 3 answer", recovery(Strategy::RestForOne, 3).await);
    });
}

//! Senders: each says something, waits until it is durable, and says the next.

use crate::world::agent;
use foureyes_actors::core::CoreHandle;
use foureyes_ports::governance::{Draft, Receipt};
use foureyes_protocol::{
    Address, Code, PrincipalId, Reason,
    body::{Question, StatusReport},
};
use std::time::Duration;
use tokio::{task::JoinSet, time::Instant};

/// Bytes of the text of one message.
pub const TEXT: usize = 512;

/// What senders do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many send at the same time.
    pub senders: usize,
    /// For how long.
    pub time: Duration,
    /// Whether each sends to its neighbour, reads its own inbox and acknowledges what it finds;
    /// else status reports go to the user.
    pub read: bool,
}

/// What one sender saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// What was acknowledged to it.
    pub receipts: Vec<Receipt>,
    /// How long each took.
    pub times: Vec<Duration>,
    /// Refusals by the rate limit.
    pub limited: u64,
    /// Other refusals.
    pub refused: Vec<Reason>,
    /// Records that were found in its inbox, in order.
    pub read: Vec<u64>,
}

/// All senders together.
#[derive(Debug, Default)]
pub struct Outcome {
    /// From the first send to the last answer.
    pub whole: Duration,
    /// By sender.
    pub each: Vec<Seen>,
}

impl Outcome {
    /// Acknowledged envelopes.
    pub fn receipts(&self) -> impl Iterator<Item = &Receipt> {
        self.each.iter().flat_map(|s| &s.receipts)
    }

    /// Acknowledged envelopes a second.
    pub fn rate(&self) -> f64 {
        self.receipts().count() as f64 / self.whole.as_secs_f64().max(f64::EPSILON)
    }

    /// Every latency.
    pub fn times(&self) -> Vec<Duration> {
        self.each.iter().flat_map(|s| s.times.iter().copied()).collect()
    }
}

/// A text of [`TEXT`] bytes as people write, so that the secrets scan has words to look at.
pub fn text() -> String {
    const WORDS: &str = "the parser keeps its place in src/parser.rs:120, three tests pass, one is open; ";
    WORDS.chars().cycle().take(TEXT).collect()
}

/// Runs the load.
pub async fn run(core: &CoreHandle, load: Load) -> Outcome {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..load.senders {
        tasks.spawn(sender(core.clone(), number, load, start + load.time));
    }
    // A sender that panics has broken its own test; what the others saw still counts.
    let each = tasks.join_all().await;
    Outcome { whole: start.elapsed(), each }
}

async fn sender(core: CoreHandle, number: usize, load: Load, until: Instant) -> Seen {
    let (me, mut seen, text) = (agent(number), Seen::default(), text());
    let neighbour = agent((number + 1) % load.senders);
    while Instant::now() < until {
        let from = Instant::now();
        match core.say(&me, draft(&load, &neighbour, &text)).await {
            Ok(receipt) => {
                seen.times.push(from.elapsed());
                seen.receipts.push(receipt);
            }
            Err(reason) if reason.code == Code::Rate => {
                seen.limited += 1;
                // The refusal says when the next is free; asking all the time is not what it measures.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(reason) => seen.refused.push(reason),
        }
        if load.read {
            read(&core, &me, &mut seen).await;
        }
    }
    seen
}

fn draft(load: &Load, neighbour: &PrincipalId, text: &str) -> Draft {
    if load.read && load.senders > 1 {
        let question = Question { text: text.to_owned(), options: Vec::new() };
        return Draft::new(Address::One(neighbour.clone()), question);
    }
    Draft::new(Address::user(), StatusReport { text: text.to_owned() })
}

/// Reads what came and acknowledges it, one by one, as an agent does.
async fn read(core: &CoreHandle, me: &PrincipalId, seen: &mut Seen) {
    for item in core.inbox(me, 16).await {
        seen.read.push(item.record);
        if let Err(reason) = core.acknowledge(me, item.id).await {
            seen.refused.push(reason);
        }
    }
}

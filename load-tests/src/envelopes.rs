//! Envelopes a second through the registry, beside a bare group commit in the same run.

use crate::{
    audit::{Audit, audit},
    bare::{self, Bare},
    error::{Failure, io},
    measure::{Latency, median, processor_time, resident_bytes},
    senders::{self, Load, Outcome, TEXT},
    world::{self, Limits, RAISED},
};
use foureyes_ports::governance::Receipt;
use serde::Serialize;
use std::{fmt, time::Duration};

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Agents in the team, at least as many as senders.
    pub agents: usize,
    /// The load.
    pub load: Load,
    /// Rounds; the core and the bare database take turns, so that a slow moment meets both.
    pub rounds: usize,
}

/// One round of the core.
struct Round {
    outcome: Outcome,
    audit: Audit,
    /// Memory that the core took to start, before any message.
    memory: u64,
    /// Processor time of one envelope, senders and ledger included, in microseconds.
    cpu_us: f64,
}

/// The numbers.
#[derive(Debug, Serialize)]
pub struct Report {
    senders: usize,
    agents: usize,
    rounds: usize,
    text_bytes: usize,
    envelope_bytes: u64,
    limits: String,
    envelopes_per_second: f64,
    latency: Latency,
    cpu_us_per_envelope: f64,
    delivered_and_acknowledged: u64,
    bare_per_second: f64,
    bare_latency: Latency,
    bare_cpu_us_per_row: f64,
    ratio: f64,
    memory_per_agent: u64,
    audit: Audit,
    default_limits: DefaultLimits,
}

/// The same with the limits of the default configuration.
#[derive(Debug, Serialize)]
struct DefaultLimits {
    seconds: f64,
    admitted: u64,
    refused: u64,
    most_by_one: u64,
}

/// Runs all rounds and a short one with the default limits.
///
/// # Errors
/// [`Failure`]; [`Failure::Broken`] when something acknowledged was lost or done twice.
pub async fn run(plan: Plan) -> Result<Report, Failure> {
    let (mut rounds, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let round = one(plan, Limits::Raised, plan.load.time).await?;
        let dir = tempfile::tempdir().map_err(io("a directory for the bare database"))?;
        bares.push(
            bare::run(dir.path(), plan.load.senders, plan.load.time, round.audit.bytes as usize).await?,
        );
        rounds.push(round);
    }
    let limited = one(plan, Limits::Default, Duration::from_secs(2)).await?;
    Ok(report(plan, rounds, bares, &limited))
}

async fn one(plan: Plan, limits: Limits, time: Duration) -> Result<Round, Failure> {
    let dir = tempfile::tempdir().map_err(io("a directory for the ledger"))?;
    let before = resident_bytes();
    let core = world::start(dir.path(), world::config(plan.agents, limits)).await?;
    let memory = resident_bytes().saturating_sub(before);
    let cpu = processor_time();
    let outcome = senders::run(&core.handle, Load { time, ..plan.load }).await;
    let cpu = (processor_time() - cpu).as_secs_f64() * 1e6 / outcome.receipts().count().max(1) as f64;
    world::stop(core).await;
    check(&outcome)?;
    let receipts: Vec<Receipt> = outcome.receipts().copied().collect();
    let audit = audit(dir.path(), &receipts).await?.verdict()?;
    if audit.untold != 0 {
        return Err(Failure::Broken(format!("{} envelopes are in the ledger unanswered", audit.untold)));
    }
    Ok(Round { outcome, audit, memory, cpu_us: cpu })
}

/// Nothing but the rate limit may refuse, and nothing is delivered again after its acknowledgement.
fn check(outcome: &Outcome) -> Result<(), Failure> {
    if let Some(reason) = outcome.each.iter().flat_map(|s| &s.refused).next() {
        return Err(Failure::Broken(format!("a sender was refused: {reason}")));
    }
    for seen in &outcome.each {
        let mut read = seen.read.clone();
        read.sort_unstable();
        read.dedup();
        if read.len() != seen.read.len() {
            return Err(Failure::Broken("an acknowledged envelope was delivered again".to_owned()));
        }
    }
    Ok(())
}

fn report(plan: Plan, rounds: Vec<Round>, bares: Vec<Bare>, limited: &Round) -> Report {
    let ratios = rounds.iter().zip(&bares).map(|(r, b)| r.outcome.rate() / b.rate).collect();
    let sum = |pick: fn(&Audit) -> u64| rounds.iter().map(|r| pick(&r.audit)).sum();
    let read = rounds.iter().flat_map(|r| &r.outcome.each).map(|s| s.read.len() as u64).sum();
    let most = limited.outcome.each.iter().map(|s| s.receipts.len() as u64).max();
    let middle = |pick: fn(&Latency) -> f64| median(bares.iter().map(|b| pick(&b.latency)).collect());
    Report {
        senders: plan.load.senders,
        agents: plan.agents,
        rounds: plan.rounds,
        text_bytes: TEXT,
        envelope_bytes: rounds.first().map_or(0, |r| r.audit.bytes),
        limits: format!("messages raised to {RAISED} a burst, minute, hour and day for this run"),
        envelopes_per_second: median(rounds.iter().map(|r| r.outcome.rate()).collect()),
        latency: Latency::of(rounds.iter().flat_map(|r| r.outcome.times()).collect()),
        cpu_us_per_envelope: median(rounds.iter().map(|r| r.cpu_us).collect()),
        delivered_and_acknowledged: read,
        bare_per_second: median(bares.iter().map(|b| b.rate).collect()),
        bare_latency: Latency {
            p50_us: middle(|l| l.p50_us),
            p99_us: middle(|l| l.p99_us),
            p999_us: middle(|l| l.p999_us),
            max_us: middle(|l| l.max_us),
        },
        bare_cpu_us_per_row: median(bares.iter().map(|b| b.cpu_us).collect()),
        ratio: median(ratios),
        // Of the first round: later ones find memory that the allocator has kept.
        memory_per_agent: rounds.first().map_or(0, |r| r.memory / plan.agents.max(1) as u64),
        audit: Audit {
            records: sum(|a| a.records),
            acknowledged: sum(|a| a.acknowledged),
            lost: sum(|a| a.lost),
            twice: sum(|a| a.twice),
            untold: sum(|a| a.untold),
            bytes: rounds.first().map_or(0, |r| r.audit.bytes),
        },
        default_limits: DefaultLimits {
            seconds: limited.outcome.whole.as_secs_f64(),
            admitted: limited.outcome.receipts().count() as u64,
            refused: limited.outcome.each.iter().map(|s| s.limited).sum(),
            most_by_one: most.unwrap_or(0),
        },
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, rate: f64, l: &Latency) -> fmt::Result {
    writeln!(
        f,
        "{name:<12} {rate:>9.0}/s   p50 {:>8.0} us   p99 {:>8.0} us   p99.9 {:>8.0} us   max {:>8.0} us",
        l.p50_us, l.p99_us, l.p999_us, l.max_us
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} senders, {} agents, text of {} bytes in envelopes of {}, median of {} rounds",
            self.senders, self.agents, self.text_bytes, self.envelope_bytes, self.rounds
        )?;
        writeln!(f, "limits: {}", self.limits)?;
        line(f, "envelopes", self.envelopes_per_second, &self.latency)?;
        line(f, "bare SQLite", self.bare_per_second, &self.bare_latency)?;
        writeln!(f, "ratio {:.2} of a bare group commit of the same bytes", self.ratio)?;
        writeln!(
            f,
            "processor time: {:.1} us an envelope, {:.1} us a bare row, senders included",
            self.cpu_us_per_envelope, self.bare_cpu_us_per_row
        )?;
        if self.delivered_and_acknowledged > 0 {
            writeln!(f, "read and acknowledged by their receivers: {}", self.delivered_and_acknowledged)?;
        }
        writeln!(
            f,
            "memory: {} KiB an agent at the start, without its process",
            self.memory_per_agent / 1_024
        )?;
        let (a, d) = (&self.audit, &self.default_limits);
        writeln!(
            f,
            "ledger read back: {} records, {} acknowledged, {} lost, {} twice",
            a.records, a.acknowledged, a.lost, a.twice
        )?;
        writeln!(
            f,
            "default limits, {:.1} s: {} admitted (at most {} by one agent), {} refused by the rate limit",
            d.seconds, d.admitted, d.most_by_one, d.refused
        )
    }
}

//! Kills the runtime in the middle of its work, again and again over one ledger, and looks whether
//! everything that was acknowledged is there.

use crate::{
    audit::{Audit, audit},
    error::{Failure, io},
    senders,
    world::{self, Limits},
};
use foureyes_ledger::host::OsEntropy;
use foureyes_ports::{clock::Entropy, governance::Receipt};
use foureyes_protocol::{Address, MessageId, body::StatusReport};
use serde::Serialize;
use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What kills found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How often the runtime was killed.
    pub kills: usize,
    /// Milliseconds that the slowest start after a kill took until it had acknowledged something.
    pub slowest_start_ms: u64,
    /// The ledger at the end.
    pub audit: Audit,
}

/// Kills `times` times, each at a random moment.
///
/// # Errors
/// [`Failure::Broken`] when something acknowledged is missing, or there twice.
pub fn run(senders: usize, times: usize) -> Result<Report, Failure> {
    let dir = tempfile::tempdir().map_err(io("a directory for the ledger"))?;
    let runtime = tokio::runtime::Runtime::new().map_err(io("a runtime"))?;
    let (mut receipts, mut slowest, mut found) = (Vec::new(), Duration::ZERO, Audit::default());
    for _ in 0..times {
        let (told, started) = one(dir.path(), senders)?;
        receipts.extend(told);
        slowest = slowest.max(started);
        found = runtime.block_on(audit(dir.path(), &receipts))?.verdict()?;
    }
    Ok(Report { kills: times, slowest_start_ms: slowest.as_millis() as u64, audit: found })
}

/// One life: what it acknowledged before it was killed, and how long it took to acknowledge anything.
fn one(dir: &Path, senders: usize) -> Result<(Vec<Receipt>, Duration), Failure> {
    let born = tokio::time::Instant::now();
    let mut child = spawn(dir, senders)?;
    let out = child.stdout.take().ok_or_else(|| Failure::Other("the child has no output".to_owned()))?;
    let mut lines = BufReader::new(out).lines();
    let first = lines.next().and_then(Result::ok);
    let started = born.elapsed();
    let killer = std::thread::spawn(move || {
        std::thread::park_timeout(moment());
        child.kill().and_then(|()| child.wait())
    });
    // What is in the pipe was acknowledged, also when it is read after the death. The last line may be
    // cut: an acknowledgement that nobody got.
    let told = first.into_iter().chain(lines.map_while(Result::ok)).filter_map(|l| parse(&l)).collect();
    let status = killer.join().map_err(|_| Failure::Other("the killer died".to_owned()))?;
    match status.map_err(io("killing the child"))?.code() {
        None => Ok((told, started)),
        Some(code) => Err(Failure::Other(format!("the child ended by itself with code {code}"))),
    }
}

#[allow(clippy::disallowed_methods, reason = "the process is the subject of the test: this program itself")]
fn spawn(dir: &Path, senders: usize) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(io("the path of this program"))?;
    let mut command = Command::new(program);
    command.arg("victim").arg(dir).args(["--senders", &senders.to_string()]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().map_err(io("starting the child"))
}

/// Between 0 and 1.3 seconds: from before the first group to after several checkpoints.
fn moment() -> Duration {
    let mut bytes = [0; 4];
    OsEntropy::default().fill(&mut bytes);
    Duration::from_micros(u64::from(u32::from_le_bytes(bytes)) % 1_300_000)
}

/// The child: sends until it is killed and prints what was acknowledged, line by line.
///
/// # Errors
/// [`Failure`]; it never ends well.
pub async fn victim(dir: &Path, senders: usize) -> Result<(), Failure> {
    let core = world::start(dir, world::config(senders, Limits::Raised)).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..senders {
        let handle = core.handle.clone();
        tasks.spawn(async move {
            loop {
                let text = senders::text();
                let draft = foureyes_ports::governance::Draft::new(Address::user(), StatusReport { text });
                let receipt = handle.say(&world::agent(number), draft).await;
                match receipt {
                    Ok(receipt) => print(receipt),
                    Err(reason) => return reason,
                }
            }
        });
    }
    let refused = tasks.join_next().await;
    Err(Failure::Broken(format!("a sender was refused: {refused:?}")))
}

/// One write a line, so that a kill cuts at most the last one.
fn print(receipt: Receipt) {
    let line = format!("{} {}\n", receipt.record, receipt.id);
    // Whoever reads is gone: then nobody was told.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

fn parse(line: &str) -> Option<Receipt> {
    let (record, id) = line.split_once(' ')?;
    let whole = (id.len() == 36).then_some(id)?;
    Some(Receipt { record: record.parse().ok()?, id: MessageId(whole.parse().ok()?) })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let a = &self.audit;
        writeln!(
            f,
            "{} kills over one ledger: {} records verified, {} acknowledged, {} lost, {} twice, {} under way when killed",
            self.kills, a.records, a.acknowledged, a.lost, a.twice, a.untold
        )?;
        writeln!(f, "slowest start until the first acknowledgement: {} ms", self.slowest_start_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_no_acknowledgement() {
        let receipt = Receipt { record: 7, id: MessageId::from_parts(1, [2; 10]) };
        let line = format!("{} {}", receipt.record, receipt.id);
        assert_eq!(parse(&line), Some(receipt));
        assert!((0..line.len()).all(|end| parse(&line[..end]).is_none()));
    }
}

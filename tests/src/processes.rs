//! Who is still there: processes that belong to one test, found in `/proc`.

use std::{
    fs,
    ops::Range,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line.
    pub line: String,
}

/// Processes that run under one of `uids`, or name `mark` in their arguments or environment. Zombies
/// do not count.
pub fn belonging(uids: &Range<u32>, mark: &Path) -> Vec<Process> {
    let mark = mark.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| look(pid, uids, &mark)).collect()
}

fn look(pid: i32, uids: &Range<u32>, mark: &str) -> Option<Process> {
    let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).ok();
    let status = String::from_utf8_lossy(&read("status")?).into_owned();
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(str::trim).map(str::to_owned);
    if field("State:")?.starts_with('Z') {
        return None;
    }
    let uid: u32 = field("Uid:")?.split_whitespace().next()?.parse().ok()?;
    let line = String::from_utf8_lossy(&read("cmdline")?).replace('\0', " ");
    let environment = String::from_utf8_lossy(&read("environ").unwrap_or_default()).into_owned();
    let belongs = uids.contains(&uid) || line.contains(mark) || environment.contains(mark);
    belongs.then_some(Process { pid, line })
}

/// Waits until nothing belongs to the test any more.
///
/// # Errors
/// What is still there after `within`.
pub fn gone(uids: &Range<u32>, mark: &Path, within: Duration) -> Result<(), Vec<Process>> {
    let until = Instant::now() + within;
    loop {
        let left = belonging(uids, mark);
        match (left.is_empty(), Instant::now() < until) {
            (true, _) => return Ok(()),
            (false, false) => return Err(left),
            (false, true) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

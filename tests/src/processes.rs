//! Who is still there: processes that belong to one test, found in `/proc`.

use std::{
    fs,
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

impl Process {
    /// Whether its sandbox shows the clone of `role` of a state below `state`.
    pub fn shows(&self, state: &Path, role: &str) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).unwrap_or_default();
        let (state, clone) = (state.to_string_lossy().into_owned(), format!("/roles/{role}/work "));
        mounts.lines().any(|line| line.contains(&state) && line.contains(&clone))
    }
}

/// Processes that name `mark`, a directory, in their arguments or environment, or whose sandbox shows
/// something below it. Zombies do not count.
pub fn belonging(mark: &Path) -> Vec<Process> {
    let mark = mark.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| look(pid, &mark)).collect()
}

fn look(pid: i32, mark: &str) -> Option<Process> {
    let read = |what: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let line = read("cmdline").replace('\0', " ");
    // A zombie has neither.
    let belongs = ["cmdline", "environ", "mountinfo"].iter().any(|what| read(what).contains(mark));
    (belongs && !line.is_empty()).then_some(Process { pid, line })
}

/// Dead children that a process, or a child of it, did not take note of.
pub fn zombies(of: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let all: Vec<(i32, char, i32)> = pids.filter_map(stat).collect();
    let mut family = vec![i32::try_from(of).expect("a process id")];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(all.iter().filter(|(_, _, of)| *of == parent).map(|(pid, _, _)| *pid));
        at += 1;
    }
    all.iter()
        .filter(|(pid, state, _)| *state == 'Z' && family.contains(pid))
        .map(|(pid, _, _)| *pid)
        .collect()
}

/// Id, state and parent of a process.
fn stat(pid: i32) -> Option<(i32, char, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((pid, words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Whether a process is there, dead or alive.
pub fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits until nothing belongs to the test any more.
///
/// # Errors
/// What is still there after `within`.
pub fn gone(mark: &Path, within: Duration) -> Result<(), Vec<Process>> {
    let until = Instant::now() + within;
    loop {
        let left = belonging(mark);
        match (left.is_empty(), Instant::now() < until) {
            (true, _) => return Ok(()),
            (false, false) => return Err(left),
            (false, true) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

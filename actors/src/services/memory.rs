//! How much memory the sandboxes of the roles take, as `/proc` tells it. A role's process is its
//! sandbox's first: what works is below it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
};

/// So long a measurement holds, in milliseconds: each looks at every process of the machine.
const HOLDS_MS: u64 = 4_000;
/// Bytes of a page on every machine on which sandboxes are made.
const PAGE: u64 = 4_096;

/// The newest measurement.
#[derive(Debug, Default)]
pub(super) struct Memory {
    at_ms: u64,
    resident: BTreeMap<u32, u64>,
}

impl Memory {
    /// Measures these processes, each with all that it started, where the last measurement is old or
    /// knows nothing of one of them. Whether any of it changed so much that people should see it.
    pub(super) fn measure(&mut self, roots: &[u32], now_ms: u64) -> bool {
        let known = roots.iter().all(|root| self.resident.contains_key(root));
        if known && now_ms.saturating_sub(self.at_ms) < HOLDS_MS {
            return false;
        }
        let before = std::mem::replace(&mut self.resident, resident(roots));
        self.at_ms = now_ms;
        let differs = |(root, now): (&u32, &u64)| {
            let before = before.get(root).copied().unwrap_or(0);
            now.abs_diff(before) > before / 8
        };
        self.resident.iter().any(differs)
    }

    /// Resident memory in bytes; 0 when nothing is known of it.
    pub(super) fn of(&self, root: u32) -> u64 {
        self.resident.get(&root).copied().unwrap_or(0)
    }
}

/// Resident memory of each of these processes with all below it, in bytes. Pages that several of them
/// share count for each.
fn resident(roots: &[u32]) -> BTreeMap<u32, u64> {
    if roots.is_empty() {
        return BTreeMap::new();
    }
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in pids() {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let of_tree = |root: &u32| {
        let (mut open, mut sum) = (vec![*root], 0);
        while let Some(pid) = open.pop() {
            sum += own(pid);
            open.extend(children.get(&pid).into_iter().flatten());
        }
        (*root, sum)
    };
    roots.iter().map(of_tree).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The name of a program, in parentheses, may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Resident memory of one process; 0 when it is gone.
fn own(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    #[allow(clippy::disallowed_methods, reason = "what is measured is a process of the test")]
    fn what_a_process_started_counts_and_a_measurement_holds() {
        let me = std::process::id();
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts");
        let mut memory = Memory::default();
        assert!(memory.measure(&[me, cat.id()], 10_000));
        assert!(memory.of(cat.id()) > 0);
        assert!(memory.of(me) > memory.of(cat.id()) + own(me) / 2, "a parent holds its child's");
        cat.kill().expect("cat ends");
        cat.wait().expect("its end");
        assert!(!memory.measure(&[me, cat.id()], 13_999));
        assert!(memory.of(cat.id()) > 0, "it was looked at again too soon");
        assert!(memory.measure(&[me, cat.id()], 14_000));
        assert_eq!(memory.of(cat.id()), 0);
    }
}

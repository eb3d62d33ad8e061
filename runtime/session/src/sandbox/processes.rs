//! Reading /proc: children, descendants and what stays behind.

use nix::{
    sys::wait::{Id, WaitPidFlag, waitid},
    unistd::Pid,
};
use std::{collections::HashMap, fs};

/// All processes below `root`, itself not included. Inside a sandbox nothing can leave this tree:
/// an orphan becomes a child of the sandbox's pid 1.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all_pids() {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        open.extend(&below);
        found.extend(below);
    }
    found
}

/// The sandbox's pid 1, seen from outside: bubblewrap's only child. `None` while it starts.
pub(crate) fn first_inside(bwrap: u32) -> Option<u32> {
    let list = fs::read_to_string(format!("/proc/{bwrap}/task/{bwrap}/children")).ok()?;
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid| nested(*pid))
}

/// Whether a process exists and is not merely waiting to be collected.
pub(crate) fn is_alive(pid: u32) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z')
}

/// Collects dead processes that became children of this process although it never started them:
/// the pid 1 of a sandbox whose `bwrap` was killed. Direct children are left to their owners.
pub(crate) fn reap_strays() -> usize {
    let mine = std::process::id();
    all_pids()
        .filter(|pid| parent_of(*pid) == Some(mine) && state_of(*pid) == Some('Z') && nested(*pid))
        .filter(|pid| {
            let id = Id::Pid(Pid::from_raw(pid.cast_signed()));
            waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG).is_ok()
        })
        .count()
}

fn all_pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether the process lives in a pid namespace below ours.
fn nested(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.is_some_and(|pids| pids.split_whitespace().count() > 1)
}

fn parent_of(pid: u32) -> Option<u32> {
    stat_fields(pid)?.split_whitespace().nth(1)?.parse().ok()
}

fn state_of(pid: u32) -> Option<char> {
    stat_fields(pid)?.chars().next()
}

/// The fields of /proc/<pid>/stat after the name, which may itself hold blanks and brackets.
fn stat_fields(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]
    #[test]
    fn a_child_is_a_descendant_and_not_a_stray() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(descendants(std::process::id()).contains(&child.id()));
        assert!(!nested(child.id()));
        assert_eq!(first_inside(child.id()), None);
        child.kill().unwrap();
        while is_alive(child.id()) {
            std::thread::yield_now();
        }
        reap_strays();
        assert!(child.wait().is_ok(), "a direct child must be left to its owner");
    }
}

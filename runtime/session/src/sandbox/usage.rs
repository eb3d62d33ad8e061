//! Memory and disk of a whole sandbox. Nothing unprivileged limits either from outside, so they
//! are measured again and again, and who exceeds them is ended.

use super::processes::descendants;
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// What one sandbox may use in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Memory of all processes together, in bytes (proportional set size).
    pub memory_bytes: u64,
    /// What lies in the writable directories, in bytes of disk.
    pub disk_bytes: u64,
    /// Time between two measurements.
    pub every: Duration,
}

/// A ceiling that was passed, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Memory.
    #[error("memory of the sandbox is {used} bytes, more than {limit}")]
    Memory {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Disk.
    #[error("files of the sandbox take {used} bytes, more than {limit}")]
    Disk {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// Returns when the sandbox of the launched process `pid` has passed a ceiling; the caller ends
/// it. Never returns otherwise, so race it with the child's end. Measures on a blocking thread.
pub async fn watch(pid: u32, dirs: Vec<PathBuf>, ceilings: Ceilings) -> Excess {
    loop {
        tokio::time::sleep(ceilings.every).await;
        let dirs = dirs.clone();
        let measured = tokio::task::spawn_blocking(move || excess(pid, &dirs, ceilings)).await;
        if let Ok(Some(excess)) = measured {
            return excess;
        }
    }
}

fn excess(pid: u32, dirs: &[PathBuf], ceilings: Ceilings) -> Option<Excess> {
    let used: u64 = descendants(pid).into_iter().map(memory_of).sum();
    if used > ceilings.memory_bytes {
        return Some(Excess::Memory { used, limit: ceilings.memory_bytes });
    }
    let used: u64 = dirs.iter().map(|dir| disk_of(dir)).sum();
    (used > ceilings.disk_bytes).then_some(Excess::Disk { used, limit: ceilings.disk_bytes })
}

/// Proportional set size; the resident set where the kernel does not show it to us.
fn memory_of(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let pss = kibibytes(&rollup, "Pss:");
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        kibibytes(&status, "VmRSS:")
    };
    pss.or_else(resident).unwrap_or(0).saturating_mul(1024)
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Blocks on disk of a tree; links are not followed.
fn disk_of(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    let below = if meta.is_dir() {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| disk_of(&entry.path())).sum()
    } else {
        0
    };
    meta.blocks() * 512 + below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_of_proc_files() {
        assert_eq!(kibibytes("Rss:  10 kB\nPss:   7 kB\nPss_Dirty: 3 kB\n", "Pss:"), Some(7));
        assert_eq!(kibibytes("", "Pss:"), None);
    }

    #[test]
    fn disk_is_what_files_take() {
        let dir = tempfile::tempdir().unwrap();
        let ceilings = Ceilings { memory_bytes: u64::MAX, disk_bytes: 64 << 10, every: Duration::ZERO };
        let own = std::process::id();
        assert_eq!(excess(own, &[dir.path().into()], ceilings), None);
        fs::write(dir.path().join("big"), vec![1; 128 << 10]).unwrap();
        assert!(matches!(excess(own, &[dir.path().into()], ceilings), Some(Excess::Disk { .. })));
    }

    #[test]
    fn own_memory_is_seen() {
        assert!(memory_of(std::process::id()) > 100_000);
    }
}

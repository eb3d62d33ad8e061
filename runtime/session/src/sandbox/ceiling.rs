//! The ceiling of processes in a sandbox: the pid namespace's own `pid_max`, set from outside.
//!
//! Before Linux 6.14 that file is the machine's own. So the one who writes it has the rights of
//! the sandbox's owner only, the host's value is read before and after, and where the file is not
//! per namespace RLIMIT_NPROC takes its place.

use super::processes::{first_inside, is_alive};
use nix::{
    libc,
    sched::{CloneFlags, setns},
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Gid, Uid, fork, setgroups, setresgid, setresuid},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

/// The kernel takes no smaller value.
const SMALLEST: u32 = 301;
/// How often, and how long apart, it is tried.
const LOOKS: u32 = 300;
const LOOK_EVERY: Duration = Duration::from_millis(4);
const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// `NS_GET_USERNS` of linux/nsfs.h: the user namespace that owns a namespace.
const NS_GET_USERNS: libc::c_ulong = 0xb701;

/// How processes are limited on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ceiling {
    /// `pid_max` of the sandbox's own pid namespace.
    Namespace,
    /// RLIMIT_NPROC of the uid.
    UserLimit,
}

/// Whether `pid_max` belongs to the pid namespace: by the kernel's version, so that a root runtime
/// never finds out by changing its machine.
pub(crate) fn kernel_has_own_pid_max() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    at_least_6_14(&release)
}

fn at_least_6_14(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 14)
}

/// Sets the ceiling of the sandbox that `bwrap` (a pid) is building. Blocking: tries for two
/// seconds, since the first process cannot be reached while it is being set up; one try takes
/// some milliseconds. A sandbox that has ended meanwhile needs no ceiling.
pub(crate) fn set(binary: &Path, bwrap: u32, processes: u32, uid: Option<u32>) -> Result<(), String> {
    let mut why = "its first process never came".to_owned();
    for _ in 0..LOOKS {
        if !is_alive(bwrap) {
            return Ok(());
        }
        if let Some(inside) = first_inside(bwrap) {
            match set_once(binary, inside, processes, uid)? {
                None => return Ok(()),
                Some(refused) => why = refused,
            }
        }
        #[allow(
            clippy::disallowed_methods,
            reason = "bounded looks at another process, on a thread that may block"
        )]
        std::thread::sleep(LOOK_EVERY);
    }
    Err(format!("setting the ceiling of processes: {why}"))
}

/// One try; `Some` is why it did not work. An error means that no further try may be made.
fn set_once(binary: &Path, inside: u32, processes: u32, uid: Option<u32>) -> Result<Option<String>, String> {
    let before = host_value()?;
    let uid = uid.map_or_else(|| "-".into(), |uid| uid.to_string());
    #[allow(clippy::disallowed_methods, reason = "this program itself, in its mode that sets the ceiling")]
    let output = Command::new(binary)
        .args(["__ceiling", &inside.to_string(), &processes.max(SMALLEST).to_string(), &uid])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("setting the ceiling of processes: {e}"))?;
    let after = host_value()?;
    if before != after {
        return Err(format!("pid_max of the machine changed from {before} to {after}: set it back by hand"));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then_some(said))
}

fn host_value() -> Result<String, String> {
    fs::read_to_string(PID_MAX).map(|text| text.trim().to_owned()).map_err(|e| format!("{PID_MAX}: {e}"))
}

/// Threads of one uid on the whole machine.
pub(crate) fn threads_of(uid: u32) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .filter(|status| field(status, "Uid:") == Some(u64::from(uid)))
        .filter_map(|status| field(&status, "Threads:"))
        .sum()
}

fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The helper process: `__ceiling <pid inside> <value> <uid or ->`. A process of its own, because
/// joining a user namespace is refused to a program with threads.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    match apply(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn apply(args: &[OsString]) -> Result<(), String> {
    let args: Vec<_> = args.iter().map(|a| a.to_string_lossy()).collect();
    let [pid, value, uid] = args.as_slice() else { return Err("wrong arguments".into()) };
    let pids = File::open(format!("/proc/{pid}/ns/pid")).map_err(|e| format!("its pid namespace: {e}"))?;
    let users = owner_of(&pids)?;
    if let Ok(uid) = uid.parse::<u32>() {
        drop_to(uid).map_err(|e| format!("becoming uid {uid}: {e}"))?;
    }
    setns(&users, CloneFlags::CLONE_NEWUSER).map_err(|e| format!("joining its user namespace: {e}"))?;
    setns(&pids, CloneFlags::CLONE_NEWPID).map_err(|e| format!("joining its pid namespace: {e}"))?;
    // SAFETY: this process has one thread; the child only writes a file and exits.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let code =
                fs::write(PID_MAX, value.as_bytes()).map_or_else(|e| e.raw_os_error().unwrap_or(1), |()| 0);
            std::process::exit(code)
        }
        Ok(ForkResult::Parent { child }) => written(waitpid(child, None)),
        Err(e) => Err(format!("fork: {e}")),
    }
}

fn written(end: nix::Result<WaitStatus>) -> Result<(), String> {
    match end {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, code)) => {
            Err(format!("writing pid_max: {}", std::io::Error::from_raw_os_error(code)))
        }
        other => Err(format!("writing pid_max: {other:?}")),
    }
}

fn owner_of(namespace: &File) -> Result<OwnedFd, String> {
    // SAFETY: this request takes no argument and answers with a new descriptor.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) };
    if fd < 0 {
        return Err(format!("its user namespace: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: just given to us, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn drop_to(uid: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_kernel() {
        for (release, own) in [
            ("6.14.0", true),
            ("6.18.44-fc", true),
            ("7.0", true),
            ("6.13.9", false),
            ("5.15.0-91", false),
            ("", false),
        ] {
            assert_eq!(at_least_6_14(release), own, "{release}");
        }
    }

    #[test]
    fn own_threads_are_counted() {
        assert!(threads_of(Uid::effective().as_raw()) >= 1);
    }
}

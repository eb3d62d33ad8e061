//! The last process outside: stages directories, drops to the role's uid, sets limits and becomes
//! bubblewrap with an empty environment.

use super::plan::{ProcessLimits, Staging, StarterPlan};
use nix::{
    errno::Errno,
    libc,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        memfd::{MFdFlags, memfd_create},
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
    unistd::{Gid, Pid, Uid, execve, getppid, setgroups, setresgid, setresuid},
};
use std::{
    ffi::{CString, OsStr},
    fs::{self, File},
    io::{Seek, Write},
    os::{
        fd::{AsRawFd, IntoRawFd, RawFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::Path,
    process,
};

/// Exit status when the sandbox could not be started; `bwrap` itself uses 1.
pub const FAILED: i32 = 125;

/// Runs the plan and becomes its program. Never returns: a failure is printed on standard error
/// and ends the process with [`FAILED`].
pub fn main(spec_json: &OsStr) -> ! {
    let Err(why) = run(spec_json);
    eprintln!("agents: the sandbox could not be started: {why}");
    process::exit(FAILED)
}

fn run(spec_json: &OsStr) -> Result<std::convert::Infallible, String> {
    let parent = getppid();
    let plan: StarterPlan =
        serde_json::from_slice(spec_json.as_bytes()).map_err(|e| format!("unreadable plan: {e}"))?;
    if let Some(staging) = &plan.staging {
        stage(staging)?;
    }
    set_limits(&plan.limits)?;
    if let Some(uid) = plan.uid {
        drop_to(uid)?;
    }
    prctl::set_no_new_privs().map_err(|e| format!("no_new_privs: {e}"))?;
    die_with(parent)?;
    if let Some(cwd) = &plan.cwd {
        std::env::set_current_dir(cwd).map_err(|e| format!("{}: {e}", cwd.display()))?;
    }
    become_program(&plan)
}

/// Binds what the role may see below a private mount, where its uid can reach it whatever the
/// directories above the originals allow. Gone with the process: the mounts are in no other
/// namespace.
fn stage(staging: &Staging) -> Result<(), String> {
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| format!("own mount namespace: {e}"))?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| format!("private mounts: {e}"))?;
    mount(
        Some("tmpfs"),
        &staging.root,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=0711,size=1m"),
    )
    .map_err(|e| format!("mount on {}: {e}", staging.root.display()))?;
    for bind in &staging.binds {
        stage_one(&bind.host, &staging.root.join(&bind.name))
            .map_err(|e| format!("staging {}: {e}", bind.host.display()))?;
    }
    Ok(())
}

fn stage_one(host: &Path, target: &Path) -> std::io::Result<()> {
    let none: Option<&str> = None;
    if fs::metadata(host)?.is_dir() {
        fs::create_dir(target)?;
        // What bubblewrap shows is the bound directory; this one only carries the mount.
        fs::set_permissions(target, fs::Permissions::from_mode(0o700))?;
    } else {
        File::create_new(target)?;
    }
    mount(Some(host), target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
    Ok(())
}

fn drop_to(uid: u32) -> Result<(), String> {
    if uid == 0 {
        return Err("refused: an agent never runs as root".into());
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
    setgroups(&[])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .map_err(|e| format!("becoming uid {uid}: {e}"))?;
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return Err(format!("becoming uid {uid}: root could be taken back"));
    }
    Ok(())
}

/// Asks again for the signal at the parent's death: the kernel forgets it when the uid changes.
fn die_with(parent: Pid) -> Result<(), String> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| format!("parent death signal: {e}"))?;
    if getppid() == parent { Ok(()) } else { Err("the runtime is gone".into()) }
}

fn set_limits(limits: &ProcessLimits) -> Result<(), String> {
    lower(Resource::RLIMIT_CORE, 0)?;
    lower(Resource::RLIMIT_DATA, limits.data)?;
    lower(Resource::RLIMIT_FSIZE, limits.file)?;
    lower(Resource::RLIMIT_NOFILE, limits.open_files)?;
    limits.processes.map_or(Ok(()), |n| lower(Resource::RLIMIT_NPROC, n))
}

/// Sets soft and hard limit; never above a hard limit that is already there.
fn lower(resource: Resource, value: u64) -> Result<(), String> {
    let (_, hard) = getrlimit(resource).map_err(|e| format!("{resource:?}: {e}"))?;
    let value = value.min(hard);
    setrlimit(resource, value, value).map_err(|e| format!("{resource:?} to {value}: {e}"))
}

fn become_program(plan: &StarterPlan) -> Result<std::convert::Infallible, String> {
    close_inherited().map_err(|e| format!("closing descriptors: {e}"))?;
    let mut args = vec![plan.program.display().to_string()];
    if !plan.options.is_empty() {
        let mut options = plan.options.clone();
        for file in &plan.files {
            let fd = in_memory(file.content.as_bytes()).map_err(|e| format!("{}: {e}", file.inside))?;
            options.extend(["--perms", "0444", "--ro-bind-data"].map(String::from));
            options.extend([fd.to_string(), file.inside.clone()]);
        }
        options.extend(["--remount-ro", "/", "--remount-ro", "/dev"].map(String::from));
        let joined =
            options.iter().flat_map(|o| [o.as_bytes(), b"\0"]).flatten().copied().collect::<Vec<u8>>();
        let fd = in_memory(&joined).map_err(|e| format!("options: {e}"))?;
        args.extend(["--args".into(), fd.to_string(), "--".into()]);
    }
    args.extend(plan.args.iter().cloned());
    let argv = args.into_iter().map(c_string).collect::<Result<Vec<_>, _>>()?;
    let env = plan.env.iter().map(|(k, v)| c_string(format!("{k}={v}"))).collect::<Result<Vec<_>, _>>()?;
    reset_signals();
    execve(&c_string(plan.program.as_os_str().as_bytes())?, &argv, &env)
        .map_err(|e| format!("{}: {e}", plan.program.display()))
}

/// The Rust start-up ignores SIGPIPE, and an ignored signal survives `execve`.
fn reset_signals() {
    // SAFETY: sets a default disposition in a single-threaded process; no handler is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, String> {
    CString::new(text).map_err(|_| "a NUL byte in an argument".to_owned())
}

/// A descriptor that survives `execve` and reads the given bytes; bubblewrap closes it.
fn in_memory(bytes: &[u8]) -> std::io::Result<RawFd> {
    let mut file = File::from(memfd_create("agents", MFdFlags::empty())?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into_raw_fd())
}

/// Closes everything but standard input, output and error.
fn close_inherited() -> Result<(), Errno> {
    let first = u32::try_from(std::io::stderr().as_raw_fd() + 1).map_err(|_| Errno::EBADF)?;
    // SAFETY: no Rust object of this process owns a descriptor above 2 at this point.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    Errno::result(closed).map(drop)
}

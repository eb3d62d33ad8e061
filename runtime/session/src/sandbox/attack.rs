//! The attacks of the security matrix, tried from inside a sandbox.
//!
//! The process plays an agent; its forked child plays a tool that the agent runs, and attacks. The
//! targets come as one line of JSON on standard input, one row a line goes to standard output.

use nix::{
    errno::Errno,
    libc,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        signal::kill,
        socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, Uid, fork, getppid, setuid},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Display,
    fs::{self, File, OpenOptions},
    io::{BufRead, Write},
    net::TcpStream,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// What the self-test has put up outside for the attacker to try.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Targets {
    /// The process that runs the self-test.
    pub runtime: i32,
    /// Processes of the sibling's sandbox.
    pub sibling: Vec<i32>,
    /// The sibling's socket, by its path on the host.
    pub sibling_socket: PathBuf,
    /// A socket such as tmux has, open to all on the host.
    pub tmux_socket: PathBuf,
    /// A file in the runtime's state directory.
    pub state_file: PathBuf,
    /// An abstract socket of the host.
    pub abstract_socket: String,
    /// A value in the environment of the launched process.
    pub canary: String,
}

/// One attempt and what came of it.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Row {
    pub attack: String,
    pub held: bool,
    pub detail: String,
}

impl Row {
    fn new(attack: &str, held: bool, detail: impl Display) -> Self {
        Self { attack: attack.to_owned(), held, detail: detail.to_string() }
    }

    /// Held when the attempt failed.
    fn refused<T, E: Display>(attack: &str, tried: Result<T, E>) -> Self {
        match tried {
            Ok(_) => Self::new(attack, false, "it worked"),
            Err(e) => Self::new(attack, true, e),
        }
    }
}

/// The living sibling: answers each line on its input with `alive`, and ends with its input.
pub(crate) fn sibling() -> ExitCode {
    println!("ready");
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        println!("alive");
    }
    ExitCode::SUCCESS
}

/// Plays the agent, and has its tool attack.
pub(crate) fn main() -> ExitCode {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let Some(targets) = read.ok().and_then(|_| serde_json::from_str::<Targets>(&line).ok()) else {
        return ExitCode::FAILURE;
    };
    // SAFETY: this process has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => report(&attack(&targets)),
        Ok(ForkResult::Parent { child }) => {
            if waitpid(child, None).is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn report(rows: &[Row]) -> ExitCode {
    for row in rows {
        if let Ok(json) = serde_json::to_string(row) {
            println!("{json}");
        }
    }
    ExitCode::SUCCESS
}

fn attack(targets: &Targets) -> Vec<Row> {
    let mut rows = own_socket();
    rows.extend(on_agent(getppid().as_raw()));
    rows.extend(on_processes(targets));
    rows.extend(on_environment(&targets.canary));
    rows.extend(on_files(targets));
    rows.extend(on_sockets(targets));
    rows.extend(on_terminals());
    rows.extend(on_rights());
    rows
}

/// The control: were this not to work, all that follows would prove nothing.
fn own_socket() -> Vec<Row> {
    let reached = UnixStream::connect("/run/rt/rt.sock");
    let detail = reached.as_ref().map_or_else(ToString::to_string, |_| "connected".into());
    vec![
        Row::new("control: reach one's own socket", reached.is_ok(), detail),
        Row::refused("remove one's own socket", fs::remove_file("/run/rt/rt.sock")),
    ]
}

/// A tool against the agent that runs it, and against pid 1.
fn on_agent(agent: i32) -> Vec<Row> {
    vec![
        Row::refused("type into the agent's /proc/<pid>/fd/0", write_to(&format!("/proc/{agent}/fd/0"))),
        Row::refused("write the agent's /proc/<pid>/fd/1", write_to(&format!("/proc/{agent}/fd/1"))),
        Row::refused("take the agent's descriptor with pidfd_getfd", steal_descriptor(agent, 0)),
        Row::refused("write the agent's memory", write_to(&format!("/proc/{agent}/mem"))),
        Row::refused("trace the agent", trace(agent)),
        Row::refused("open a descriptor of pid 1", write_to("/proc/1/fd/0")),
        Row::refused("take a descriptor of pid 1", steal_descriptor(1, 0)),
    ]
}

fn on_processes(targets: &Targets) -> Vec<Row> {
    let seen = own_pids().into_iter().filter(|pid| command_of(*pid).contains("__sibling")).count();
    let foreign = |pids: &[i32]| -> Vec<i32> {
        // A number that names one of our own processes in here cannot mean another one.
        pids.iter().copied().filter(|pid| !own_pids().contains(pid)).collect()
    };
    let sibling = foreign(&targets.sibling);
    let each = |attempt: &dyn Fn(i32) -> Result<(), Errno>| -> Result<(), Errno> {
        sibling.iter().map(|pid| attempt(*pid)).find(Result::is_ok).unwrap_or(Err(Errno::ESRCH))
    };
    let signal = |pid: i32| kill(Pid::from_raw(pid), None);
    let runtime = foreign(&[targets.runtime]).first().map_or(Err(Errno::ESRCH), |pid| signal(*pid));
    vec![
        Row::new("see a sibling's processes", seen == 0, format!("{seen} seen")),
        Row::refused("open a sibling's /proc/<pid>/fd/0", each(&|pid| opened(&format!("/proc/{pid}/fd/0")))),
        Row::refused("read a sibling's environment", each(&|pid| opened(&format!("/proc/{pid}/environ")))),
        Row::refused("trace a sibling", each(&trace)),
        Row::refused("take a sibling's descriptor", each(&|pid| steal_descriptor(pid, 0).map(drop))),
        Row::refused("signal a sibling", each(&signal)),
        Row::refused("signal the runtime", runtime),
    ]
}

fn on_environment(canary: &str) -> Vec<Row> {
    let holds = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|env| env.windows(canary.len()).any(|part| part == canary.as_bytes()))
    };
    let leaks = own_pids().iter().filter(|pid| holds(pid)).count();
    let first = fs::read("/proc/1/environ").map(|env| env.len()).unwrap_or(0);
    vec![
        Row::new("find the runtime's environment", leaks == 0, format!("in {leaks} processes")),
        Row::new("read the environment of pid 1", first == 0, format!("{first} bytes")),
    ]
}

fn on_files(targets: &Targets) -> Vec<Row> {
    let reads = [
        ("read /etc/shadow", Path::new("/etc/shadow")),
        ("read the runtime's state", &targets.state_file),
        ("read the program that pid 1 runs", Path::new("/rt/bin/agents-init")),
    ];
    let writes = [
        ("write to /", "/foureyes-attack"),
        ("write to /usr", "/usr/foureyes-attack"),
        ("write to /dev", "/dev/foureyes-attack"),
        ("write to /rt/bin", "/rt/bin/foureyes-attack"),
        ("write beside the socket", "/run/rt/foureyes-attack"),
        ("set the kernel's core pattern", "/proc/sys/kernel/core_pattern"),
        ("drop the kernel's caches", "/proc/sys/vm/drop_caches"),
        ("raise the ceiling of processes", "/proc/sys/kernel/pid_max"),
    ];
    let reads = reads.into_iter().map(|(attack, path)| Row::refused(attack, File::open(path)));
    reads.chain(writes.into_iter().map(|(attack, path)| Row::refused(attack, create(path)))).collect()
}

fn on_sockets(targets: &Targets) -> Vec<Row> {
    let address = "1.1.1.1:80".parse().map_err(|_| std::io::Error::from(Errno::EINVAL));
    let network = address.and_then(|a| TcpStream::connect_timeout(&a, Duration::from_millis(500)));
    vec![
        Row::refused("reach the network", network),
        Row::refused("reach an abstract socket of the host", connect_abstract(&targets.abstract_socket)),
        Row::refused("reach a sibling's socket", UnixStream::connect(&targets.sibling_socket)),
        Row::refused("reach a tmux socket", UnixStream::connect(&targets.tmux_socket)),
    ]
}

fn on_terminals() -> Vec<Row> {
    let others = fs::read_dir("/dev/pts").into_iter().flatten().flatten();
    let others = others.filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok()).count();
    vec![
        Row::new("write on another's terminal", others == 0, format!("{others} terminals seen")),
        Row::refused("push input into a terminal (TIOCSTI)", push_input()),
    ]
}

fn on_rights() -> Vec<Row> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let none = |name: &str| {
        status.lines().find_map(|l| l.strip_prefix(name)).is_some_and(|v| v.trim().chars().all(|c| c == '0'))
    };
    let powers = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"];
    let kept: Vec<_> = powers.into_iter().filter(|name| !none(name)).collect();
    let nothing_new = prctl::get_no_new_privs().unwrap_or(false);
    let extra = (3..1024).filter(|fd| is_open(*fd)).count();
    let tmpfs = Some("tmpfs");
    let mounted = mount(tmpfs, "/tmp", tmpfs, MsFlags::empty(), None::<&str>);
    vec![
        Row::new("find an inherited descriptor", extra == 0, format!("{extra} above 2")),
        Row::new("hold a capability", kept.is_empty(), format!("{kept:?} not empty")),
        Row::new("gain rights by a set-uid program", nothing_new, format!("no_new_privs {nothing_new}")),
        Row::new("be root", !Uid::current().is_root(), format!("uid {}", Uid::current())),
        Row::refused("become root", setuid(Uid::from_raw(0))),
        Row::refused("mount a file system", mounted),
        // Last: were it to work, this process would be another one.
        Row::refused("create a user namespace", unshare(CloneFlags::CLONE_NEWUSER)),
    ]
}

fn own_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn command_of(pid: i32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

fn write_to(path: &str) -> std::io::Result<File> {
    // Non-blocking, or opening a pipe could wait for its other end.
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path)
}

fn create(path: &str) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    // Only what has just been made may be removed again.
    if path.ends_with("foureyes-attack") {
        fs::remove_file(path)?;
    }
    Ok(file)
}

fn opened(path: &str) -> Result<(), Errno> {
    let error = |e: std::io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO));
    File::open(path).map(drop).map_err(error)
}

fn steal_descriptor(pid: i32, number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: system calls without pointers; what they answer is checked before it is owned.
    let pidfd = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: as above.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })
}

/// What a system call that makes a descriptor answered.
fn owned(answer: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(Errno::result(answer)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn trace(pid: i32) -> Result<(), Errno> {
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: SEIZE does not stop its target and takes no data.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, null, null) }).map(drop)
}

fn connect_abstract(name: &str) -> Result<(), Errno> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)
}

/// Into the controlling terminal if there is one, else into what standard input is.
fn push_input() -> Result<(), Errno> {
    let terminal = File::open("/dev/tty");
    let fd = terminal.as_ref().map_or(0, AsRawFd::as_raw_fd);
    let key = b'x';
    // SAFETY: the pointer is to a living byte, which the kernel only reads.
    let pushed = unsafe { libc::ioctl(fd, libc::TIOCSTI, std::ptr::from_ref(&key)) };
    std::io::stdout().flush().map_err(|_| Errno::EIO)?;
    Errno::result(pushed).map(drop)
}

fn is_open(fd: i32) -> bool {
    // SAFETY: asks for a flag, changes nothing.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

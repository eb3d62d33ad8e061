//! bubblewrap's options for a spec: what is visible inside, and how.

use super::{plan::DataFile, tools::NAMES};
use foureyes_ports::sandbox::{Purpose, SandboxSpec};
use std::path::{Path, PathBuf};

/// Uid and gid that a sandbox shows for its one user.
const INSIDE_UID: &str = "1000";
/// Sizes of the two small private file systems, in bytes.
const SHM_BYTES: &str = "268435456";
const RUN_BYTES: &str = "16777216";
/// PATH inside, unless the spec names one.
pub(crate) const PATH: &str = "/rt/bin:/usr/local/bin:/usr/bin:/bin";
/// The parts of /usr that programs need; /usr/src, /usr/games and the like stay outside.
const USR_PARTS: [&str; 10] =
    ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "local", "share", "include"];
/// Top-level names that are links into /usr on most systems and directories on some.
const ROOT_PARTS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// The only files of the host's /etc that are shown.
const ETC_PARTS: [&str; 2] = ["alternatives", "ld.so.cache"];

/// Paths as bubblewrap will find them: the originals, or their names in the staging area.
pub(crate) struct Sources {
    pub(crate) home: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) socket_dir: Option<PathBuf>,
    pub(crate) binary: PathBuf,
    /// In the order of the spec's binds.
    pub(crate) binds: Vec<PathBuf>,
}

/// All options up to the files in memory and the last remounts, which the starter appends.
pub(crate) fn options(spec: &SandboxSpec, from: &Sources) -> Vec<String> {
    let mut line = Line(Vec::new());
    namespaces(&mut line, spec.tty);
    system(&mut line, spec.limits.tmp_bytes);
    line.bind("--bind", &from.home, Path::new("/home/agent"));
    line.bind("--bind", &from.work, Path::new("/work"));
    for name in NAMES {
        line.bind("--ro-bind", &from.binary, &Path::new("/rt/bin").join(name));
    }
    if let Some(dir) = &from.socket_dir {
        line.bind("--ro-bind", dir, Path::new("/run/rt"));
    }
    for (bind, host) in spec.binds.iter().zip(&from.binds) {
        line.bind(if bind.writable { "--bind" } else { "--ro-bind" }, host, &bind.inside);
    }
    environment(&mut line, spec);
    line.push(["--chdir", &spec.cwd.to_string_lossy()]);
    line.0
}

/// Program and arguments inside: our pid 1, which starts the program.
pub(crate) fn command(spec: &SandboxSpec) -> Vec<String> {
    let mut command = vec!["/rt/bin/agents-init".to_owned()];
    if spec.tty {
        command.push("--tty".into());
    }
    if let Some(port) = spec.forward_port.filter(|_| spec.purpose != Purpose::GateRun) {
        command.extend(["--forward".into(), port.to_string(), "/run/rt/rt.sock".into()]);
    }
    command.push("--".into());
    command.extend(spec.argv.iter().cloned());
    command
}

/// The user database inside, so that `whoami` and the like work without the host's.
pub(crate) fn files() -> Vec<DataFile> {
    [
        ("/etc/passwd", "agent:x:1000:1000::/home/agent:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
        ("/etc/group", "agent:x:1000:\nnogroup:x:65534:\n"),
        ("/etc/hosts", "127.0.0.1 localhost agent\n"),
    ]
    .map(|(inside, content)| DataFile { inside: inside.into(), content: content.into() })
    .into()
}

struct Line(Vec<String>);

impl Line {
    fn push<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(String::from));
    }

    fn bind(&mut self, how: &str, host: &Path, inside: &Path) {
        self.push([how, &host.to_string_lossy(), &inside.to_string_lossy()]);
    }
}

fn namespaces(line: &mut Line, tty: bool) {
    line.push(["--unshare-user", "--uid", INSIDE_UID, "--gid", INSIDE_UID]);
    line.push(["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--hostname", "agent"]);
    line.push(["--disable-userns", "--as-pid-1", "--die-with-parent", "--cap-drop", "ALL", "--clearenv"]);
    if !tty {
        // With a PTY of its own the session must stay: job control and SIGWINCH need it.
        line.push(["--new-session"]);
    }
}

fn system(line: &mut Line, tmp_bytes: u64) {
    for part in USR_PARTS {
        let path = Path::new("/usr").join(part);
        if path.is_dir() {
            line.bind("--ro-bind", &path, &path);
        }
    }
    for part in ROOT_PARTS {
        root_part(line, &Path::new("/").join(part));
    }
    line.push(["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]);
    line.push(["--size", SHM_BYTES, "--tmpfs", "/dev/shm"]);
    line.push(["--size", &tmp_bytes.to_string(), "--perms", "1777", "--tmpfs", "/tmp"]);
    line.push(["--size", RUN_BYTES, "--tmpfs", "/run"]);
    for part in ETC_PARTS {
        let path = Path::new("/etc").join(part);
        if path.exists() {
            line.bind("--ro-bind", &path, &path);
        }
    }
}

fn root_part(line: &mut Line, path: &Path) {
    match std::fs::read_link(path) {
        Ok(target) => line.bind("--symlink", &target, path),
        Err(_) if path.is_dir() => line.bind("--ro-bind", path, path),
        Err(_) => {}
    }
}

fn environment(line: &mut Line, spec: &SandboxSpec) {
    let term = if spec.tty { "xterm-256color" } else { "dumb" };
    for (name, value) in [("PATH", PATH), ("HOME", "/home/agent"), ("LANG", "C.UTF-8"), ("TERM", term)] {
        line.push(["--setenv", name, value]);
    }
    for (name, value) in &spec.env {
        line.push(["--setenv", name, value]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foureyes_ports::sandbox::{Bind, Limits};
    use foureyes_protocol::PrincipalId;

    fn spec(purpose: Purpose, tty: bool) -> SandboxSpec {
        SandboxSpec {
            owner: PrincipalId::new("dev-a").unwrap(),
            purpose,
            home: "/h".into(),
            work: "/w".into(),
            socket_dir: None,
            binds: vec![Bind { host: "/t".into(), inside: "/opt/t".into(), writable: false }],
            env: vec![("TOKEN".into(), "abc".into())],
            argv: vec!["/bin/true".into()],
            cwd: "/work".into(),
            limits: Limits { memory_bytes: 1, processes: 1, file_bytes: 1, open_files: 1, tmp_bytes: 4096 },
            tty,
            forward_port: Some(9999),
        }
    }

    fn joined(spec: &SandboxSpec) -> String {
        let from = Sources {
            home: "/h".into(),
            work: "/w".into(),
            socket_dir: spec.socket_dir.clone(),
            binary: "/b".into(),
            binds: vec!["/run/agents/b0".into()],
        };
        options(spec, &from).join(" ")
    }

    #[test]
    fn a_pty_keeps_its_session_and_pipes_do_not() {
        assert!(joined(&spec(Purpose::Agent, false)).contains("--new-session"));
        assert!(!joined(&spec(Purpose::Agent, true)).contains("--new-session"));
        assert!(command(&spec(Purpose::Agent, true)).contains(&"--tty".to_owned()));
    }

    #[test]
    fn every_writable_file_system_has_a_size() {
        let line = joined(&spec(Purpose::Agent, false));
        assert_eq!(line.matches("--tmpfs").count(), line.matches("--size").count());
    }

    #[test]
    fn binds_come_from_their_sources() {
        let line = joined(&spec(Purpose::Agent, false));
        assert!(line.contains("--ro-bind /run/agents/b0 /opt/t"));
        assert!(!line.contains("/etc/shadow"));
        assert!(!line.contains("--share-net"));
    }

    #[test]
    fn a_gate_run_has_no_forwarder() {
        assert!(!command(&spec(Purpose::GateRun, false)).contains(&"--forward".to_owned()));
        assert!(command(&spec(Purpose::Prepare, false)).contains(&"--forward".to_owned()));
    }
}

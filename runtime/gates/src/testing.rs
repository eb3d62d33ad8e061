//! Test doubles: a runner without a wall, and one with bubblewrap around it.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use async_trait::async_trait;
use foureyes_ports::{
    clock::FakeEntropy,
    runner::{GateResult, GateRun, GateRunner as _, RunLimits, SuiteSpec},
    sandbox::{Bind, RunRequest, RunResult, SandboxError, SandboxRunner, SandboxSpec, Tier},
};
use foureyes_protocol::{CommitId, PrincipalId};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Starts the command as a child process; paths of the inside become paths of the host.
pub(crate) struct DirectRunner;

/// As the real wall mounts it, in its plainest form.
struct BwrapRunner;

/// As the tier without a wall does it: the longest known prefix is replaced, part by part.
fn host_path(spec: &SandboxSpec, text: &str) -> String {
    let fixed = Bind { host: spec.work.clone(), inside: "/work".into(), writable: true };
    let mut binds: Vec<&Bind> = spec.binds.iter().chain([&fixed]).collect();
    binds.sort_by_key(|bind| std::cmp::Reverse(bind.inside.as_os_str().len()));
    let part = |part: &str| {
        let found =
            binds.iter().find_map(|bind| Some((bind, Path::new(part).strip_prefix(&bind.inside).ok()?)));
        found.map_or(part.to_owned(), |(bind, rest)| bind.host.join(rest).display().to_string())
    };
    text.split(':').map(part).collect::<Vec<_>>().join(":")
}

async fn finish(mut command: tokio::process::Command, request: &RunRequest) -> RunResult {
    let began = tokio::time::Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let exit = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            return RunResult { exit: Some(exit), stderr: error.to_string().into(), ..RunResult::default() };
        }
    };
    let group = child.id().unwrap();
    let (mut stdin, stdin_bytes) = (child.stdin.take().unwrap(), request.stdin.clone());
    let feed = async move { stdin.write_all(&stdin_bytes).await };
    let cap = request.output_cap;
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let all = async { tokio::join!(feed, keep(out, cap), keep(err, cap), child.wait()) };
    let ended = tokio::time::timeout(request.timeout, all).await;
    kill_group(group);
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap();
    match ended {
        Err(_) => RunResult { timed_out: true, millis, ..RunResult::default() },
        Ok((_, (stdout, more_out), (stderr, more_err), status)) => {
            let status = status.unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            let truncated = more_out || more_err;
            RunResult { exit: status.code(), signal, timed_out: false, stdout, stderr, truncated, millis }
        }
    }
}

fn kill_group(group: u32) {
    let mut kill = std::process::Command::new("kill");
    kill.args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status().unwrap();
}

async fn keep(mut from: impl tokio::io::AsyncRead + Unpin, cap: usize) -> (Vec<u8>, bool) {
    let (mut kept, mut more, mut chunk) = (Vec::new(), false, [0; 8192]);
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let room = n.min(cap - kept.len());
        kept.extend_from_slice(&chunk[..room]);
        more |= room < n;
    }
    (kept, more)
}

#[async_trait]
impl SandboxRunner for DirectRunner {
    async fn run(&self, request: RunRequest) -> Result<RunResult, SandboxError> {
        let spec = &request.spec;
        let argv: Vec<String> = spec.argv.iter().map(|word| host_path(spec, word)).collect();
        let mut command = tokio::process::Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &spec.home);
        command.envs(spec.env.iter().map(|(name, value)| (name, host_path(spec, value))));
        command.current_dir(host_path(spec, spec.cwd.to_str().unwrap()));
        Ok(finish(command, &request).await)
    }
}

#[async_trait]
impl SandboxRunner for BwrapRunner {
    async fn run(&self, request: RunRequest) -> Result<RunResult, SandboxError> {
        let spec = &request.spec;
        let mut command = tokio::process::Command::new("bwrap");
        command.env_clear().args(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]);
        command.args([
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/bin",
            "/bin",
            "--symlink",
            "usr/lib",
            "/lib",
        ]);
        command.args([
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
        ]);
        command.arg("--ro-bind").args(["/etc/alternatives", "/etc/alternatives"]);
        command.arg("--bind").args([&spec.home, Path::new("/home/agent")]);
        command.arg("--bind").args([&spec.work, Path::new("/work")]);
        for bind in &spec.binds {
            command.arg(if bind.writable { "--bind" } else { "--ro-bind" }).args([&bind.host, &bind.inside]);
        }
        command.args(["--remount-ro", "/", "--chdir"]).arg(&spec.cwd);
        command.args(["--setenv", "HOME", "/home/agent"]);
        for (name, value) in &spec.env {
            command.args(["--setenv", name, value]);
        }
        command.arg("--").args(&spec.argv);
        Ok(finish(command, &request).await)
    }
}

/// A project in a temporary directory, and a runner for it.
pub(crate) struct Bed {
    dir: tempfile::TempDir,
    pub(crate) runner: crate::Runner,
    pub(crate) limits: RunLimits,
    pub(crate) checkout: PathBuf,
}

impl Bed {
    /// A bed over a sandbox, with changed settings.
    pub(crate) async fn with(
        sandbox: impl SandboxRunner + 'static,
        change: impl FnOnce(&mut crate::Settings),
    ) -> Self {
        let dir = tempfile::Builder::new().prefix("gate spaß ").tempdir().unwrap();
        let mut settings = crate::Settings::new(dir.path().join("state"), Tier::Advisory);
        change(&mut settings);
        let entropy = Arc::new(FakeEntropy::seeded(7));
        let runner = crate::Runner::new(Arc::new(sandbox), entropy, settings).await;
        let limits = RunLimits { timeout: Duration::from_secs(100), ..RunLimits::default() };
        let checkout = dir.path().join("check out ü");
        fs::create_dir(&checkout).unwrap();
        Self { dir, runner, limits, checkout }
    }

    /// A bed behind bubblewrap.
    pub(crate) async fn walled(change: impl FnOnce(&mut crate::Settings)) -> Self {
        let change = |settings: &mut crate::Settings| {
            settings.tier = Tier::Sandboxed;
            change(settings);
        };
        Self::with(BwrapRunner, change).await
    }

    /// A bed without a wall.
    pub(crate) async fn direct() -> Self {
        Self::with(DirectRunner, |_| {}).await
    }

    /// Its directory, for what a test keeps beside the checkout.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes files of the checkout.
    pub(crate) fn files(self, files: &[(&str, &str)]) -> Self {
        for (name, text) in files {
            self.write(name, text);
        }
        self
    }

    /// Writes one file of the checkout.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.checkout.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The request for a run.
    pub(crate) fn request(&self, suite: SuiteSpec) -> GateRun {
        GateRun {
            owner: PrincipalId::new("gate-1").unwrap(),
            checkout: self.checkout.clone(),
            tree: CommitId::new(&"a".repeat(40)).unwrap(),
            trusted: false,
            suite,
            limits: self.limits,
            progress: None,
        }
    }

    /// Runs a suite.
    pub(crate) async fn run(&self, suite: SuiteSpec) -> GateResult {
        self.runner.run(self.request(suite)).await
    }
}

/// `id status` of each test of a report, in order.
pub(crate) fn lines(result: &GateResult) -> Vec<String> {
    let word = |t: &foureyes_protocol::testrun::TestResult| format!("{:?}", t.status).to_lowercase();
    result.report.tests.iter().map(|t| format!("{} {}", t.id, word(t))).collect()
}

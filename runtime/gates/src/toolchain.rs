//! The toolchains of the host, and how they are shown inside a sandbox: read-only, at their own
//! paths, since many record where they were installed.

mod python;
mod rust;

use crate::{
    session::{Room, Step, bind},
    settings::Settings,
};
use foureyes_ports::{runner::ToolReport, sandbox::Bind};
use std::{
    io,
    path::{Path, PathBuf},
};

pub(crate) use python::{Python, REMEDY as PYTHON_REMEDY};
pub(crate) use rust::{Rust, channel};

/// Where cargo keeps its state inside.
pub(crate) const CARGO_HOME: &str = "/work/cargo";

/// What was found on the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    pub(crate) rust: Option<Rust>,
    /// The channel that the tree asks for.
    pub(crate) channel: Option<String>,
    pub(crate) python: Option<Python>,
    /// Directory with `registry/` and `git/` that cargo may read.
    pub(crate) crates: Option<PathBuf>,
    /// Directory of prepared Python packages.
    pub(crate) packages: Option<PathBuf>,
}

impl Tools {
    /// Looks for everything; blocking, a few child processes. `channel` is what the tree's
    /// `rust-toolchain` asks for.
    pub(crate) async fn find(settings: &Settings, channel: Option<&str>) -> Self {
        let (rust, python) = futures::join!(Rust::find(settings, channel), Python::find(settings));
        let crates = settings.host.cargo_dir().filter(|dir| settings.offer_registry && dir.is_dir());
        Self { rust, channel: channel.map(str::to_owned), python, crates, packages: None }
    }

    /// What mends the absence of a Rust toolchain.
    pub(crate) fn rust_remedy(&self) -> String {
        match &self.channel {
            Some(name) => {
                format!("the tree asks for Rust `{name}`; install it: `rustup toolchain install {name}`")
            }
            None => rust::REMEDY.to_owned(),
        }
    }

    /// Adds binds, PATH and what the tools need of the environment to a step.
    pub(crate) fn equip(&self, step: &mut Step, room: &Room) -> io::Result<()> {
        let roots = [self.rust.as_ref().map(Rust::binds), self.python.as_ref().map(Python::binds)];
        step.binds.extend(roots.into_iter().flatten().flatten());
        if let Some(crates) = &self.crates {
            step.binds.extend(crate_binds(crates, room)?);
        }
        step.env.extend(self.env());
        Ok(())
    }

    /// What an agent is shown, so that it can run the tests itself: the toolchains, read-only, and the
    /// environment that finds them. Its cargo keeps its own state in the agent's home, offline.
    pub(crate) fn for_agents(&self) -> (Vec<Bind>, Vec<(String, String)>) {
        let roots = [self.rust.as_ref().map(Rust::binds), self.python.as_ref().map(Python::binds)];
        let env = self.env().into_iter().filter(|(name, _)| name != "CARGO_HOME" && name != "PYTHONPATH");
        (roots.into_iter().flatten().flatten().collect(), env.collect())
    }

    fn env(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut env = vec![
            pair("PATH", &self.path()),
            pair("CARGO_HOME", CARGO_HOME),
            pair("CARGO_NET_OFFLINE", "true"),
            pair("CARGO_TERM_COLOR", "never"),
            pair("CARGO_INCREMENTAL", "0"),
            pair("PYTHONDONTWRITEBYTECODE", "1"),
        ];
        if self.packages.is_some() {
            env.push(pair("PYTHONPATH", crate::python::PACKAGES));
        }
        env
    }

    fn path(&self) -> String {
        let rust = self.rust.as_ref().map(|rust| rust.root.join("bin"));
        let python = self.python.as_ref().and_then(|p| p.program.parent().map(Path::to_owned));
        let own = [rust, python].into_iter().flatten().map(|dir| format!("{}:", dir.display()));
        own.collect::<String>() + "/usr/local/bin:/usr/bin:/bin"
    }

    /// Version lines, in a fixed order, for the digest of the environment.
    pub(crate) fn versions(&self) -> Vec<String> {
        let rust = self.rust.iter().flat_map(|rust| [rust.cargo.clone(), rust.rustc.clone()]);
        rust.chain(self.python.iter().map(|python| python.version.clone())).collect()
    }

    /// What `doctor` prints.
    pub(crate) fn report(&self) -> Vec<ToolReport> {
        let mut rows = vec![
            row("cargo", self.rust.as_ref().map(|r| (&r.cargo, r.found_by())), rust::REMEDY),
            row("rustc", self.rust.as_ref().map(|r| (&r.rustc, r.found_by())), rust::REMEDY),
            row("python3", self.python.as_ref().map(|p| (&p.version, p.place())), python::REMEDY),
        ];
        let pytest = self.python.as_ref().and_then(|p| Some((p.pytest.as_ref()?, p.place())));
        rows.push(row(
            "pytest",
            pytest,
            "install it into the Python that is used: `python3 -m pip install pytest`",
        ));
        rows
    }
}

fn row(tool: &str, found: Option<(&String, String)>, remedy: &str) -> ToolReport {
    let version = found.as_ref().map(|(version, _)| (*version).clone());
    let detail = found.map_or_else(|| remedy.to_owned(), |(_, place)| place);
    ToolReport { tool: tool.to_owned(), version, detail }
}

/// Read-only binds of downloaded crates under the private CARGO_HOME of a room. Nothing else of the
/// directory is shown: `credentials.toml` and `config.toml` lie beside it.
fn crate_binds(crates: &Path, room: &Room) -> io::Result<Vec<Bind>> {
    let mut binds = Vec::new();
    for part in ["registry", "git"] {
        let host = crates.join(part);
        if host.is_dir() {
            std::fs::create_dir_all(room.work.join("cargo").join(part))?;
            binds.push(bind(&host, format!("{CARGO_HOME}/{part}"), false));
        }
    }
    Ok(binds)
}

/// The first line that a program of the host prints, within ten seconds.
pub(crate) async fn first_line(program: &Path, args: &[&str]) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), command.output()).await;
    let output = ended.ok()?.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned())
}

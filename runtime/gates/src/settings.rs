//! What the runner is told by its composer.

use foureyes_ports::sandbox::Tier;
use std::{ffi::OsString, path::PathBuf};

/// The parts of the host's environment in which toolchains are looked for.
#[derive(Clone, Debug, Default)]
pub struct HostEnv {
    /// `PATH`.
    pub path: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `CARGO_HOME`.
    pub cargo_home: Option<PathBuf>,
    /// `RUSTUP_HOME`.
    pub rustup_home: Option<PathBuf>,
}

impl HostEnv {
    /// As this process was started.
    pub fn of_this_process() -> Self {
        let dir = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            path: std::env::var_os("PATH"),
            home: dir("HOME"),
            cargo_home: dir("CARGO_HOME"),
            rustup_home: dir("RUSTUP_HOME"),
        }
    }

    /// Where rustup keeps its toolchains.
    pub(crate) fn rustup_dir(&self) -> Option<PathBuf> {
        self.rustup_home.clone().or_else(|| Some(self.home.as_ref()?.join(".rustup")))
    }

    /// Where cargo keeps what it has downloaded.
    pub(crate) fn cargo_dir(&self) -> Option<PathBuf> {
        self.cargo_home.clone().or_else(|| Some(self.home.as_ref()?.join(".cargo")))
    }

    /// The directories of PATH, in order.
    pub(crate) fn path_dirs(&self) -> Vec<PathBuf> {
        self.path.as_ref().map(|path| std::env::split_paths(path).collect()).unwrap_or_default()
    }
}

/// Settings of the runner.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where run directories, fetched dependencies and seeds of target directories live; made when
    /// missing.
    pub state_dir: PathBuf,
    /// The tier of the sandbox, part of the environment that evidence is keyed by.
    pub tier: Tier,
    /// Where toolchains are looked for.
    pub host: HostEnv,
    /// The Rust toolchain's directory (with `bin/cargo` in it), when the user names one.
    pub rust_toolchain: Option<PathBuf>,
    /// The Python interpreter (also of a virtual environment), when the user names one.
    pub python: Option<PathBuf>,
    /// Whether the user's own downloaded crates (`registry/` and `git/` of CARGO_HOME) may be read
    /// by gate runs that have no prepared dependencies.
    pub offer_registry: bool,
    /// Whether builds may start from a copy of what a run on one of `main`'s own trees has built.
    pub seeds: bool,
    /// Test processes at a time; at least 1.
    pub parallel: usize,
}

impl Settings {
    /// The usual settings over this state directory, with this process's environment.
    pub fn new(state_dir: PathBuf, tier: Tier) -> Self {
        Self {
            state_dir,
            tier,
            host: HostEnv::of_this_process(),
            rust_toolchain: None,
            python: None,
            offer_registry: true,
            seeds: true,
            parallel: 2,
        }
    }
}

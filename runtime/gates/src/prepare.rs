//! Fetching dependencies once, so that gate runs need no network.
//!
//! Fetching is a way out for whatever it sees, so it sees manifests and lock files only (and empty
//! files where cargo wants to see sources), runs no install script, and reaches the network only
//! through the runtime's proxy. The result is found again by a digest of all that was staged, the
//! command and the tool versions; it is written once, by rename, and mounted read-only.

use crate::{
    outcome,
    session::{Room, Session, Step},
    settings::Settings,
    toolchain::Tools,
    tree,
};
use foureyes_ports::{
    runner::{AdapterKind, PrepareError, Prepared, Proxy, SuiteSpec},
    sandbox::Purpose,
};
use foureyes_protocol::{Digest, testrun::RunOutcome};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// What is to be fetched for one tree.
pub(crate) struct Plan {
    key: Digest,
    dir: PathBuf,
    kind: AdapterKind,
    command: Vec<String>,
    /// `(path, content)` of manifests, and of empty stand-ins.
    staged: Vec<(String, Vec<u8>)>,
}

impl Plan {
    /// The plan for a checkout; `None` when it has no manifest of this adapter.
    pub(crate) fn of(
        settings: &Settings,
        kind: AdapterKind,
        suite: &SuiteSpec,
        checkout: &Path,
        tools: &Tools,
    ) -> io::Result<Option<Self>> {
        let files = tree::regular_files(checkout)?;
        let staged = stage(kind, checkout, &files);
        if !staged.iter().any(|(name, _)| is_manifest(kind, name)) {
            return Ok(None);
        }
        let locked = files.contains("Cargo.lock");
        let command =
            if suite.prepare.is_empty() { default(kind, tools, locked) } else { suite.prepare.clone() };
        let key = key_of(&staged, &command, &tools.versions());
        let dir = settings.state_dir.join("prepared").join(key.to_string());
        Ok(Some(Self { key, dir, kind, command, staged }))
    }

    /// The name of the result.
    pub(crate) fn key(&self) -> Digest {
        self.key
    }

    /// What was fetched before, if it was.
    pub(crate) fn found(&self) -> Option<Prepared> {
        let there = self.dir.is_dir();
        there.then(|| Prepared { key: self.key, dir: self.dir.clone(), reused: true })
    }

    /// Lets gate runs read what was fetched.
    pub(crate) fn offer(&self, tools: &mut Tools) {
        match self.kind {
            AdapterKind::Libtest => tools.crates = Some(self.dir.clone()),
            _ => tools.packages = Some(self.dir.clone()),
        }
    }

    /// Fetches. Without a proxy only a configured command is tried: it may not need a network.
    pub(crate) async fn fetch(
        &self,
        session: &Session,
        tools: &Tools,
        configured: bool,
        proxy: Option<Proxy>,
    ) -> Result<Prepared, PrepareError> {
        if proxy.is_none() && !configured {
            return Err(PrepareError::NoNetwork(format!("`{}`", self.command.join(" "))));
        }
        let room = session.room().map_err(host)?;
        self.lay_out(&room).map_err(host)?;
        let step = self.step(&room, tools, proxy).map_err(host)?;
        let program = self.command.first().map_or("", String::as_str);
        let result = session.exec(&room, step).await.map_err(|why| PrepareError::Command(words(why)))?;
        session.log.add(&self.command.join(" "), &[&result.stdout[..], &result.stderr].concat());
        match outcome::by_exit(&result, program, session.limits.timeout) {
            RunOutcome::Completed { exit: 0 } => self.keep(&room).map_err(host),
            RunOutcome::Completed { exit } => {
                Err(PrepareError::Command(format!("exit {exit}: {}", outcome::last_words(&result))))
            }
            other => Err(PrepareError::Command(words(other))),
        }
    }

    fn lay_out(&self, room: &Room) -> io::Result<()> {
        for (name, content) in &self.staged {
            let path = room.work.join("src").join(name);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, content)?;
        }
        fs::create_dir_all(room.work.join(self.result()))
    }

    /// Where the command leaves what it fetched, below `/work`.
    fn result(&self) -> &'static str {
        if self.kind == AdapterKind::Libtest { "cargo" } else { "packages" }
    }

    fn step(&self, room: &Room, tools: &Tools, proxy: Option<Proxy>) -> io::Result<Step> {
        let mut step = Step::new(self.command.clone());
        let bare = Tools { crates: None, packages: None, ..tools.clone() };
        bare.equip(&mut step, room)?;
        step.purpose = Purpose::Prepare;
        if let Some(proxy) = &proxy {
            let url = format!("http://127.0.0.1:{}", proxy.port);
            let names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "CARGO_HTTP_PROXY"];
            step.env.extend(names.map(|name| (name.to_owned(), url.clone())));
            step.env.retain(|(name, _)| name != "CARGO_NET_OFFLINE");
        }
        step.proxy = proxy;
        Ok(step)
    }

    /// The result appears under its key in one step; a second fetcher that lost the race uses it.
    fn keep(&self, room: &Room) -> io::Result<Prepared> {
        fs::create_dir_all(self.dir.parent().unwrap_or(&self.dir))?;
        let renamed = fs::rename(room.work.join(self.result()), &self.dir);
        if renamed.is_err() && !self.dir.is_dir() {
            renamed?;
        }
        Ok(Prepared { key: self.key, dir: self.dir.clone(), reused: false })
    }
}

fn host(error: io::Error) -> PrepareError {
    PrepareError::Host(format!("{error}; check space and rights of the state directory"))
}

fn words(outcome: RunOutcome) -> String {
    match outcome {
        RunOutcome::BrokenEnvironment { message } | RunOutcome::LimitExceeded { message } => message,
        other => format!("{other:?}"),
    }
}

fn key_of(staged: &[(String, Vec<u8>)], command: &[String], versions: &[String]) -> Digest {
    let counts = [staged.len() as u64, command.len() as u64].map(u64::to_be_bytes).concat();
    let files = staged.iter().flat_map(|(name, content)| [name.as_bytes(), content.as_slice()]);
    let words = command.iter().chain(versions).map(String::as_bytes);
    Digest::of_parts("foureyes prepare v1", std::iter::once(&counts[..]).chain(files).chain(words))
}

fn stage(kind: AdapterKind, checkout: &Path, files: &BTreeSet<String>) -> Vec<(String, Vec<u8>)> {
    let manifest = |name: &String| {
        let text = is_manifest(kind, name).then(|| tree::read_listed(checkout, files, name))??;
        Some((name.clone(), text.into_bytes()))
    };
    // cargo refuses a manifest whose targets do not exist; empty files satisfy it.
    let stand_in = |name: &String| {
        let wanted = kind == AdapterKind::Libtest && name.ends_with(".rs");
        wanted.then(|| (name.clone(), Vec::new()))
    };
    files.iter().filter_map(|name| manifest(name).or_else(|| stand_in(name))).collect()
}

fn is_manifest(kind: AdapterKind, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match kind {
        AdapterKind::Libtest => {
            matches!(name, "Cargo.toml" | "Cargo.lock" | "rust-toolchain" | "rust-toolchain.toml")
        }
        AdapterKind::Pytest | AdapterKind::Unittest => {
            name.starts_with("requirements") && name.ends_with(".txt") || name == "constraints.txt"
        }
        AdapterKind::Auto | AdapterKind::Generic => {
            matches!(name, "package.json" | "package-lock.json" | "go.mod" | "go.sum")
        }
    }
}

fn default(kind: AdapterKind, tools: &Tools, locked: bool) -> Vec<String> {
    let words: Vec<&str> = match kind {
        AdapterKind::Libtest if locked => vec!["fetch", "--locked"],
        AdapterKind::Libtest => vec!["fetch"],
        // Wheels only: a source distribution would run its own set-up script.
        AdapterKind::Pytest | AdapterKind::Unittest => {
            let fixed = "-m pip install --only-binary :all: --no-input --disable-pip-version-check";
            fixed.split(' ').chain(["--target", "/work/packages", "-r", "requirements.txt"]).collect()
        }
        AdapterKind::Auto | AdapterKind::Generic => vec!["ci", "--ignore-scripts"],
    };
    let program = match kind {
        AdapterKind::Libtest => tools.rust.as_ref().map_or("cargo".to_owned(), |rust| rust.program("cargo")),
        AdapterKind::Pytest | AdapterKind::Unittest => {
            tools.python.as_ref().map_or("python3".to_owned(), crate::toolchain::Python::place)
        }
        AdapterKind::Auto | AdapterKind::Generic => "npm".to_owned(),
    };
    std::iter::once(program).chain(words.into_iter().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_manifests_keep_their_content() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[package]");
        write("src/lib.rs", "secret");
        write("notes.txt", "secret");
        write("build.rs", "secret");
        let files = tree::regular_files(dir.path()).unwrap();
        let staged = stage(AdapterKind::Libtest, dir.path(), &files);
        let names: Vec<(&str, usize)> = staged.iter().map(|(n, c)| (n.as_str(), c.len())).collect();
        assert_eq!(names, [("Cargo.toml", 9), ("build.rs", 0), ("src/lib.rs", 0)]);
    }
}

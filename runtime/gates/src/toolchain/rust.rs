//! The Rust toolchain: configuration, rustup's directory, the compiler that built this program,
//! PATH, in this order.

use super::first_line;
use crate::{
    session::bind,
    settings::{HostEnv, Settings},
};
use foureyes_ports::sandbox::Bind;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What mends an absent toolchain.
pub(crate) const REMEDY: &str =
    "no Rust toolchain was found; install one with rustup or name its directory in the configuration";

/// A toolchain whose `bin/cargo` and `bin/rustc` run.
#[derive(Clone, Debug)]
pub(crate) struct Rust {
    /// Its directory, with `bin` and `lib` in it.
    pub(crate) root: PathBuf,
    /// What `cargo --version` says.
    pub(crate) cargo: String,
    /// What `rustc --version` says.
    pub(crate) rustc: String,
    by: &'static str,
}

impl Rust {
    /// The first toolchain that works; where the tree asks for a channel, only one of that name (or
    /// the configured one) is taken from rustup, and nothing else stands in for it.
    pub(crate) async fn find(settings: &Settings, channel: Option<&str>) -> Option<Self> {
        for (root, by) in candidates(settings, channel) {
            if let Some(found) = Self::probe(root, by).await {
                return Some(found);
            }
        }
        None
    }

    async fn probe(root: PathBuf, by: &'static str) -> Option<Self> {
        let cargo = first_line(&root.join("bin/cargo"), &["--version"]).await?;
        let rustc = first_line(&root.join("bin/rustc"), &["--version"]).await?;
        Some(Self { root, cargo, rustc, by })
    }

    /// Where it lies and how it was found.
    pub(crate) fn found_by(&self) -> String {
        format!("{} (from {})", self.root.display(), self.by)
    }

    /// A program of the toolchain, as seen inside.
    pub(crate) fn program(&self, name: &str) -> String {
        self.root.join("bin").join(name).display().to_string()
    }

    /// What must be shown inside; a toolchain of the distribution is there already.
    pub(crate) fn binds(&self) -> Vec<Bind> {
        let own = !self.root.starts_with("/usr");
        own.then(|| bind(&self.root, self.root.clone(), false)).into_iter().collect()
    }
}

fn candidates(settings: &Settings, channel: Option<&str>) -> Vec<(PathBuf, &'static str)> {
    let configured = settings.rust_toolchain.iter().map(|dir| (dir.clone(), "configuration"));
    let rustup = rustup_toolchain(&settings.host, channel).map(|dir| (dir, "rustup"));
    let mut all: Vec<_> = configured.chain(rustup).collect();
    if channel.is_none() {
        let recorded = Some(env!("FOUREYES_SYSROOT")).filter(|text| !text.is_empty());
        all.extend(recorded.map(|dir| (PathBuf::from(dir), "the build of this program")));
        all.extend(settings.host.path_dirs().iter().filter_map(|dir| on_path(dir)).map(|dir| (dir, "PATH")));
    }
    all
}

/// The toolchain that a directory of PATH belongs to, unless its cargo is rustup's stand-in (which
/// needs a HOME that the sandbox does not have).
fn on_path(dir: &Path) -> Option<PathBuf> {
    let cargo = fs::canonicalize(dir.join("cargo")).ok()?;
    let stand_in = cargo.file_name().is_some_and(|name| name == "rustup");
    (!stand_in).then(|| cargo.parent()?.parent().map(Path::to_owned)).flatten()
}

fn rustup_toolchain(host: &HostEnv, channel: Option<&str>) -> Option<PathBuf> {
    let rustup = host.rustup_dir()?;
    let toolchains = rustup.join("toolchains");
    let wanted = match channel {
        Some(channel) => channel.to_owned(),
        None => default_toolchain(&fs::read_to_string(rustup.join("settings.toml")).ok()?)?,
    };
    let mut names: Vec<String> = fs::read_dir(&toolchains)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            *name == wanted || name.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('-'))
        })
        .collect();
    names.sort();
    names.first().map(|name| toolchains.join(name))
}

fn default_toolchain(settings: &str) -> Option<String> {
    let line = settings.lines().find_map(|line| line.trim().strip_prefix("default_toolchain"))?;
    Some(line.trim_start().strip_prefix('=')?.trim().trim_matches('"').to_owned())
}

/// The channel that a `rust-toolchain.toml` or `rust-toolchain` file asks for.
pub(crate) fn channel(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("channel"));
    let bare = || text.lines().find(|line| !line.trim().is_empty() && !line.contains(['[', '=', '#']));
    let found = match value {
        Some(rest) => rest.trim_start().strip_prefix('=')?.split('#').next(),
        None => bare(),
    };
    let name = found?.trim().trim_matches(['"', '\'']);
    // The name becomes part of a path; anything else than a plain name is no channel.
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (plain && !name.is_empty() && !name.contains("..")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read_and_tricks_are_not() {
        let cases = [
            ("[toolchain]\nchannel = \"1.80.0\" # why\n", Some("1.80.0")),
            ("nightly-2025-01-01\n", Some("nightly-2025-01-01")),
            ("[toolchain]\nchannel='stable'", Some("stable")),
            ("[toolchain]\npath = \"/x\"\n", None),
            ("[toolchain]\nchannel = \"../../etc\"", None),
            ("[toolchain]\nchannel = \"..\"", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(channel(text).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn default_is_read_from_rustups_settings() {
        let text = "version = \"12\"\ndefault_toolchain = \"1.95-x86_64\"\n\n[overrides]\n";
        assert_eq!(default_toolchain(text).as_deref(), Some("1.95-x86_64"));
        assert_eq!(default_toolchain("version = 1"), None);
    }

    #[test]
    fn the_stand_in_of_rustup_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("rustup"), "").unwrap();
        std::os::unix::fs::symlink("rustup", bin.join("cargo")).unwrap();
        assert_eq!(on_path(&bin), None);
        fs::remove_file(bin.join("cargo")).unwrap();
        fs::write(bin.join("cargo"), "").unwrap();
        assert_eq!(on_path(&bin), Some(fs::canonicalize(dir.path()).unwrap()));
    }

    #[tokio::test]
    async fn a_recorded_sysroot_works_without_any_environment() {
        let dir = tempfile::tempdir().unwrap();
        let tier = foureyes_ports::sandbox::Tier::Advisory;
        let settings = Settings { host: HostEnv::default(), ..Settings::new(dir.path().into(), tier) };
        let found = Rust::find(&settings, None).await.unwrap();
        assert!(found.cargo.starts_with("cargo 1.") && found.rustc.starts_with("rustc 1."));
        assert!(Rust::find(&settings, Some("no-such-channel")).await.is_none());
    }
}

//! The workspace as cargo and the disk know it.

use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this crate lies below the root").to_owned()
}

/// A file of the workspace.
///
/// # Panics
/// When it cannot be read.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `cargo metadata` says about this workspace and every crate that this platform links: from
/// the lock file and what is already downloaded, so it needs no network and changes nothing.
///
/// # Panics
/// When cargo fails.
pub fn metadata() -> Value {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    command.args(["--filter-platform", &platform()]).current_dir(root());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// The platform of the compiler, such as `x86_64-unknown-linux-gnu`.
fn platform() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// A crate of the workspace.
#[derive(Debug)]
pub struct Member {
    /// Its name without the project's prefix.
    pub name: String,
    /// Its directory, relative to the root.
    pub room: String,
    /// The workspace's crates that it imports, also for its tests.
    pub imports: Vec<String>,
    /// Everything else that it imports, not counting what only its tests do.
    pub foreign: Vec<String>,
}

/// The workspace's crates.
///
/// # Panics
/// When cargo's answer has another form.
pub fn members(metadata: &Value) -> Vec<Member> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().filter(|package| package["source"].is_null()).map(member).collect()
}

fn member(package: &Value) -> Member {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    let dir = manifest.parent().expect("a manifest lies in a directory");
    let room = dir.strip_prefix(root()).expect("members lie below the root");
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    let names = |wanted: fn(&&Value) -> bool| -> Vec<String> {
        dependencies.iter().filter(wanted).map(|d| short(d["name"].as_str().expect("a name"))).collect()
    };
    Member {
        name: short(package["name"].as_str().expect("a name")),
        room: room.to_string_lossy().into_owned(),
        imports: names(|d| d["path"].is_string()),
        foreign: names(|d| d["path"].is_null() && d["kind"].is_null()),
    }
}

fn short(name: &str) -> String {
    name.strip_prefix("foureyes-").unwrap_or(name).to_owned()
}

/// The text files that somebody wrote: everything but what is built, git's own and the lock file.
/// Paths are relative to the root.
///
/// # Panics
/// When a directory cannot be read.
pub fn files() -> Vec<(String, String)> {
    let (root, mut found) = (root(), Vec::new());
    walk(&root, &root, &mut found);
    found.sort();
    found
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if ["target", ".git", "Cargo.lock"].contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).expect("below the root");
            found.push((relative.to_string_lossy().into_owned(), text));
        }
    }
}

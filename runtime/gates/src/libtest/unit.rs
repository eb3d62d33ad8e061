//! What cargo's JSON messages say: built units and compiler errors.

use super::{TARGET, map};
use serde::Deserialize;
use std::{collections::BTreeSet, path::PathBuf};

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    message: Option<Diagnostic>,
    #[serde(default)]
    out_dir: String,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
    src_path: PathBuf,
    #[serde(default)]
    doctest: bool,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
    message: String,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

/// A test binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) package: String,
    /// `lib`, `bin/<name>`, `test/<name>`…: unique in the package.
    pub(crate) target: String,
    pub(crate) src_path: PathBuf,
    pub(crate) executable: PathBuf,
    pub(crate) manifest_dir: PathBuf,
    pub(crate) package_id: String,
}

impl Binary {
    /// The id of one of its tests.
    pub(crate) fn id(&self, name: &str) -> String {
        format!("{}::{}::{name}", self.package, self.target)
    }
}

/// A package with a library whose documentation may hold tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Library {
    pub(crate) package: String,
    pub(crate) manifest_dir: PathBuf,
}

/// Everything read from one build's messages.
#[derive(Debug, Default)]
pub(crate) struct Units {
    pub(crate) binaries: Vec<Binary>,
    pub(crate) libraries: Vec<Library>,
    /// Files that errors point at; relative to the root where they lie below it.
    pub(crate) error_files: BTreeSet<String>,
    pub(crate) first_error: Option<String>,
    /// Texts of errors that point at no file.
    pub(crate) unplaced: Vec<String>,
    /// `(package id, OUT_DIR)` of build scripts.
    pub(crate) out_dirs: Vec<(String, String)>,
}

impl Units {
    /// Reads cargo's standard output; lines that are no messages are skipped.
    pub(crate) fn read(stdout: &[u8]) -> Self {
        let mut units = Self::default();
        let lines = stdout.split(|&b| b == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).for_each(|m| units.add(m));
        units.binaries.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
        units.libraries.sort_by(|a, b| a.package.cmp(&b.package));
        units.libraries.dedup();
        units
    }

    fn add(&mut self, message: Message) {
        match message.reason.as_str() {
            "compiler-artifact" => self.add_unit(message),
            "compiler-message" => self.add_error(message),
            "build-script-executed" => self.out_dirs.push((message.package_id, message.out_dir)),
            _ => {}
        }
    }

    fn add_unit(&mut self, message: Message) {
        let Some(target) = message.target else { return };
        let manifest_dir = message.manifest_path.parent().map(PathBuf::from).unwrap_or_default();
        // Dependencies from a registry are built too; only what lies in the checkout is tested.
        if map::relative(&manifest_dir).is_none() {
            return;
        }
        let package = package_name(&message.package_id);
        let under_test = message.profile.is_some_and(|profile| profile.test);
        match message.executable.filter(|path| under_test && path.starts_with(TARGET)) {
            Some(executable) => self.binaries.push(Binary {
                package,
                target: target_name(&target),
                src_path: target.src_path,
                executable,
                manifest_dir,
                package_id: message.package_id,
            }),
            None if target.doctest => self.libraries.push(Library { package, manifest_dir }),
            None => {}
        }
    }

    fn add_error(&mut self, message: Message) {
        let Some(diagnostic) = message.message else { return };
        if !diagnostic.level.starts_with("error") || is_summary(&diagnostic) {
            return;
        }
        let rendered = diagnostic.rendered.unwrap_or_else(|| diagnostic.message.clone());
        let files: Vec<String> = diagnostic.spans.iter().filter(|s| s.is_primary).map(place).collect();
        if files.is_empty() {
            self.unplaced.push(diagnostic.message);
        }
        self.error_files.extend(files);
        self.first_error.get_or_insert(rendered);
    }
}

/// rustc closes with lines such as `aborting due to 2 previous errors`, which are no errors.
fn is_summary(diagnostic: &Diagnostic) -> bool {
    diagnostic.spans.is_empty() && diagnostic.message.starts_with("aborting due to")
}

/// The file that a span blames: where a macro was used, if the span itself is outside the tree.
fn place(span: &Span) -> String {
    if let Some(file) = map::relative_text(&span.file_name) {
        return file;
    }
    match &span.expansion {
        Some(expansion) => place(&expansion.span),
        None => span.file_name.clone(),
    }
}

fn target_name(target: &Target) -> String {
    match target.kind.first().map_or("lib", String::as_str) {
        kind @ ("bin" | "test" | "example" | "bench") => format!("{kind}/{}", target.name),
        _ => "lib".to_owned(),
    }
}

/// The package's name from an id such as `path+file:///work/src/a#name@0.1.0` or `…/name#0.1.0`.
pub(crate) fn package_name(id: &str) -> String {
    let (url, version) = id.split_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => url.rsplit('/').next().unwrap_or(url).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names() {
        let cases = [
            ("path+file:///work/src#demo@0.1.0", "demo"),
            ("path+file:///work/src/crates/a#0.1.0", "a"),
            ("registry+https://github.com/rust-lang/crates.io-index#serde@1.0.0", "serde"),
        ];
        for (id, want) in cases {
            assert_eq!(package_name(id), want);
        }
    }

    #[test]
    fn errors_name_their_files_and_summaries_do_not_count() {
        let lines = [
            r#"{"reason":"compiler-message","package_id":"x","message":{"level":"error","message":"boom","rendered":"error: boom\n","spans":[{"file_name":"tests/a.rs","is_primary":true,"expansion":null},{"file_name":"src/lib.rs","is_primary":false,"expansion":null}]}}"#,
            r#"{"reason":"compiler-message","package_id":"x","message":{"level":"error","message":"m","rendered":"m","spans":[{"file_name":"/rustc/x/macros.rs","is_primary":true,"expansion":{"span":{"file_name":"src/b.rs","is_primary":true,"expansion":null}}}]}}"#,
            r#"{"reason":"compiler-message","package_id":"x","message":{"level":"warning","message":"w","rendered":"w","spans":[{"file_name":"src/w.rs","is_primary":true,"expansion":null}]}}"#,
            r#"{"reason":"compiler-message","package_id":"x","message":{"level":"error","message":"aborting due to 1 previous error","rendered":"x","spans":[]}}"#,
            "not json",
        ];
        let units = Units::read(lines.join("\n").as_bytes());
        let files: Vec<&str> = units.error_files.iter().map(String::as_str).collect();
        assert_eq!(files, ["src/b.rs", "tests/a.rs"]);
        assert_eq!(units.first_error.as_deref(), Some("error: boom\n"));
        assert!(units.unplaced.is_empty());
    }

    #[test]
    fn a_binary_outside_the_target_directory_is_not_run() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///work/src#d@1","manifest_path":"/work/src/Cargo.toml","target":{"kind":["test"],"name":"t","src_path":"/work/src/tests/t.rs"},"profile":{"test":true},"executable":"EXE"}"#;
        let of = |exe: &str| Units::read(line.replace("EXE", exe).as_bytes()).binaries;
        assert_eq!(of("/work/target/debug/deps/t-1")[0].id("x"), "d::test/t::x");
        assert!(of("/work/src/evil").is_empty());
    }
}

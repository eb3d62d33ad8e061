//! Code that nobody here wrote: a published crate and a Python package, each of which gains a
//! small documented function with its tests.

use foureyes_protocol::{Gate, Outcome};
use foureyes_tests::{
    bench::{self, Bench},
    plays::{self, dev},
    repo::Repo,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The source of a crate as cargo unpacked it: this workspace depends on it, so it is there.
fn registry_source(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cargo");
    let registry = cargo.unwrap_or_else(home).join("registry/src");
    let indexes = fs::read_dir(&registry).expect("cargo's registry").flatten().map(|e| e.path());
    let packages =
        indexes.flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten()).map(|e| e.path());
    let is_it = |dir: &PathBuf| {
        let base = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        base.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|v| v.starts_with(char::is_numeric))
    };
    packages
        .filter(is_it)
        .max()
        .unwrap_or_else(|| panic!("{name} is not in {}; run `cargo fetch`", registry.display()))
}

/// A repository whose base is a copy of this directory, changed by `change`.
fn adopted(source: &Path, change: impl FnOnce(&Repo)) -> Bench {
    let mut bench = Bench::shell();
    let path = bench.place("adopted");
    bench::copy(source, &path);
    bench.repo = Repo::init(&path, "main");
    change(&bench.repo);
    bench.repo.commit("As it was published", &[]);
    bench.config["gates"] = json!({});
    bench
}

#[test]
fn a_published_crate_gains_a_function() {
    let mut bench = adopted(&registry_source("itoa"), |repo| {
        // Benchmarks need crates that tests do not; without a network nobody resolves them.
        let manifest = fs::read_to_string(repo.path.join("Cargo.toml")).expect("a manifest");
        let sections = manifest.split("\n[").filter(|s| !needs_others(s));
        let kept = sections.collect::<Vec<_>>().join("\n[");
        repo.write("Cargo.toml", &kept.replace("autotests = false", "autotests = true"));
        repo.write(".gitignore", "target\nCargo.lock\n");
        fs::remove_dir_all(repo.path.join("benches")).unwrap_or_default();
        fs::remove_file(repo.path.join("Cargo.lock")).unwrap_or_default();
    });
    let tests = "#[test]\nfn digits_of_numbers() {\n    assert_eq!(itoa::digits(0), 1);\n    assert_eq!(itoa::digits(10), 2);\n    assert_eq!(itoa::digits(u64::MAX), 20);\n}\n";
    let library = fs::read_to_string(bench.repo.path.join("src/lib.rs")).expect("its source");
    let code = format!(
        "{library}\n/// How many decimal digits a number has.\npub fn digits(number: u64) -> usize {{\n    Buffer::new().format(number).len()\n}}\n"
    );
    let rules = plays::honest("digits", &[("tests/digits.rs", tests)], &[("src/lib.rs", &code)]);
    bench.task("digits").devs(&dev(&rules));
    let records = bench.finish();
    assert!(records.verdict("digits", Gate::Green, Outcome::Passed), "{}", records.lines());
    assert_eq!(bench.repo.show("main", "src/lib.rs").as_deref(), Some(code.as_str()));
}

fn needs_others(section: &str) -> bool {
    ["dev-dependencies", "target.", "[bench]]", "[[bench"].iter().any(|s| section.starts_with(s))
        || section.starts_with("[bench")
        || section.contains("no-panic")
        || section.starts_with("dependencies")
}

/// A package of pure Python that every pip brings along, with tests that the standard library runs.
#[test]
fn a_published_python_package_gains_a_function() {
    let ask = "import pip._vendor.idna as package; print(package.__path__[0])";
    let found = Command::new("python3").args(["-c", ask]).output().expect("python3 starts");
    assert!(found.status.success(), "{}", bench::said(&found));
    let package = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
    let place = tempfile::tempdir().expect("a place for the package");
    let copy = place.path().join("package");
    fs::create_dir(&copy).expect("a place for the package");
    bench::copy(&package, &copy.join("idna"));
    let mut bench = adopted(&copy, |repo| {
        fs::remove_dir_all(repo.path.join("idna/__pycache__")).unwrap_or_default();
        repo.write("test_base.py", "import unittest\nimport idna\n\n\nclass Base(unittest.TestCase):\n    def test_encode(self):\n        self.assertEqual(idna.encode('ö'), b'xn--nda')\n");
    });
    bench.config["gates"] = json!({"suite": {"adapter": "unittest"}});
    let tests = "import unittest\nfrom idna import intranges\n\n\nclass Count(unittest.TestCase):\n    def test_count(self):\n        ranges = intranges.intranges_from_list([1, 2, 3, 9])\n        self.assertEqual(intranges.intranges_count(ranges), 4)\n";
    let module = fs::read_to_string(bench.repo.path.join("idna/intranges.py")).expect("its source");
    let code = format!(
        "{module}\n\ndef intranges_count(ranges: Tuple[int, ...]) -> int:\n    \"\"\"How many integers the ranges hold.\"\"\"\n    return sum(_decode_range(r)[1] - _decode_range(r)[0] for r in ranges)\n"
    );
    let rules = plays::honest("count", &[("test_count.py", tests)], &[("idna/intranges.py", &code)]);
    bench.task("count").devs(&dev(&rules));
    let records = bench.finish();
    assert!(records.verdict("count", Gate::Green, Outcome::Passed), "{}", records.lines());
    let red =
        records.verdicts("count").into_iter().find(|v| v.gate == Gate::Red && v.outcome == Outcome::Passed);
    assert!(red.is_some_and(|v| v.failing.iter().any(|id| id.contains("test_count"))), "{}", records.lines());
    assert_eq!(bench.repo.show("main", "idna/intranges.py").as_deref(), Some(code.as_str()));
}

//! The hooks in real repositories, with real commits.

#![allow(clippy::disallowed_methods, reason = "tests start git")]

use foureyes_hooks::{HookError, install, uninstall};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_agents-hook");

/// A repository with the hooks installed.
struct Bed(TempDir);

impl Bed {
    /// A fresh repository without hooks, at a path with a space and an umlaut.
    fn bare() -> Self {
        let bed = Self(TempDir::with_prefix("häk ").expect("a directory"));
        bed.good(&["init", "-q", "-b", "main"]);
        bed.good(&["config", "user.name", "A"]);
        bed.good(&["config", "user.email", "a@example.org"]);
        bed
    }

    fn new() -> Self {
        let bed = Self::bare();
        install(bed.dir(), Path::new(PROGRAM)).expect("installed");
        bed
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, args: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.current_dir(self.dir())
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        git.output().expect("git starts")
    }

    fn good(&self, args: &[&str]) {
        let output = self.git(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Writes and stages files.
    fn stage(&self, files: &[(&str, &str)]) -> &Self {
        for (path, text) in files {
            let path = self.dir().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        self.good(&["add", "-A"]);
        self
    }

    /// Commits; what the hooks said, or `Err` with it when the commit was refused.
    fn commit(&self, message: &str) -> Result<String, String> {
        let output = self.git(&["commit", "-q", "-m", message]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    fn script(&self, path: &str, text: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
}

#[test]
fn the_test_comes_first() {
    let bed = Bed::new();
    let refused = bed.stage(&[("src/auth.py", "def login():\n    return 1\n")]).commit("code alone");
    let said = refused.expect_err("code alone is refused");
    assert!(said.contains("src/auth.py has no test") && said.contains("tests/test_auth.py"), "{said}");
    bed.good(&["rm", "-q", "--cached", "src/auth.py"]);
    fs::rename(bed.dir().join("src"), bed.dir().join(".git/src")).expect("moved away");
    bed.stage(&[("tests/test_auth.py", "def test_login():\n    assert True\n")])
        .commit("test")
        .expect("accepted");
    let said =
        bed.stage(&[("src/auth.py", "def login():\n    return 1\n")]).commit("code").expect("accepted");
    assert!(said.contains("needs two sign-offs: src/auth.py: a critical path"), "{said}");
    assert!(said.contains("the runtime checks"), "{said}");
}

#[test]
fn together_in_one_commit_is_accepted_too() {
    let bed = Bed::new();
    bed.stage(&[("src/a.rs", "pub fn a() {}\n"), ("tests/a.rs", "#[test] fn a() {}\n")])
        .commit("both")
        .expect("accepted");
    let inline = "pub fn b() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn b() {}\n}\n";
    bed.stage(&[("src/b.rs", inline)]).commit("inline").expect("accepted");
}

#[test]
fn on_a_branch_an_old_test_counts_only_where_that_is_set() {
    let bed = Bed::new();
    bed.stage(&[("a.py", "x = 1\n"), ("test_a.py", "x = 1\n")]).commit("base").expect("accepted");
    bed.good(&["switch", "-q", "-c", "feature/x"]);
    bed.stage(&[("a.py", "x = 2\n")]).commit("code").expect_err("no test of this feature");
    bed.good(&["config", "agents.testFirst", "exists"]);
    bed.commit("covered by an old test").expect("accepted");
    bed.good(&["config", "agents.testFirst", "sometimes"]);
    let said = bed.stage(&[("a.py", "x = 3\n")]).commit("bad setting").expect_err("refused");
    assert!(said.contains("feature|exists|off"), "{said}");
    bed.good(&["config", "--unset", "agents.testFirst"]);
    bed.stage(&[("test_a.py", "x = 2\n")]).commit("with its test").expect("accepted");
    bed.stage(&[("a.py", "x = 4\n")]).commit("after its test").expect("accepted");
}

#[test]
fn what_is_no_code_needs_no_test() {
    let bed = Bed::new();
    let files = [
        ("README.md", "x\n"),
        ("docs/a.md", "x\n"),
        ("conftest.py", "x = 1\n"),
        ("pkg/__init__.py", ""),
        ("vendor/x.c", "int x;\n"),
    ];
    bed.stage(&files).commit("no code").expect("accepted");
}

#[test]
fn secrets_are_refused_with_their_line_and_without_their_text() {
    let bed = Bed::new();
    let token = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let said =
        bed.stage(&[("notes.txt", &format!("one\ntwo\n{token}\n"))]).commit("token").expect_err("refused");
    assert!(said.contains("notes.txt:3 looks like a secret (github-token)"), "{said}");
    assert!(!said.contains(&token), "{said}");
    bed.stage(&[("notes.txt", "one\n")]).commit("clean").expect("accepted");
}

#[test]
fn the_form_of_subjects_is_checked_where_that_is_set() {
    let bed = Bed::new();
    bed.stage(&[("a.md", "x\n")]).commit("anything").expect("accepted");
    bed.good(&["config", "agents.conventional", "true"]);
    bed.stage(&[("a.md", "y\n")]).commit("anything").expect_err("refused");
    bed.commit("docs: a page").expect("accepted");
}

#[test]
fn hooks_that_were_there_run_first_and_come_back() {
    let bed = Bed::bare();
    // As hook managers do: the script finds out by its own name which hook it is.
    bed.script(".git/hooks/pre-commit", "#!/bin/sh\nbasename \"$0\" >> said\n[ ! -e stop ]\n");
    for _ in 0..2 {
        let done = install(bed.dir(), Path::new(PROGRAM)).expect("installed");
        assert_eq!(done.chained, ["pre-commit"]);
    }
    bed.stage(&[("a.md", "x\n")]).commit("one").expect("accepted");
    assert_eq!(fs::read_to_string(bed.dir().join("said")).expect("it ran"), "pre-commit\n");
    fs::write(bed.dir().join("stop"), "").expect("written");
    bed.stage(&[("a.md", "y\n")]).commit("two").expect_err("the old hook refuses");
    uninstall(bed.dir()).expect("uninstalled");
    uninstall(bed.dir()).expect("again");
    let left: Vec<_> =
        fs::read_dir(bed.dir().join(".git/hooks")).expect("hooks").flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("agents")), "{left:?}");
    let old = fs::read_to_string(bed.dir().join(".git/hooks/pre-commit")).expect("it is back");
    assert!(old.starts_with("#!/bin/sh\nbasename"));
}

#[test]
fn core_hooks_path_is_respected() {
    let bed = Bed::bare();
    bed.good(&["config", "core.hooksPath", "my hooks"]);
    let done = install(bed.dir(), Path::new(PROGRAM)).expect("installed");
    assert!(done.dir.ends_with("my hooks"));
    bed.good(&["config", "core.excludesFile", "/dev/null"]);
    fs::write(bed.dir().join(".git/info/exclude"), "my hooks/\n").expect("written");
    bed.stage(&[("a.py", "x = 1\n")]).commit("code alone").expect_err("refused");
}

#[test]
fn a_hook_that_was_kept_aside_is_never_overwritten() {
    let bed = Bed::new();
    bed.script(".git/hooks/pre-commit.before-agents", "#!/bin/sh\n");
    bed.script(".git/hooks/pre-commit", "#!/bin/sh\n");
    let refused = install(bed.dir(), Path::new(PROGRAM));
    assert!(matches!(refused, Err(HookError::InTheWay(_))), "{refused:?}");
}

#[test]
fn a_program_that_is_gone_is_said() {
    let bed = Bed::new();
    fs::remove_file(bed.dir().join(".git/hooks/agents-hook")).expect("removed");
    let said = bed.stage(&[("a.md", "x\n")]).commit("x").expect_err("refused");
    assert!(said.contains("agents hooks install"), "{said}");
}

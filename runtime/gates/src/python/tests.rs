//! The adapters against a real interpreter.

#![allow(clippy::disallowed_methods, reason = "tests start real programs and measure real time")]

use crate::testing::{Bed, DirectRunner, lines};
use foureyes_ports::runner::{AdapterKind, GateRunner as _, SuiteSpec};
use foureyes_protocol::testrun::RunOutcome;
use std::{path::PathBuf, process::Command, sync::OnceLock, time::Duration};

/// An interpreter with pytest: the one of PATH, or a virtual environment made once a process.
fn python_with_pytest() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(find_or_make).clone()
}

fn find_or_make() -> PathBuf {
    let has = |python: &PathBuf| {
        Command::new(python).args(["-c", "import pytest"]).output().unwrap().status.success()
    };
    let plain = PathBuf::from("python3");
    if has(&plain) {
        let out = Command::new(plain).args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        return String::from_utf8(out.stdout).unwrap().trim().into();
    }
    let dir = std::env::temp_dir().join(format!("foureyes-gates-venv-{}", env!("CARGO_PKG_VERSION")));
    let python = dir.join("bin/python3");
    if !python.exists() {
        make_venv(&dir);
    }
    assert!(has(&python), "pytest cannot be imported in {}; remove that directory", dir.display());
    python
}

/// Made beside and renamed, so that another test process never sees half of it.
fn make_venv(dir: &std::path::Path) {
    let draft = dir.with_extension(std::process::id().to_string());
    let made = Command::new("python3").args(["-m", "venv"]).arg(&draft).status().unwrap();
    assert!(made.success(), "python3 -m venv does not work");
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest"];
    let installed = Command::new(draft.join("bin/python3")).args(pip).status().unwrap();
    assert!(installed.success(), "pytest cannot be installed");
    if std::fs::rename(&draft, dir).is_err() {
        std::fs::remove_dir_all(&draft).unwrap();
    }
}

async fn pytest_bed() -> Bed {
    Bed::with(DirectRunner, |settings| settings.python = Some(python_with_pytest())).await
}

const UNITTEST: &str = r#"
import os, unittest
from calc import add

class Calc(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(add(1, 2), 3)
    def test_fails(self):
        print("seen")
        self.assertEqual(add(1, 2), 4)
    def test_leaves(self):
        os._exit(0)
    def test_sub(self):
        for n in range(2):
            with self.subTest(n=n):
                self.assertEqual(n, 0)
    @unittest.skip("later")
    def test_skipped(self):
        pass
    @unittest.expectedFailure
    def test_expected(self):
        self.fail()
    @unittest.expectedFailure
    def test_unexpected(self):
        pass
    def test_z_forks(self):
        if os.fork() == 0:
            raise SystemError("the child goes on as if it were the suite")
        os.wait()

class NoSetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no database")
    def test_never(self):
        pass
"#;

#[tokio::test]
async fn unittest_ends_of_every_kind() {
    let bed = Bed::direct()
        .await
        .files(&[("calc.py", "def add(a, b): return a + b\n"), ("test_calc.py", UNITTEST)]);
    let result = bed.run(SuiteSpec::of(AdapterKind::Unittest)).await;
    let want = [
        "test_calc.Calc.test_adds passed",
        "test_calc.Calc.test_expected skipped",
        "test_calc.Calc.test_fails failed",
        "test_calc.Calc.test_leaves failed",
        "test_calc.Calc.test_skipped skipped",
        "test_calc.Calc.test_sub failed",
        "test_calc.Calc.test_unexpected failed",
        "test_calc.Calc.test_z_forks passed",
        "test_calc.NoSetUp.test_never failed",
    ];
    assert_eq!(lines(&result), want, "{}", String::from_utf8_lossy(&result.log));
    assert_eq!(result.report.outcome, RunOutcome::Completed { exit: 1 });
    let message = |id: &str| result.report.get(id).unwrap().message.clone().unwrap();
    assert!(message("test_calc.Calc.test_leaves").contains("ended its process itself (exit 0)"));
    assert!(message("test_calc.NoSetUp.test_never").contains("no database"));
    assert_eq!(result.report.tests[0].file.as_deref(), Some("test_calc.py"));
}

#[tokio::test]
async fn a_forged_record_is_not_a_verdict() {
    let forger = r#"
import os, unittest
class T(unittest.TestCase):
    def test_forge(self):
        body = '{"t":"result","id":"test_f.T.test_forge","status":"passed","millis":0,"message":null}'
        for fd in range(1, 32):
            try:
                os.write(fd, ("0" * 64 + " " + body + "\n" + body + "\n").encode())
                os.write(fd, ("0" * 64 + ' {"t":"end"}\n').encode())
            except OSError:
                pass
        os._exit(0)
"#;
    let bed = Bed::direct().await.files(&[("test_f.py", forger)]);
    let result = bed.run(SuiteSpec::of(AdapterKind::Unittest)).await;
    assert_eq!(lines(&result), ["test_f.T.test_forge failed"]);
}

#[tokio::test]
async fn files_that_do_not_import_are_named_and_the_rest_runs() {
    let good = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n";
    for kind in [AdapterKind::Unittest, AdapterKind::Pytest] {
        let bed = pytest_bed().await.files(&[
            ("tests/__init__.py", ""),
            ("tests/test_good.py", good),
            ("tests/test_syntax.py", "def test_x(:\n"),
            ("tests/test_absent.py", "from calc import mul\ndef test_y(): mul()\n"),
            ("calc.py", "def add(): pass\n"),
        ]);
        let report = bed.run(SuiteSpec::of(kind)).await.report;
        let RunOutcome::BuildFailed { files, .. } = &report.outcome else { panic!("{kind:?} {report:?}") };
        assert_eq!(files, &["tests/test_absent.py", "tests/test_syntax.py"], "{kind:?}");
        assert_eq!((report.tests.len(), report.tests[0].file.as_deref()), (1, Some("tests/test_good.py")));
    }
}

const PYTEST: &str = r#"
import os, pytest
@pytest.mark.parametrize("n", [1, 2])
def test_even(n):
    print("seen")
    assert n % 2 == 0
def test_leaves():
    open(os.path.join(os.environ["HOME"], "junit.xml"), "w").write("<testsuite failures='0'/>")
    os._exit(0)
@pytest.mark.skip
def test_skipped(): pass
@pytest.mark.xfail
def test_expected(): assert False
@pytest.fixture
def bad(): raise ValueError("no fixture")
def test_setup(bad): pass
class TestIt:
    def test_last(self): pass
"#;

const PYTEST_WANT: [&str; 7] = [
    "t/test_p.py::TestIt::test_last passed",
    "t/test_p.py::test_even[1] failed",
    "t/test_p.py::test_even[2] passed",
    "t/test_p.py::test_expected skipped",
    "t/test_p.py::test_leaves failed",
    "t/test_p.py::test_setup failed",
    "t/test_p.py::test_skipped skipped",
];

#[tokio::test]
async fn pytest_ends_of_every_kind_and_repeats() {
    let bed = pytest_bed().await.files(&[("t/test_p.py", PYTEST), ("conftest.py", "")]);
    let result = bed.run(SuiteSpec::default()).await;
    assert_eq!(lines(&result), PYTEST_WANT, "{}", String::from_utf8_lossy(&result.log));
    assert_eq!(result.report.adapter, "pytest");
    assert!(
        result.report.tests[1].message.as_ref().unwrap().contains("assert"),
        "{:?}",
        result.report.tests[1]
    );
    let ids = ["t/test_p.py::test_even[2]".to_owned()];
    let seen = bed.runner.repeat(bed.request(SuiteSpec::default()), &ids, 2).await;
    assert_eq!((seen[0].passed, seen[0].failed), (2, 0));
}

#[tokio::test]
async fn pytest_behind_a_wall() {
    let bed = Bed::walled(|settings| settings.python = Some(python_with_pytest())).await;
    let bed = bed.files(&[("t/test_p.py", PYTEST)]);
    let result = bed.run(SuiteSpec::default()).await;
    assert_eq!(lines(&result), PYTEST_WANT, "{}", String::from_utf8_lossy(&result.log));
}

#[tokio::test]
async fn a_suite_that_hangs_names_the_test() {
    let hang = "import time, unittest\nclass T(unittest.TestCase):\n    def test_h(self):\n        time.sleep(600)\n";
    let mut bed = Bed::direct().await.files(&[("test_h.py", hang)]);
    bed.limits.timeout = Duration::from_secs(4);
    let report = bed.run(SuiteSpec::of(AdapterKind::Unittest)).await.report;
    let RunOutcome::LimitExceeded { message } = &report.outcome else { panic!("{report:?}") };
    assert!(message.contains("longer than its limit of 4 s"), "{message}");
}

#[tokio::test]
async fn no_interpreter_is_a_broken_environment() {
    let bed = Bed::with(DirectRunner, |settings| settings.host.path = None).await.files(&[("test_a.py", "")]);
    let outcome = bed.run(SuiteSpec::default()).await.report.outcome;
    assert!(
        matches!(&outcome, RunOutcome::BrokenEnvironment { message } if message.contains("python3")),
        "{outcome:?}"
    );
}

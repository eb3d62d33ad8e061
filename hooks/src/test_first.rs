//! Which test belongs to which implementation file, by the customs of each language.
//!
//! | language | a test of `auth` is |
//! |---|---|
//! | Python | `test_auth.py`, `auth_test.py`, anywhere |
//! | Rust | `tests/auth.rs`, `auth_test.rs`, `auth_tests.rs`, `test_auth.rs`, `auth/tests.rs`, or inline `#[cfg(test)]` |
//! | Go | `auth_test.go` in the same directory |
//! | TypeScript, JavaScript | `auth.test.ts`, `auth.spec.ts`, `__tests__/auth.ts` |
//! | Java | `AuthTest.java`, `AuthTests.java`, `AuthIT.java`, `TestAuth.java` |
//! | C, C++ | `test_auth.c`, `auth_test.cc`, `auth_unittest.cc`, `tests/auth.c` |
//! | others | a file whose name without `test` or `spec` is that of the implementation |
//!
//! A file in `net/` may also be named with its directory (`test_net_auth.py`). Files that only wire
//! others together (`__init__.py`, `mod.rs`, `lib.rs`, `main.*`, `index.*`) have a test as soon as the
//! language has any in the repository.

/// A language, as far as tests are named differently in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    Rust,
    Go,
    Script,
    Java,
    C,
    Other,
}

fn language(extension: &str) -> Option<Language> {
    Some(match extension {
        "py" => Language::Python,
        "rs" => Language::Rust,
        "go" => Language::Go,
        "ts" | "tsx" | "js" | "jsx" | "mjs" | "cjs" | "mts" | "cts" => Language::Script,
        "java" => Language::Java,
        "c" | "cc" | "cpp" | "cxx" => Language::C,
        "rb" | "kt" | "kts" | "scala" | "swift" | "php" | "cs" | "ex" | "exs" | "hs" | "ml" | "lua"
        | "dart" | "clj" | "erl" | "zig" | "nim" | "m" | "mm" | "pl" => Language::Other,
        _ => return None,
    })
}

/// A path taken apart.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    dir: &'a str,
    stem: &'a str,
    extension: &'a str,
    language: Language,
}

fn parts(path: &str) -> Option<Parts<'_>> {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, extension) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
    Some(Parts { dir, stem, extension, language: language(extension)? })
}

/// Whether a path is source code that can have a test. What it is otherwise (a test itself,
/// generated, documentation) is the business of the path lists.
pub fn is_code(path: &str) -> bool {
    parts(path).is_some()
}

/// Whether `test`, which is a test file, tests `implementation`.
pub fn is_test_of(test: &str, implementation: &str) -> bool {
    let (Some(test), Some(code)) = (parts(test), parts(implementation)) else { return false };
    if test.language != code.language {
        return false;
    }
    if wires_only(code) {
        return true;
    }
    let names = names(code);
    subjects(test).iter().any(|subject| names.contains(subject))
        && (code.language != Language::Go || test.dir == code.dir)
}

/// Files that hold no logic of their own by custom.
fn wires_only(code: Parts<'_>) -> bool {
    matches!(code.stem, "__init__" | "__main__" | "mod" | "lib" | "main" | "index")
}

/// How a test may name an implementation: by its stem, or with its directory before it.
fn names(code: Parts<'_>) -> Vec<String> {
    let folder = code.dir.rsplit('/').next().unwrap_or_default();
    let joined = if folder.is_empty() { None } else { Some(plain(&format!("{folder}_{}", code.stem))) };
    std::iter::once(plain(code.stem)).chain(joined).collect()
}

/// Names are compared without case and separators: `HttpClient`, `http_client` and `http-client` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

const IN_FRONT: [&str; 3] = ["test_", "Test", "test-"];
const BEHIND: [&str; 16] = [
    "_unittest",
    "_tests",
    "_test",
    "_spec",
    ".test",
    ".spec",
    "-test",
    "-spec",
    "Tests",
    "Test",
    "Spec",
    "IT",
    "TestCase",
    ".tests",
    ".unit",
    "-tests",
];

/// What a test file's name says that it tests.
fn subjects(test: Parts<'_>) -> Vec<String> {
    let behind = BEHIND.iter().filter_map(|affix| test.stem.strip_suffix(affix));
    let in_front = IN_FRONT.iter().filter_map(|affix| test.stem.strip_prefix(affix));
    // `auth/tests.rs` tests `auth.rs`.
    let folder = matches!(test.stem, "tests" | "test").then(|| test.dir.rsplit('/').next()).flatten();
    let itself = in_test_dir(test.dir).then_some(test.stem);
    let found = behind.chain(in_front).chain(folder).chain(itself);
    found.map(plain).filter(|subject| !subject.is_empty()).collect()
}

fn in_test_dir(dir: &str) -> bool {
    dir.split('/').any(|part| matches!(part, "tests" | "test" | "__tests__" | "spec"))
}

/// Where a test of this implementation would lie by the customs of its language; `None` for what is no
/// code.
pub fn suggestion(implementation: &str) -> Option<String> {
    let Parts { dir, stem, extension, language } = parts(implementation)?;
    let beside = |name: String| if dir.is_empty() { name } else { format!("{dir}/{name}") };
    Some(match language {
        Language::Python => format!("tests/test_{stem}.py"),
        Language::Rust => rust_tests(dir, stem),
        Language::Go => beside(format!("{stem}_test.go")),
        Language::Script => beside(format!("{stem}.test.{extension}")),
        Language::Java => beside(format!("{stem}Test.java")).replacen("src/main/", "src/test/", 1),
        Language::C => format!("tests/test_{stem}.{extension}"),
        Language::Other => format!("tests/{stem}_test.{extension}"),
    })
}

/// The `tests` folder of the crate: beside the first `src` of the path.
fn rust_tests(dir: &str, stem: &str) -> String {
    let crate_dir = match dir.split_once("/src") {
        Some((before, _)) => format!("{before}/"),
        None => String::new(),
    };
    format!("{crate_dir}tests/{stem}.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_belong_to_their_implementation() {
        for (test, code) in [
            ("tests/test_auth.py", "src/auth.py"),
            ("src/auth_test.py", "src/auth.py"),
            ("tests/unit/test_net_auth.py", "src/net/auth.py"),
            ("tests/auth.rs", "src/auth.rs"),
            ("src/auth/tests.rs", "src/auth.rs"),
            ("src/auth_tests.rs", "src/auth.rs"),
            ("crates/a/tests/http_client.rs", "crates/a/src/http/client.rs"),
            ("pkg/auth_test.go", "pkg/auth.go"),
            ("src/auth.test.ts", "src/auth.ts"),
            ("src/__tests__/auth.tsx", "src/auth.tsx"),
            ("src/auth.spec.js", "src/auth.ts"),
            ("src/test/java/a/AuthTest.java", "src/main/java/a/Auth.java"),
            ("src/test/java/a/AuthIT.java", "src/main/java/a/Auth.java"),
            ("tests/test_auth.c", "src/auth.c"),
            ("auth_unittest.cc", "auth.cc"),
            ("spec/auth_spec.rb", "lib/auth.rb"),
            ("tests/anything.rs", "src/lib.rs"),
            ("tests/test_x.py", "pkg/__init__.py"),
            ("tests/http-client.test.ts", "src/HttpClient.ts"),
        ] {
            assert!(is_test_of(test, code), "{test} tests {code}");
        }
    }

    #[test]
    fn others_do_not() {
        for (test, code) in [
            ("tests/test_author.py", "src/auth.py"),
            ("tests/test_auth.py", "src/auth.rs"),
            ("other/auth_test.go", "pkg/auth.go"),
            ("src/author.test.ts", "src/auth.ts"),
            ("tests/readme.md", "src/auth.py"),
            ("tests/test_.py", "src/_.py"),
            ("tests/test_x.py", "src/lib.rs"),
        ] {
            assert!(!is_test_of(test, code), "{test} does not test {code}");
        }
    }

    #[test]
    fn what_is_suggested_is_a_test_of_it() {
        for (code, test) in [
            ("src/auth.py", "tests/test_auth.py"),
            ("src/auth.rs", "tests/auth.rs"),
            ("crates/a/src/b/c.rs", "crates/a/tests/c.rs"),
            ("pkg/auth.go", "pkg/auth_test.go"),
            ("web/auth.tsx", "web/auth.test.tsx"),
            ("src/main/java/a/Auth.java", "src/test/java/a/AuthTest.java"),
            ("src/auth.cpp", "tests/test_auth.cpp"),
            ("lib/auth.rb", "tests/auth_test.rb"),
        ] {
            assert_eq!(suggestion(code).as_deref(), Some(test));
            assert!(is_test_of(test, code), "{test} tests {code}");
        }
    }

    #[test]
    fn not_everything_is_code() {
        for path in ["README.md", "a.json", "Makefile", ".py", "a.h", "x.yaml", ""] {
            assert!(!is_code(path), "{path}");
            assert_eq!(suggestion(path), None);
        }
    }
}

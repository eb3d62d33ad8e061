//! Which suite the files of a tree suggest.

use foureyes_ports::runner::{AdapterKind, SuiteSpec};

/// The suite for these files (paths relative to the root); pytest is chosen for Python tests only
/// where the tree is made for it or it is installed.
pub(crate) fn detect(files: &[String], pytest_installed: bool) -> Option<SuiteSpec> {
    let has = |name: &str| files.iter().any(|file| file == name);
    if has("Cargo.toml") {
        return Some(SuiteSpec::of(AdapterKind::Libtest));
    }
    if files.iter().any(|file| is_pytest_file(file)) {
        return Some(SuiteSpec::of(AdapterKind::Pytest));
    }
    if files.iter().any(|file| is_python_test(file)) {
        let kind = if pytest_installed { AdapterKind::Pytest } else { AdapterKind::Unittest };
        return Some(SuiteSpec::of(kind));
    }
    let other = [("package.json", ["npm", "test"].as_slice()), ("go.mod", &["go", "test", "./..."])];
    other.into_iter().find(|(manifest, _)| has(manifest)).map(|(_, command)| SuiteSpec {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        ..SuiteSpec::of(AdapterKind::Generic)
    })
}

fn name_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn is_pytest_file(file: &str) -> bool {
    file == "pytest.ini" || name_of(file) == "conftest.py"
}

fn is_python_test(file: &str) -> bool {
    let name = name_of(file);
    name.ends_with(".py") && (name.starts_with("test") || name.ends_with("_test.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_suggest_a_suite() {
        let cases: [(&[&str], bool, Option<AdapterKind>); 8] = [
            (&["Cargo.toml", "tests/test_x.py"], true, Some(AdapterKind::Libtest)),
            (&["a/conftest.py"], false, Some(AdapterKind::Pytest)),
            (&["tests/test_a.py"], true, Some(AdapterKind::Pytest)),
            (&["tests/test_a.py"], false, Some(AdapterKind::Unittest)),
            (&["sub/Cargo.toml"], true, None),
            (&["package.json"], true, Some(AdapterKind::Generic)),
            (&["go.mod"], true, Some(AdapterKind::Generic)),
            (&["README.md", "latest.py"], true, None),
        ];
        for (files, pytest, want) in cases {
            let files: Vec<String> = files.iter().map(|&f| f.to_owned()).collect();
            assert_eq!(detect(&files, pytest).map(|suite| suite.adapter), want, "{files:?}");
        }
    }
}

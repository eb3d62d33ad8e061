//! From a test to the file that holds it.

use crate::session::SRC;
use std::{collections::BTreeSet, path::Path};

/// A path inside the sandbox, relative to the root of the checkout; `None` outside of it.
pub(crate) fn relative(path: &Path) -> Option<String> {
    path.strip_prefix(SRC).ok()?.to_str().map(str::to_owned)
}

/// As [`relative`], for a compiler's file name, which may be relative already.
pub(crate) fn relative_text(file: &str) -> Option<String> {
    if Path::new(file).is_relative() { Some(file.to_owned()) } else { relative(Path::new(file)) }
}

/// The file of the test `name` (`a::b::tests::x`) of the crate rooted at `src_path`: the file of
/// its longest module path that exists, else the root. Best effort: `#[path]` is not read.
pub(crate) fn file_of(src_path: &Path, name: &str, files: &BTreeSet<String>) -> Option<String> {
    let root = relative(src_path)?;
    let dir = root.rsplit_once('/').map_or("", |(dir, _)| dir);
    let mut modules: Vec<&str> = name.split("::").collect();
    modules.pop();
    while !modules.is_empty() {
        let below = if dir.is_empty() { modules.join("/") } else { format!("{dir}/{}", modules.join("/")) };
        let found = [format!("{below}.rs"), format!("{below}/mod.rs")];
        if let Some(file) = found.into_iter().find(|file| files.contains(file)) {
            return Some(file);
        }
        modules.pop();
    }
    files.contains(&root).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_lead_to_files() {
        let names =
            ["src/lib.rs", "src/a/b.rs", "src/a/mod.rs", "src/c.rs", "src/c/tests.rs", "tests/it.rs", "m.rs"];
        let files: BTreeSet<String> = names.iter().map(|&n| n.to_owned()).collect();
        let cases = [
            ("/work/src/src/lib.rs", "tests::x", Some("src/lib.rs")),
            ("/work/src/src/lib.rs", "a::b::tests::x", Some("src/a/b.rs")),
            ("/work/src/src/lib.rs", "a::tests::x", Some("src/a/mod.rs")),
            ("/work/src/src/lib.rs", "c::tests::x", Some("src/c/tests.rs")),
            ("/work/src/tests/it.rs", "plain", Some("tests/it.rs")),
            ("/work/src/m.rs", "tests::x", Some("m.rs")),
            ("/work/src/tests/gone.rs", "x", None),
            ("/elsewhere/lib.rs", "x", None),
        ];
        for (src, name, want) in cases {
            assert_eq!(file_of(Path::new(src), name, &files).as_deref(), want, "{src} {name}");
        }
    }
}

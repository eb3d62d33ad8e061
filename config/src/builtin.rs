//! What the program brings along: the built-in plays of scripted agents, the parts of prompts, and the
//! crate of the demo.

/// Pairs of name and text, for files below a directory of this crate.
macro_rules! embedded {
    ($dir:literal, $suffix:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../", $dir, "/", $name, $suffix)))),*]
    };
}

const PLAYS: &[(&str, &str)] = embedded!("plays", ".yaml":
    "good/orchestrator" "good/librarian" "good/planner" "good/architect" "good/dev" "good/reviewer"
    "good/qa" "good/docs"
    "slow/orchestrator" "slow/librarian" "slow/planner" "slow/architect" "slow/dev" "slow/qa" "slow/docs"
    "crashing/dev" "lying/dev"
    "demo/orchestrator" "demo/librarian" "demo/planner" "demo/planner-a" "demo/planner-b"
    "demo/architect-a" "demo/architect-b" "demo/architect-c" "demo/dev-a" "demo/dev-b"
    "demo/qa-a" "demo/qa-b" "demo/docs"
    "offline/dev-a" "offline/dev-b"
);

const PROMPTS: &[(&str, &str)] = embedded!("prompts", "":
    "manifest.yaml"
    "orchestrator.md" "librarian.md" "planner.md" "architect.md" "dev.md" "qa.md" "docs.md"
    "orders.md" "turns.md" "gates.md" "specs.md" "tests-first.md" "git.md" "four-eyes.md" "reviewing.md"
    "rejections.md" "decisions.md" "escalation.md" "refusals.md" "reports.md" "instructions.md"
);

const DEMO: &[(&str, &str)] = embedded!("demo", "":
    ".gitignore" "CHANGELOG.md" "Cargo.lock" "Cargo.toml" "LICENSE" "README.md"
    "src/cli/help.txt" "src/cli/mod.rs" "src/lib.rs" "src/list.rs" "src/range.rs"
    "tests/help.rs" "tests/list.rs" "tests/range.rs"
);

/// The text of a built-in play, such as `good/dev`; `None` where there is none of that name.
pub fn play(name: &str) -> Option<&'static str> {
    PLAYS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the built-in plays, in groups.
pub fn play_names() -> impl Iterator<Item = &'static str> {
    PLAYS.iter().map(|(name, _)| *name)
}

/// The text of a built-in part of prompts, such as `dev.md`, or of their `manifest.yaml`; `None` where
/// there is none of that name.
pub fn prompt(name: &str) -> Option<&'static str> {
    PROMPTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The file names of the built-in parts, the manifest first.
pub fn prompt_names() -> impl Iterator<Item = &'static str> {
    PROMPTS.iter().map(|(name, _)| *name)
}

/// The files of the demo's crate: path relative to its root, and text.
pub fn demo_files() -> &'static [(&'static str, &'static str)] {
    DEMO
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn files_below(dir: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files_below(&path, root, found),
                false => drop(found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned())),
            }
        }
    }

    fn below(name: &str) -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let mut found = BTreeSet::new();
        files_below(&root, &root, &mut found);
        found
    }

    #[test]
    fn every_file_is_embedded() {
        let plays: BTreeSet<String> = play_names().map(|n| format!("{n}.yaml")).collect();
        let mut on_disk = below("plays");
        on_disk.remove("README.md");
        assert_eq!(plays, on_disk);
        let prompts: BTreeSet<String> = prompt_names().map(str::to_owned).collect();
        assert_eq!(prompts, below("prompts"));
        let demo: BTreeSet<String> = demo_files().iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(demo, below("demo"));
    }

    #[test]
    fn what_is_brought_along_names_built_in_plays_only() {
        let texts = [include_str!("../demo.yaml"), include_str!("../claude-offline.yaml")];
        for text in texts {
            crate::load_with_plays(text, "built in", &|name| play(name).is_some()).unwrap();
        }
    }
}

//! `pre-commit`: test first, no secrets, and an early word on who will have to sign.

use crate::{
    HookError,
    git::Repository,
    staged::{AddedLine, Staged},
    test_first,
};
use foureyes_config::{Config, PathRules, load};
use foureyes_policies::{facts::facts, inline_tests, secrets};
use foureyes_protocol::{FileChange, Risk, change::FileStatus};
use std::{collections::BTreeSet, fs};

/// Which tests count for an implementation file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TestFirst {
    /// Those that the same feature adds or changes, in an earlier commit or in this one. On the
    /// target branch itself, where a feature has no beginning, any that exists.
    Feature,
    /// Any that exists.
    Exists,
    /// None is asked for.
    Off,
}

/// Checks what is staged. The answer is notes for the person who commits.
pub(crate) fn run(repository: &Repository) -> Result<Vec<String>, HookError> {
    let (config, mut notes) = configuration(repository);
    // A configuration that was loaded has no pattern that does not compile.
    let Ok(rules) = PathRules::compile(&config) else { return Ok(notes) };
    let head = repository.head()?;
    let begin = repository.begin(&head)?;
    let commit = Staged::read(repository, &head)?;
    let feature = match begin.as_ref().filter(|base| **base != head) {
        Some(base) => Staged::read(repository, base)?,
        None => commit.clone(),
    };
    no_secrets(&commit)?;
    let tests = Tests { repository, rules: &rules, feature: &feature, on_feature: begin.is_some() };
    tests.first(&commit, setting(repository)?)?;
    notes.extend(threshold(&config, &rules, &feature));
    Ok(notes)
}

/// The repository's own configuration where it has one that loads: the lists of paths may differ.
fn configuration(repository: &Repository) -> (Config, Vec<String>) {
    let name = ".agents/config.yaml";
    let Ok(text) = fs::read_to_string(repository.dir().join(name)) else {
        return (Config::default(), Vec::new());
    };
    match load(&text, name) {
        Ok(config) => (config, Vec::new()),
        Err(_) => {
            let note =
                format!("{name} has mistakes (`agents check {name}`); the default lists of paths are used");
            (Config::default(), vec![note])
        }
    }
}

fn setting(repository: &Repository) -> Result<TestFirst, HookError> {
    const KEY: &str = "agents.testFirst";
    match repository.setting(KEY)?.as_deref() {
        None | Some("feature") => Ok(TestFirst::Feature),
        Some("exists") => Ok(TestFirst::Exists),
        Some("off") => Ok(TestFirst::Off),
        Some(other) => {
            Err(HookError::Setting { key: KEY, value: other.to_owned(), choices: "feature|exists|off" })
        }
    }
}

struct Tests<'a> {
    repository: &'a Repository,
    rules: &'a PathRules,
    feature: &'a Staged,
    /// Whether the feature has a beginning that is known.
    on_feature: bool,
}

impl Tests<'_> {
    fn first(&self, commit: &Staged, rule: TestFirst) -> Result<(), HookError> {
        let code: Vec<&FileChange> = commit.files.iter().filter(|file| self.needs_test(file)).collect();
        if rule == TestFirst::Off || code.is_empty() {
            return Ok(());
        }
        let tests = self.counting(rule)?;
        let mut missing = Vec::new();
        for file in code {
            let tested = tests.iter().any(|test| test_first::is_test_of(test, &file.path));
            if !tested && !self.has_inline_tests(&file.path)? {
                let wanted = test_first::suggestion(&file.path).unwrap_or_default();
                missing.push(format!("{} has no test; expected one such as {wanted}", file.path));
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(HookError::NoTest(missing)) }
    }

    fn needs_test(&self, file: &FileChange) -> bool {
        let class = self.rules.classify(&file.path);
        let other =
            class.test || class.test_infrastructure || class.docs || class.generated || class.vendored;
        let moved = file.status == FileStatus::Renamed && file.lines() == 0;
        let empty = file.status == FileStatus::Added && file.lines() == 0;
        let gone = file.status == FileStatus::Deleted;
        test_first::is_code(&file.path) && !other && !moved && !empty && !gone
    }

    /// The test files that count.
    fn counting(&self, rule: TestFirst) -> Result<BTreeSet<String>, HookError> {
        let mut paths: BTreeSet<String> = if rule == TestFirst::Feature && self.on_feature {
            let kept = self.feature.files.iter().filter(|file| file.status != FileStatus::Deleted);
            kept.map(|file| file.path.clone()).collect()
        } else {
            let listed = self.repository.run(&["ls-files", "--cached", "-z", "--full-name"])?;
            String::from_utf8_lossy(&listed).split('\0').map(str::to_owned).collect()
        };
        paths.retain(|path| self.rules.classify(path).test);
        Ok(paths)
    }

    /// Rust's tests within the file, as it is staged.
    fn has_inline_tests(&self, path: &str) -> Result<bool, HookError> {
        if !path.ends_with(".rs") {
            return Ok(false);
        }
        let source = self.repository.run(&["cat-file", "blob", &format!(":{path}")])?;
        let cut = inline_tests::cut(&String::from_utf8_lossy(&source));
        Ok(cut.is_some_and(|cut| !cut.tests.trim().is_empty()))
    }
}

fn no_secrets(commit: &Staged) -> Result<(), HookError> {
    let mut hits: Vec<String> =
        commit.added.iter().flat_map(|(path, lines)| secrets_in(path, lines)).collect();
    hits.sort();
    if hits.is_empty() { Ok(()) } else { Err(HookError::Secrets(hits)) }
}

/// The added lines are scanned as one text, since a private key has many.
fn secrets_in(path: &str, lines: &[AddedLine]) -> Vec<String> {
    let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    let at = |offset: usize| {
        let before = text[..offset].bytes().filter(|byte| *byte == b'\n').count();
        lines.get(before).map_or(0, |line| line.number)
    };
    let hits = secrets::scan(&text);
    hits.iter()
        .map(|hit| format!("{path}:{} looks like a secret ({})", at(hit.range.start), hit.kind))
        .collect()
}

/// What the size and the paths of the feature so far will ask for.
fn threshold(config: &Config, rules: &PathRules, feature: &Staged) -> Vec<String> {
    let facts = facts(config, rules, &feature.summary(), Vec::new());
    let mut notes = Vec::new();
    if let Some(why) = facts.above.first() {
        let more = facts.above.len() - 1;
        let others = if more == 0 { String::new() } else { format!(" and {more} more reasons") };
        notes.push(format!("this change needs two sign-offs: {why}{others}"));
    }
    if !facts.protected.is_empty() {
        notes.push(format!("protected, so the user is asked: {}", facts.protected.join(", ")));
    }
    if facts.risk == Risk::Critical {
        notes.push("its risk is CRITICAL: landing needs the user's second factor".to_owned());
    }
    notes
}

//! Size and risk of a change: what the 4-eyes threshold and the signers are decided on.
//!
//! Above the threshold (two sign-offs): more than 50 changed lines, more than 3 files, or anything
//! whose lines say nothing (binary, generated, vendored, very wide, a mode change, a symbolic link, a
//! submodule) or that can do more harm than its size (critical paths, manifests, migrations,
//! production configuration). Changelog and documentation count lines, not files.

use foureyes_config::{Config, PathClass, PathRules};
use foureyes_protocol::{ChangeFacts, ChangeSummary, FileChange, Risk, change::FileStatus};

/// Computes the facts. `inline_tests` names source files of which only inline test items changed
/// (see [`crate::inline_tests`]).
pub fn facts(
    config: &Config,
    rules: &PathRules,
    change: &ChangeSummary,
    inline_tests: Vec<String>,
) -> ChangeFacts {
    let classes: Vec<(&FileChange, PathClass)> = change.files.iter().map(|f| (f, worst(rules, f))).collect();
    let paths = |pick: &dyn Fn(&PathClass) -> bool| -> Vec<String> {
        classes.iter().filter(|(_, c)| pick(c)).map(|(f, _)| f.path.clone()).collect()
    };
    let counted_files = classes.iter().filter(|(f, c)| counts_as_file(f, c)).count() as u64;
    let lines = change.lines();
    ChangeFacts {
        risk: classes.iter().map(|(_, c)| c.risk).max().unwrap_or(Risk::Low),
        lines,
        files: counted_files,
        above: above(config, &classes, lines, counted_files),
        test_files: paths(&|c| c.test),
        inline_tests,
        test_infrastructure: paths(&|c| c.test_infrastructure),
        docs: paths(&|c| c.docs),
        user_facing: paths(&|c| c.user_facing),
        protected: paths(&|c| c.protected),
        critical: classes.iter().filter(|(f, c)| is_critical(f, c)).map(|(f, _)| f.path.clone()).collect(),
        manifests: paths(&|c| c.manifest || c.lockfile),
    }
}

/// The class of a change's path; a rename has the stricter of both its paths.
fn worst(rules: &PathRules, file: &FileChange) -> PathClass {
    let new = rules.classify(&file.path);
    let Some(old) = file.old_path.as_deref().map(|p| rules.classify(p)) else { return new };
    PathClass {
        protected: new.protected || old.protected,
        critical: new.critical || old.critical,
        docs: new.docs && old.docs,
        user_facing: new.user_facing || old.user_facing,
        generated: new.generated || old.generated,
        vendored: new.vendored || old.vendored,
        manifest: new.manifest || old.manifest,
        lockfile: new.lockfile || old.lockfile,
        migration: new.migration || old.migration,
        production_config: new.production_config || old.production_config,
        test_infrastructure: new.test_infrastructure || old.test_infrastructure,
        test: new.test && old.test,
        risk: new.risk.max(old.risk),
    }
}

/// What a reader of lines cannot see (where a link or a submodule points) is looked at like a critical
/// path.
fn is_critical(file: &FileChange, class: &PathClass) -> bool {
    class.critical || file.is_submodule() || file.is_symlink()
}

fn counts_as_file(file: &FileChange, class: &PathClass) -> bool {
    !class.docs || file.binary || file.is_submodule() || file.is_symlink()
}

fn above(config: &Config, classes: &[(&FileChange, PathClass)], lines: u64, files: u64) -> Vec<String> {
    let limits = &config.four_eyes;
    let mut why = Vec::new();
    if lines > limits.lines {
        why.push(format!("{lines} changed lines (more than {})", limits.lines));
    }
    if files > limits.files {
        why.push(format!("{files} files (more than {})", limits.files));
    }
    why.extend(
        classes
            .iter()
            .filter_map(|(f, c)| by_itself(f, c, limits.wide_line).map(|w| format!("{}: {w}", f.path))),
    );
    why
}

/// Why one file alone lifts the change above the threshold.
fn by_itself(file: &FileChange, class: &PathClass, wide_line: u64) -> Option<&'static str> {
    let edited_rename = file.status == FileStatus::Renamed && file.lines() > 0;
    let rules: [(bool, &'static str); 14] = [
        (file.is_submodule(), "a submodule moved"),
        (file.is_symlink(), "a symbolic link"),
        (file.mode_changed(), "its mode changed"),
        (file.binary, "binary"),
        (class.critical, "a critical path"),
        (class.protected, "a protected path"),
        (class.manifest || class.lockfile, "a dependency manifest or lock file"),
        (class.migration, "a migration"),
        (class.production_config, "production configuration"),
        (class.risk >= Risk::High, "a high-risk path"),
        (class.generated, "a generated file"),
        (class.vendored, "a vendored file"),
        (file.widest_line > wide_line, "a very wide line"),
        (edited_rename, "a rename with an edit"),
    ];
    rules.iter().find(|(holds, _)| *holds).map(|(_, why)| *why)
}

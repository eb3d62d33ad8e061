//! Documentation tests: one item a package, by the exit code of `cargo test --doc`.

use super::{
    Bench, Pick,
    build::{self, Built, Library},
    map,
};
use crate::{outcome, text, toolchain::Rust, tree};
use foureyes_protocol::testrun::{RunOutcome, TestResult, TestStatus};

/// Runs the documentation tests of each package that seems to hold any. They come last, since
/// rustdoc must write into the target directory.
pub(crate) async fn run(
    bench: &Bench<'_>,
    built: &Built,
    rust: &Rust,
    pick: &Pick,
) -> Result<Vec<TestResult>, RunOutcome> {
    let mut tests = Vec::new();
    for library in &built.libraries {
        if bench.session.remaining().is_zero() {
            break;
        }
        if pick.wants(&id(library)) && may_hold_tests(bench, library) {
            for _ in 0..pick.times {
                tests.push(run_package(bench, built, rust, library).await?);
            }
        }
    }
    Ok(tests)
}

fn id(library: &Library) -> String {
    format!("{}::doc", library.package)
}

/// A cheap look that spares rustdoc's start where no file holds a code block.
fn may_hold_tests(bench: &Bench<'_>, library: &Library) -> bool {
    let dir = map::relative(&library.manifest_dir).unwrap_or_default();
    let below =
        |file: &&String| file.ends_with(".rs") && (dir.is_empty() || file.starts_with(&format!("{dir}/")));
    bench.files.iter().filter(below).any(|file| {
        let text = tree::read_listed(&bench.session.checkout, &bench.files, file);
        // A file that cannot be read as text might hold some.
        text.is_none_or(|text| text.contains("```") || text.contains("include_str!") || text.contains("~~~"))
    })
}

/// Of the build's arguments only the choice of features and the lock concern documentation tests.
fn feature_arguments(args: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--features" | "-F" => kept.extend(std::iter::once(arg).chain(rest.next()).cloned()),
            "--all-features" | "--no-default-features" | "--locked" => kept.push(arg.clone()),
            other if other.starts_with("--features=") => kept.push(arg.clone()),
            _ => {}
        }
    }
    kept
}

async fn run_package(
    bench: &Bench<'_>,
    built: &Built,
    rust: &Rust,
    library: &Library,
) -> Result<TestResult, RunOutcome> {
    let session = bench.session;
    let mut argv = vec![rust.program("cargo"), "test".to_owned(), "--doc".to_owned()];
    argv.extend(feature_arguments(&built.args));
    argv.extend(["-p".to_owned(), library.package.clone()]);
    let step = build::step(bench, &built.room, argv, built.shown.clone())?;
    let result = session.exec(&built.room, step).await?;
    let output = [&result.stdout[..], &result.stderr].concat();
    session.log.add(&id(library), &output);
    let passed = result.exit == Some(0) && !result.timed_out;
    let message = match outcome::by_exit(&result, "cargo test --doc", session.limits.timeout) {
        RunOutcome::Completed { .. } => String::from_utf8_lossy(&output).into_owned(),
        other => format!("{other:?}"),
    };
    Ok(TestResult {
        id: id(library),
        file: None,
        status: if passed { TestStatus::Passed } else { TestStatus::Failed },
        millis: result.millis,
        message: if passed { None } else { text::message(&message) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_features_are_handed_on() {
        let args = ["-p", "a", "--features", "x y", "--tests", "--all-features", "--features=z"];
        let args: Vec<String> = args.iter().map(|&a| a.to_owned()).collect();
        assert_eq!(feature_arguments(&args), ["--features", "x y", "--all-features", "--features=z"]);
    }
}

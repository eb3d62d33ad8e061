//! Building the test binaries, and what a build that fails means.

pub(crate) use super::unit::{Binary, Library};
use super::{Bench, TARGET, map, unit::Units};
use crate::{
    outcome,
    session::{Room, Step, View, io_broken},
    text,
    toolchain::Rust,
    tree,
};
use foureyes_ports::sandbox::{Bind, RunResult};
use foureyes_protocol::testrun::RunOutcome;
use std::path::PathBuf;

/// A build whose binaries can be run.
pub(crate) struct Built {
    pub(crate) binaries: Vec<Binary>,
    pub(crate) libraries: Vec<Library>,
    pub(crate) out_dirs: Vec<(String, String)>,
    /// The room of the build; its `work/target` holds the binaries.
    pub(crate) room: Room,
    /// The checkout as built, on the host (with the lock file that cargo made, if it had none).
    pub(crate) source: PathBuf,
    /// What shows the checkout in the build's room.
    pub(crate) shown: Option<Bind>,
    /// Arguments of the configured command that choose packages and features.
    pub(crate) args: Vec<String>,
}

impl Built {
    /// The target directory on the host.
    pub(crate) fn target(&self) -> PathBuf {
        self.room.work.join("target")
    }
}

/// Builds the test binaries.
pub(crate) async fn build(bench: &Bench<'_>, rust: &Rust) -> Result<Built, RunOutcome> {
    let mut args = arguments(&bench.suite.command)?;
    let session = bench.session;
    let room = session.room().map_err(io_broken("no run directory"))?;
    let (source, shown) = show(bench, &room).await?;
    start_target(bench, &room).await?;
    if shown.is_some() && !args.iter().any(|arg| arg == "--locked") {
        // cargo would otherwise rewrite a lock file that differs only in its layout.
        args.push("--locked".to_owned());
    }
    let result = cargo(bench, rust, &room, &shown, &["test", "--no-run"], &args).await?;
    let mut units = Units::read(&result.stdout);
    if result.exit != Some(0) || result.truncated {
        add_other_errors(bench, rust, &room, &shown, &args, &mut units).await?;
        return Err(failure(&result, units, session.limits.timeout));
    }
    let Units { binaries, libraries, out_dirs, .. } = units;
    let built = Built { binaries, libraries, out_dirs, room, source, shown, args };
    if let Some(seed) = bench.seed {
        seed.keep(&built.target()).await;
    }
    Ok(built)
}

/// `cargo test` stops at the first target that does not compile, and who judges a failed build
/// needs every file with an error: `cargo build --tests` can be told to go on.
async fn add_other_errors(
    bench: &Bench<'_>,
    rust: &Rust,
    room: &Room,
    shown: &Option<Bind>,
    args: &[String],
    units: &mut Units,
) -> Result<(), RunOutcome> {
    if !units.error_files.is_empty() {
        let words = ["build", "--tests", "--keep-going"];
        let all = cargo(bench, rust, room, shown, &words, args).await?;
        units.error_files.extend(Units::read(&all.stdout).error_files);
    }
    Ok(())
}

async fn cargo(
    bench: &Bench<'_>,
    rust: &Rust,
    room: &Room,
    shown: &Option<Bind>,
    words: &[&str],
    args: &[String],
) -> Result<RunResult, RunOutcome> {
    let mut argv = vec![rust.program("cargo")];
    argv.extend(words.iter().map(|&word| word.to_owned()));
    argv.extend(args.iter().cloned());
    argv.push("--message-format=json".to_owned());
    let result = bench.session.exec(room, step(bench, room, argv, shown.clone())?).await?;
    bench.session.log.add(&format!("cargo {}", words.join(" ")), &result.stderr);
    Ok(result)
}

/// A step in the build's room, with cargo's environment.
pub(crate) fn step(
    bench: &Bench<'_>,
    room: &Room,
    argv: Vec<String>,
    shown: Option<Bind>,
) -> Result<Step, RunOutcome> {
    let mut step = Step::new(argv);
    step.binds.extend(shown);
    bench.tools.equip(&mut step, room).map_err(io_broken("no toolchain"))?;
    step.env.push(("CARGO_TARGET_DIR".to_owned(), TARGET.to_owned()));
    step.env.extend_from_slice(&bench.suite.env);
    Ok(step)
}

/// Without a lock file cargo must write one, so the build then gets a copy.
async fn show(bench: &Bench<'_>, room: &Room) -> Result<(PathBuf, Option<Bind>), RunOutcome> {
    let locked = bench.files.contains("Cargo.lock") && !bench.suite.writable_checkout;
    let view = if locked { View::ReadOnly } else { View::Copy };
    let checkout = &bench.session.checkout;
    let shown =
        bench.session.show(room, checkout, view).await.map_err(io_broken("no view of the checkout"))?;
    let source = if locked { checkout.clone() } else { room.work.join("src") };
    Ok((source, shown))
}

/// The target directory starts empty or from a seed. cargo compares times of files: the checkout
/// must look newer than anything that a seed built, or old binaries would stand for new code.
async fn start_target(bench: &Bench<'_>, room: &Room) -> Result<(), RunOutcome> {
    let target = room.work.join("target");
    let seeded = match bench.seed {
        Some(seed) => seed.plant(&target).await,
        None => false,
    };
    if !seeded {
        return std::fs::create_dir_all(&target).map_err(io_broken("no target directory"));
    }
    let roots = [bench.session.checkout.clone(), room.work.join("src")];
    let newer = tree::newest(&target).map_err(io_broken("the seed is unreadable"))?;
    let after = newer + std::time::Duration::from_secs(2);
    let mut roots = roots.iter().filter(|root| root.is_dir());
    let touched = roots.try_for_each(|root| tree::touch(root, &tree::regular_files(root)?, after));
    touched.map_err(io_broken("times of the checkout cannot be set"))
}

/// The part of the configured command that chooses what is tested.
fn arguments(command: &[String]) -> Result<Vec<String>, RunOutcome> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(vec!["--workspace".to_owned()]),
        ["cargo", "test" | "t", rest @ ..] if !rest.contains(&"--") => {
            Ok(rest.iter().map(|&word| word.to_owned()).collect())
        }
        ["cargo", "test" | "t", ..] => Err(outcome::broken(
            "arguments after `--` go to the harness, which the libtest adapter drives itself; remove them \
             or choose the generic adapter",
        )),
        _ => Err(outcome::broken(format!(
            "the libtest adapter needs a `cargo test` command, not `{}`; choose the generic adapter for it",
            command.join(" ")
        ))),
    }
}

fn failure(result: &RunResult, units: Units, limit: std::time::Duration) -> RunOutcome {
    if result.timed_out || outcome::signal_of(result).is_some() || matches!(result.exit, Some(126 | 127)) {
        return outcome::by_exit(result, "cargo", limit);
    }
    if result.truncated {
        return outcome::broken("the build printed more than 16 MiB of messages; its errors cannot be read");
    }
    let said = text::clean(&result.stderr);
    let words = units.unplaced.join("\n") + &said;
    if let Some(remedy) = broken_environment(&words) {
        return outcome::broken(format!("{remedy}\n{}", text::tail(said.trim(), 2000)));
    }
    let mut files = units.error_files;
    files.extend(named_files(&said));
    let message = units.first_error.unwrap_or_else(|| text::tail(said.trim(), 4000).to_owned());
    outcome::build_failed(files, &message)
}

/// What mends an environment that cannot build anything, by what cargo and rustc say of it.
fn broken_environment(said: &str) -> Option<&'static str> {
    const DEPENDENCIES: &str = "dependencies are not available offline; fetch them first (`agents prepare`)";
    const LINKER: &str = "no linker is installed; install a C toolchain (`cc`)";
    const SIGNS: [(&str, &str); 15] = [
        ("no matching package named", DEPENDENCIES),
        ("failed to download", DEPENDENCIES),
        ("but --offline was specified", DEPENDENCIES),
        ("you may be attempting to use offline", DEPENDENCIES),
        ("without the offline flag", DEPENDENCIES),
        ("in offline mode", DEPENDENCIES),
        ("Unable to update registry", DEPENDENCIES),
        ("Could not resolve host", DEPENDENCIES),
        ("failed to unpack package", DEPENDENCIES),
        ("linker `cc` not found", LINKER),
        ("linker `cc` is not found", LINKER),
        ("could not execute process", "a program of the toolchain is missing; reinstall the toolchain"),
        (
            "can't find crate for `std`",
            "the toolchain lacks the target's standard library; add it with rustup",
        ),
        (
            "is not supported by the following package",
            "the installed rustc is too old for the tree; update it",
        ),
        ("requires rustc", "the installed rustc is too old for the tree; update it"),
    ];
    SIGNS.iter().find(|(sign, _)| said.contains(sign)).map(|(_, remedy)| *remedy)
}

/// Files that cargo itself blames: a manifest that it cannot read, a build script that failed, a
/// lock file that does not fit.
fn named_files(said: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in said.lines() {
        let place = line.trim().strip_prefix("--> ").and_then(|place| place.split(':').next());
        files.extend(place.and_then(map::relative_text));
        if line.contains("manifest at `") || line.contains("could not parse input as TOML") {
            files.extend(quoted_below_root(line));
        }
        if line.contains("failed to run custom build command for `") {
            files.push(build_script(line));
        }
        if line.contains("lock file") && line.contains("Cargo.lock") {
            files.push("Cargo.lock".to_owned());
        }
    }
    files
}

fn quoted_below_root(line: &str) -> Option<String> {
    line.split('`').find_map(|part| part.strip_prefix("/work/src/")).map(str::to_owned)
}

fn build_script(line: &str) -> String {
    let dir =
        line.split_once("(/work/src").and_then(|(_, rest)| rest.split_once(')')).map_or("", |(dir, _)| dir);
    format!("{dir}/build.rs").trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_a_cargo_test_without_harness_arguments_is_taken() {
        assert_eq!(arguments(&[]).unwrap(), ["--workspace"]);
        assert_eq!(
            arguments(&words("cargo test -p a --features x")).unwrap(),
            ["-p", "a", "--features", "x"]
        );
        for refused in ["cargo test -- --skip x", "make test", "cargo run"] {
            assert!(
                matches!(arguments(&words(refused)), Err(RunOutcome::BrokenEnvironment { .. })),
                "{refused}"
            );
        }
    }

    #[test]
    fn cargo_names_files_of_its_own() {
        let cases = [
            ("error: failed to parse manifest at `/work/src/a/Cargo.toml`", "a/Cargo.toml"),
            ("error: failed to run custom build command for `d v0.1.0 (/work/src/x y)`", "x y/build.rs"),
            ("error: failed to run custom build command for `d v0.1.0 (/work/src)`", "build.rs"),
            ("error: unclosed table, expected `]`\n --> b/Cargo.toml:1:9\n  |", "b/Cargo.toml"),
            ("error: the lock file /work/src/Cargo.lock needs to be updated", "Cargo.lock"),
        ];
        for (said, want) in cases {
            assert_eq!(named_files(said), [want], "{said}");
        }
    }

    #[test]
    fn an_absent_dependency_or_linker_is_no_build_failure() {
        assert!(broken_environment("error: no matching package named `serde` found").is_some());
        assert!(broken_environment("linker `cc` not found").is_some());
        assert!(broken_environment("error[E0425]: cannot find function").is_none());
    }
}

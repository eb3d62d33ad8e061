//! Which tests a binary holds.

use super::{
    Bench,
    build::{Binary, Built},
    one,
};
use foureyes_protocol::testrun::RunOutcome;
use std::collections::BTreeSet;

/// What a binary said of its tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Their names, sorted, without benchmarks.
    Tests(Vec<String>),
    /// It does not speak as libtest does; why.
    Unusable(String),
}

/// Asks a binary for its tests.
pub(crate) async fn list(bench: &Bench<'_>, built: &Built, binary: &Binary) -> Result<Listed, RunOutcome> {
    let args = ["--list", "--format", "terse"].map(str::to_owned);
    let result = one::exec(bench, built, binary, args.to_vec(), 4 << 20).await?;
    bench.session.log.add(&format!("{} --list", binary.id("")), &result.stderr);
    if result.exit != Some(0) || result.truncated {
        let why = format!("the test binary does not list its tests (exit {:?})", result.exit);
        return Ok(Listed::Unusable(why));
    }
    Ok(read(&result.stdout))
}

fn read(stdout: &[u8]) -> Listed {
    let mut names = BTreeSet::new();
    for line in String::from_utf8_lossy(stdout).lines().filter(|line| !line.trim().is_empty()) {
        match line.rsplit_once(": ") {
            Some((name, "test")) if names.insert(name.to_owned()) => {}
            Some((_, "benchmark")) => {}
            _ => {
                let why = "the test binary does not list its tests as libtest does (own harness?); \
                           test it with the generic adapter";
                return Listed::Unusable(why.to_owned());
            }
        }
    }
    Listed::Tests(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libtests_own_lines_are_a_list() {
        let tests = |names: &[&str]| Listed::Tests(names.iter().map(|&n| n.to_owned()).collect());
        assert_eq!(read(b"b: test\na::c: test\nspeed: benchmark\n\n"), tests(&["a::c", "b"]));
        assert_eq!(read(b""), tests(&[]));
        for odd in [&b"hello\n"[..], b"a: test\nall fine\n", b"a: test\na: test\n"] {
            assert!(matches!(read(odd), Listed::Unusable(_)), "{odd:?}");
        }
    }
}

//! The authoritative repository against real git, every version that this machine has.

mod change;
mod checkout;
mod clones;
mod compose;
mod delivery;
mod hostile;
mod import;
mod serve;

use super::{
    GitRepository,
    testing::{Bench, gits, id, plain_git, system_at},
};
use foureyes_ports::vcs::{
    CloneSpec, DeliveryTarget, ImportKind, Merge, NewBlob, NewCommit, ObjectFormat, Permit, PushLimits,
    PushOutcome, PushRequest, RefUpdate, Refusal, Vcs, VcsError, Visible, permit,
};
use foureyes_protocol::{CommitId, FileChange, PrincipalId, change::FileStatus};
use proptest::prelude::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

const FEATURE: &str = "refs/heads/feature/login";

fn accept<'a>(_: &PushRequest, _: &dyn Vcs) -> Result<Permit<'a>, Refusal> {
    Ok(permit())
}

fn file<'a>(files: &'a [FileChange], path: &str) -> &'a FileChange {
    files.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("{path} in {files:?}"))
}

fn numbered(n: usize) -> String {
    (0..n).map(|i| format!("line {i}\n")).collect()
}

/// A bench whose user has `main` imported and then a feature commit, taken as the feature branch.
fn changed(program: &Path, before: &[(&str, &str)], after: &[(&str, &str)]) -> (Bench, CommitId, CommitId) {
    let bench = Bench::with(program, "main", ObjectFormat::Sha1);
    bench.commit(before);
    let main = bench.import();
    bench.git(&["checkout", "-q", "-b", "work"]);
    bench.commit(after);
    let head = bench.take(FEATURE);
    (bench, main, head)
}

/// A bench whose authoritative repository holds a commit on top of the user's `main`.
fn landed(program: &Path) -> (Bench, CommitId) {
    let (bench, _, head) =
        changed(program, &[("a", "1\n"), ("keep", "k\n")], &[("a", "2\n"), ("new/file", "n\n")]);
    bench.git(&["checkout", "-q", "main"]);
    bench.git(&["branch", "-q", "-D", "work"]);
    (bench, head)
}

//! The tier without a wall: nothing is mounted, so links stand for binds below `/work`, and paths
//! of the host that tools print are turned back into paths of the inside.

use foureyes_ports::sandbox::{RunResult, SandboxSpec};
use std::{fs, io, os::unix::fs::symlink, path::Path};

/// Puts a link in the place of each empty mount point of the room.
pub(crate) fn link(spec: &SandboxSpec) -> io::Result<()> {
    for bind in &spec.binds {
        let Ok(below) = bind.inside.strip_prefix("/work") else { continue };
        let place = spec.work.join(below);
        // Behind a link lies another room's directory, where nothing is to be replaced.
        if within(&spec.work, &place) && fs::remove_dir(&place).is_ok() {
            symlink(&bind.host, &place)?;
        }
    }
    Ok(())
}

fn within(work: &Path, place: &Path) -> bool {
    let above = place.ancestors().take_while(|dir| *dir != work);
    above.into_iter().all(|dir| fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir()))
}

/// What a program said, with paths of the inside.
pub(crate) fn inside(spec: &SandboxSpec, result: RunResult) -> RunResult {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let binds = spec.binds.iter().map(|bind| (bind.host.as_path(), bind.inside.as_path()));
    for (host, inside) in binds.chain([(spec.work.as_path(), Path::new("/work"))]) {
        let real = fs::canonicalize(host).unwrap_or_else(|_| host.to_owned());
        pairs.extend([host, &real].map(|host| (host.display().to_string(), inside.display().to_string())));
    }
    // The deepest directory first: a room may lie in another one.
    pairs.retain(|(host, inside)| host != inside);
    pairs.sort_by_key(|(host, _)| std::cmp::Reverse(host.len()));
    pairs.dedup();
    let (stdout, stderr) = (replace(result.stdout, &pairs), replace(result.stderr, &pairs));
    RunResult { stdout, stderr, ..result }
}

fn replace(bytes: Vec<u8>, pairs: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some(&first) = rest.first() {
        match pairs.iter().find(|(host, _)| rest.starts_with(host.as_bytes())) {
            Some((host, inside)) => {
                out.extend_from_slice(inside.as_bytes());
                rest = &rest[host.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_path_counts() {
        let pairs =
            [("/s/run/1/work".to_owned(), "/work/src".to_owned()), ("/s/run".to_owned(), "/work".to_owned())];
        let text = b"at /s/run/1/work/a.rs and /s/run/x \xff".to_vec();
        assert_eq!(replace(text, &pairs), b"at /work/src/a.rs and /work/x \xff");
    }
}

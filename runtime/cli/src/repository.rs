//! Finding the user's repository.

use crate::{error::CliError, exit::Exit};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository around `named` (or the current directory), with links resolved: the
/// top of the work tree, or the directory of a bare repository. Runs no program.
///
/// # Errors
/// [`Exit::No`] when the path does not exist or no repository is around it.
pub fn find(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let start = named.unwrap_or(Path::new("."));
    let start = start.canonicalize().map_err(|e| {
        CliError::new(Exit::No, "cannot look for the repository")
            .at(start.display())
            .because(&e)
            .hint("name an existing directory: --repo PATH")
    })?;
    start.ancestors().find_map(root_at).ok_or_else(|| {
        CliError::new(Exit::No, "no git repository is here")
            .at(start.display())
            .hint("change into one, name one with --repo PATH, or make one with `git init`")
    })
}

/// The directory with HEAD and config of a work tree, also of a linked one for its HEAD.
pub fn git_dir(repository: &Path) -> PathBuf {
    let inside = repository.join(".git");
    let linked = fs::read_to_string(&inside).ok();
    let named = linked.as_deref().and_then(|text| text.trim().strip_prefix("gitdir: "));
    match named {
        Some(dir) => repository.join(dir),
        None if inside.is_dir() => inside,
        None => repository.to_owned(),
    }
}

/// The branch that HEAD names, without `refs/heads/`; `None` where it is detached.
pub fn head_branch(repository: &Path) -> Option<String> {
    let head = fs::read_to_string(git_dir(repository).join("HEAD")).unwrap_or_default();
    head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// The repository of which `dir` is the root or the git directory.
fn root_at(dir: &Path) -> Option<PathBuf> {
    if is_git_dir(dir) {
        let inner = dir.file_name().is_some_and(|name| name == ".git");
        return if inner { dir.parent().map(Path::to_owned) } else { Some(dir.to_owned()) };
    }
    let inside = dir.join(".git");
    // A file names the git directory of a linked work tree or a submodule.
    (inside.is_file() || is_git_dir(&inside)).then(|| dir.to_owned())
}

fn is_git_dir(dir: &Path) -> bool {
    dir.join("HEAD").is_file() && dir.join("objects").is_dir() && dir.join("refs").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_dir(path: &Path) {
        fs::create_dir_all(path.join("objects")).unwrap();
        fs::create_dir_all(path.join("refs")).unwrap();
        fs::write(path.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn the_root_is_found_from_anywhere_inside() {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().canonicalize().unwrap().join("Größe und Maß");
        git_dir(&top.join(".git"));
        fs::create_dir_all(top.join("src/deep")).unwrap();
        for inside in ["", "src", "src/deep", ".git", ".git/refs"] {
            assert_eq!(find(Some(&top.join(inside))).unwrap(), top, "{inside}");
        }
    }

    #[test]
    fn bare_repositories_and_linked_work_trees_are_repositories() {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().canonicalize().unwrap();
        git_dir(&top.join("bare.git"));
        fs::create_dir(top.join("linked")).unwrap();
        fs::write(top.join("linked/.git"), "gitdir: ../x/.git/worktrees/linked\n").unwrap();
        for root in ["bare.git", "linked"] {
            assert_eq!(find(Some(&top.join(root))).unwrap(), top.join(root));
        }
    }

    #[test]
    fn outside_a_repository_it_is_said_what_to_do() {
        let temp = tempfile::tempdir().unwrap();
        let error = find(Some(temp.path())).unwrap_err();
        assert_eq!((error.exit, error.hint.is_some()), (Exit::No, true));
        let error = find(Some(&temp.path().join("nothing"))).unwrap_err();
        assert!(error.to_string().contains("--repo"), "{error}");
    }
}

//! Looking at the user's repository without running anything of it.

use super::{
    command::{Git, GitCommand, empty_tree, io_error, malformed},
    parse_format,
};
use foureyes_ports::vcs::{ObjectFormat, Result, UserRepo, VcsError};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A call in the user's repository, found already: no discovery, no attributes, and none of its
/// filters (`settings` of [`filters_off`]).
pub(super) fn git_in(git: &Git, repo: &UserRepo, subcommand: &str, settings: &[String]) -> GitCommand {
    let command = git.command_with(subcommand, settings).env("GIT_DIR", &repo.git_dir).in_dir(&repo.root);
    let command = command.env("GIT_ATTR_SOURCE", empty_tree(repo.object_format));
    if repo.bare { command } else { command.env("GIT_WORK_TREE", &repo.root) }
}

/// What the repository at `path` looks like.
pub(super) fn inspect(git: &Git, path: &Path) -> Result<UserRepo> {
    let path = fs::canonicalize(path).map_err(|e| io_error(&format!("looking at {}", path.display()), e))?;
    let asked =
        ["--is-bare-repository", "--is-shallow-repository", "--show-object-format", "--absolute-git-dir"];
    let shown = git.command("rev-parse").in_dir(&path).args(asked).line();
    let shown = shown.map_err(|error| match error {
        VcsError::Git { message, .. } if message.contains("not a git repository") => {
            VcsError::NotARepository(path.clone())
        }
        other => other,
    })?;
    let [bare, shallow, format, git_dir] = shown.splitn(4, '\n').collect::<Vec<_>>()[..] else {
        return Err(malformed("answer of git rev-parse", shown.as_bytes()));
    };
    let (bare, git_dir) = (bare == "true", PathBuf::from(git_dir));
    let root = if bare { git_dir.clone() } else { work_tree(git, &path, &git_dir)? };
    let object_format = parse_format(format)?;
    let mut repo = UserRepo {
        root,
        git_dir,
        bare,
        shallow: shallow == "true",
        head_branch: None,
        object_format,
        has_remote: false,
    };
    repo.head_branch = head_branch(git, &repo)?;
    repo.has_remote = !git_in(git, &repo, "remote", &[]).run()?.is_empty();
    Ok(repo)
}

/// The directory that holds `.git`: not `core.worktree`, which could name any place.
fn work_tree(git: &Git, path: &Path, git_dir: &Path) -> Result<PathBuf> {
    if let Some(parent) = git_dir.parent().filter(|_| git_dir.ends_with(".git")) {
        return Ok(parent.to_owned());
    }
    let top = git.command("rev-parse").in_dir(path).arg("--show-toplevel").line()?;
    Ok(PathBuf::from(top))
}

fn head_branch(git: &Git, repo: &UserRepo) -> Result<Option<String>> {
    let output = git_in(git, repo, "symbolic-ref", &[]).args(["-q", "HEAD"]).output()?;
    let name = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    Ok((output.status.success() && !name.is_empty()).then_some(name))
}

/// Settings that take the program out of every filter, driver and hook the repository defines.
pub(super) fn filters_off(git: &Git, repo: &UserRepo) -> Result<Vec<String>> {
    let list = git_in(git, repo, "config", &[]).args([
        "-z",
        "--name-only",
        "--get-regexp",
        r"^(filter|diff|merge|hook)\.",
    ]);
    let output = list.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split('\0').filter_map(neutral).collect())
}

/// A setting that names a program or insists on one, neutralised; other settings give none.
fn neutral(key: &str) -> Option<String> {
    let (section, rest) = key.split_once('.')?;
    let (name, variable) = rest.rsplit_once('.')?;
    let value = match (section, variable) {
        ("filter", "clean" | "smudge" | "process")
        | ("diff", "textconv" | "command")
        | ("merge", "driver") => "",
        ("filter", "required") => "false",
        ("hook", _) => return Some(format!("hook.{name}.enabled=false")),
        _ => return None,
    };
    Some(format!("{section}.{name}.{variable}={value}"))
}

/// The value of a ref of the user's repository that names a commit.
pub(super) fn commit_at(git: &Git, repo: &UserRepo, name: &str) -> Result<Option<String>> {
    let wanted = format!("{name}^{{commit}}");
    let output = git_in(git, repo, "rev-parse", &[])
        .args(["--verify", "--quiet", "--end-of-options", &wanted])
        .output()?;
    let id = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    Ok(output.status.success().then_some(id))
}

/// Whether the formats agree, so that objects can be exchanged.
pub(super) fn same_format(repo: &UserRepo, ours: ObjectFormat) -> Result<()> {
    if repo.object_format == ours {
        return Ok(());
    }
    let message = format!(
        "{} names objects by another hash than the state directory; purge the state",
        repo.root.display()
    );
    Err(VcsError::Git { what: "fetch".to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_are_neutralised() {
        for (key, setting) in [
            ("filter.lfs.clean", Some("filter.lfs.clean=")),
            ("filter.a.b.process", Some("filter.a.b.process=")),
            ("filter.lfs.required", Some("filter.lfs.required=false")),
            ("diff.x.textconv", Some("diff.x.textconv=")),
            ("merge.y.driver", Some("merge.y.driver=")),
            ("hook.x.command", Some("hook.x.enabled=false")),
            ("diff.renames", None),
            ("merge.x.name", None),
        ] {
            assert_eq!(neutral(key).as_deref(), setting, "{key}");
        }
    }
}

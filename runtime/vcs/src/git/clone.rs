//! Clones for agents: made here, never touched by git of the runtime again.

use super::{GitRepository, command::io_error, private_dir};
use foureyes_ports::vcs::{CloneSpec, Identity, ObjectFormat, RefUpdate, Result, VcsError};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const CLONE_LIMIT: Duration = Duration::from_secs(1800);
/// The remote of every clone: the helper `git-remote-agents` inside the sandbox serves it.
const REMOTE_URL: &str = "agents::repo";

impl GitRepository {
    /// Makes a clone with its branch checked out.
    pub(super) fn clone_agent(&self, spec: &CloneSpec) -> Result<()> {
        let short = short_branch(&spec.branch)?;
        let start = self.value(&spec.branch)?.unwrap_or_else(|| spec.start.clone());
        self.copy(spec)?;
        let git_dir = spec.dir.join(".git");
        let git = |subcommand| {
            self.git.command(subcommand).git_dir(&git_dir, self.format).env("GIT_WORK_TREE", &spec.dir)
        };
        git("update-ref").args([spec.branch.as_str(), start.as_str()]).run()?;
        git("symbolic-ref").args(["HEAD", &spec.branch]).run()?;
        git("read-tree").in_dir(&spec.dir).args(["-m", "-u", "HEAD"]).limit(CLONE_LIMIT).run()?;
        write(&git_dir.join("config"), &configuration(spec, self.format, short)?)?;
        match &spec.borrow_at {
            Some(inside) => {
                write(&git_dir.join("objects/info/alternates"), &format!("{}/objects\n", inside.display()))
            }
            None => Ok(()),
        }
    }

    /// Copies the visible branches, as packs or by borrowing; checks nothing out.
    fn copy(&self, spec: &CloneSpec) -> Result<()> {
        let clone = self.git.command("clone").in_dir(&self.state);
        let clone = clone.args(["-q", "--no-checkout", "--no-local", "--no-tags", "--template="]);
        let clone = match &spec.borrow_at {
            Some(_) => clone.arg("--reference").arg(self.store_dir()),
            None => clone,
        };
        clone.arg(&self.dir).arg(&spec.dir).allow_protocols("file").limit(CLONE_LIMIT).run().map(drop)
    }

    fn store_dir(&self) -> PathBuf {
        self.state.join("main.git")
    }

    /// Brings the main-only store up to the target branch.
    pub(super) fn refresh_store(&self, main: &str) -> Result<PathBuf> {
        let dir = self.store_dir();
        if !dir.join("HEAD").exists() {
            private_dir(&dir)?;
            self.make_bare(&dir)?;
        }
        let fetch = self.git.command("fetch").git_dir(&dir, self.format);
        let fetch = fetch.args([
            "-q",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--update-shallow",
        ]);
        let fetch = fetch.arg(&self.dir).arg(format!("+{main}:{main}"));
        fetch.allow_protocols("file").limit(CLONE_LIMIT).run()?;
        Ok(dir)
    }

    /// Makes a branch where it does not exist yet.
    ///
    /// # Errors
    /// [`VcsError::RefMoved`] where it exists elsewhere, or a git failure.
    pub fn create_branch(&self, name: &str, start: &foureyes_protocol::CommitId) -> Result<()> {
        self.move_refs(&[RefUpdate { name: name.to_owned(), old: None, new: Some(start.clone()) }])
    }
}

fn short_branch(branch: &str) -> Result<&str> {
    super::refs::check_name(branch)?;
    branch.strip_prefix("refs/heads/").ok_or_else(|| VcsError::BadRefName {
        name: branch.to_owned(),
        why: "a clone needs a branch below refs/heads/".to_owned(),
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| io_error(&format!("writing {}", path.display()), e))
}

/// The whole configuration of a clone.
fn configuration(spec: &CloneSpec, format: ObjectFormat, branch: &str) -> Result<String> {
    let who = Identity::of(&spec.role, 0);
    let mut text = match format {
        ObjectFormat::Sha1 => "[core]\n\trepositoryformatversion = 0\n".to_owned(),
        ObjectFormat::Sha256 => {
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n".to_owned()
        }
    };
    let key = spec.signing_key.as_deref().unwrap_or(&who.email);
    let fixed = [
        ("core.bare", "false"),
        ("core.filemode", "true"),
        ("core.logallrefupdates", "true"),
        ("user.name", &who.name),
        ("user.email", &who.email),
        ("user.signingKey", key),
        ("commit.gpgSign", "true"),
        ("gpg.format", "openpgp"),
        ("gpg.program", "agents-gpg"),
        ("push.default", "current"),
        ("pull.rebase", "false"),
        ("gc.auto", "0"),
        ("advice.detachedHead", "false"),
    ];
    for (name, value) in fixed {
        text += &entry(name, value)?;
    }
    let _ = write!(
        text,
        "[remote \"origin\"]\n\turl = {REMOTE_URL}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    );
    let _ = write!(text, "[branch {}]\n\tremote = origin\n\tmerge = refs/heads/{branch}\n", quoted(branch));
    for (name, value) in &spec.config {
        text += &entry(name, value)?;
    }
    Ok(text)
}

/// One entry of a configuration file. Names are `section.key`.
fn entry(name: &str, value: &str) -> Result<String> {
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match name.split_once('.').filter(|(section, key)| plain(section) && plain(key)) {
        Some((section, key)) if !value.contains(['\n', '\0']) => {
            Ok(format!("[{section}]\n\t{key} = {}\n", quoted(value)))
        }
        _ => Err(super::command::malformed("entry for a clone's configuration", name.as_bytes())),
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
